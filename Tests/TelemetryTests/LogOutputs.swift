import Foundation

/// A pipe that a log writes into and a test reads.
final class PipeOutput {
  let writeEnd: Int32
  private var readEnd: Int32
  private var bytes: [UInt8] = []

  init(isNonBlocking: Bool = false) {
    var ends: [Int32] = [0, 0]
    precondition(pipe(&ends) == 0)
    if isNonBlocking { _ = fcntl(ends[1], F_SETFL, O_NONBLOCK) }
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  deinit {
    closeReadEnd()
    close(writeEnd)
  }

  func closeReadEnd() {
    if readEnd >= 0 { close(readEnd) }
    readEnd = -1
  }

  /// What is in the pipe now; waits for nothing.
  func takeBytes() -> [UInt8] {
    while readSome(waitMs: 0) {}
    defer { bytes = [] }
    return bytes
  }

  func takeLines() -> [String] { Self.lines(takeBytes()) }

  /// Reads until a line fulfils `isLast`, or ten seconds have passed.
  func takeLines(until isLast: (String) -> Bool) -> [String] {
    for _ in 0..<100 {
      while readSome(waitMs: 100) {}
      if bytes.last == UInt8(ascii: "\n"), Self.lines(bytes).contains(where: isLast) { break }
    }
    defer { bytes = [] }
    return Self.lines(bytes)
  }

  private func readSome(waitMs: Int32) -> Bool {
    var ready = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
    guard poll(&ready, 1, waitMs) > 0 else { return false }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = read(readEnd, &chunk, chunk.count)
    guard count > 0 else { return false }
    bytes += chunk[..<count]
    return true
  }

  private static func lines(_ bytes: [UInt8]) -> [String] {
    bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// A file that has no name any more.
final class FileOutput {
  let descriptor: Int32

  init() {
    var path = Array((NSTemporaryDirectory() + "/swerve-log-XXXXXX").utf8CString)
    descriptor = mkstemp(&path)
    precondition(descriptor >= 0, "no temporary file: error \(errno)")
    unlink(path)
  }

  deinit { close(descriptor) }

  func lines() -> [String] {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    var bytes = [UInt8](repeating: 0, count: size)
    let count = pread(descriptor, &bytes, size, 0)
    return bytes[..<max(0, count)].split(separator: UInt8(ascii: "\n")).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}
