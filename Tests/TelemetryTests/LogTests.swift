import Foundation
import Glibc
import Telemetry
import Testing

@Suite struct LogTests {
  /// A log into a file, and its lines once flushed.
  private func lines(
    maxBufferedBytes: Int = 8 << 20, level: Log.Level = .debug, _ body: (Log) -> Void
  ) throws -> [String] {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("swerve-log-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: path) }
    let descriptor = open(path.path, O_WRONLY | O_CREAT, 0o600)
    defer { close(descriptor) }
    let log = Log(descriptor: descriptor, level: level, maxBufferedBytes: maxBufferedBytes)
    body(log)
    log.flush()
    let data = try Data(contentsOf: path)
    let text = try #require(String(validating: data, as: UTF8.self), "the log is UTF-8")
    return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  private func object(_ line: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  @Test func `a line is one JSON object with time, level, message and the fields`() throws {
    let line = try #require(
      try lines { log in
        log.write(
          .warning, "endpoint changed",
          [
            "endpoint": .string("iris"), "percent": .integer(90), "ms": .decimal(1.5),
            "ok": .bool(true),
          ])
      }.first)
    let object = try object(line)
    #expect(object["level"] as? String == "warning")
    #expect(object["message"] as? String == "endpoint changed")
    #expect(object["endpoint"] as? String == "iris")
    #expect(object["percent"] as? Int == 90)
    #expect(object["ms"] as? Double == 1.5)
    #expect(object["ok"] as? Bool == true)
    let time = try #require(object["time"] as? String)
    #expect(time.count == "2026-11-21T05:00:00.000Z".count && time.hasSuffix("Z"), "\(time)")
  }

  @Test func `what a client sends cannot break a line or its encoding`() throws {
    let hostile = "a\"b\\c\nd\u{0}e\u{1F}f\u{2028}g"
    let written = try lines { log in
      log.write(.info, "request", ["agent": .string(hostile)])
      log.write(.info, "request") { line in
        line.appendLogMember("agent", bytes: [0xFF, 0x41, 0xC3, 0x28])
      }
      // A caller that appends raw bytes which are no UTF-8.
      log.write(.info, "request") { line in
        line.append(contentsOf: ",\"x\":\"".utf8)
        line.append(0xFE)
        line.append(contentsOf: "\"".utf8)
      }
    }
    #expect(written.count == 3)
    #expect(try object(written[0])["agent"] as? String == hostile)
    #expect(try object(written[1])["agent"] as? String == "\u{FFFD}A\u{FFFD}(")
    #expect(try object(written[2])["x"] as? String == "\u{FFFD}")
  }

  @Test func `lines of eight threads stay whole and none is lost`() throws {
    let written = try lines { log in
      DispatchQueue.concurrentPerform(iterations: 8) { thread in
        for index in 0..<500 {
          log.write(
            .info, "line", ["thread": .integer(Int64(thread)), "index": .integer(Int64(index))])
        }
      }
    }
    #expect(written.count == 4000)
    var next = [Int](repeating: 0, count: 8)
    for line in written {
      let object = try object(line)
      let thread = try #require(object["thread"] as? Int)
      #expect(object["index"] as? Int == next[thread], "a thread's lines keep their order")
      next[thread] += 1
    }
  }

  @Test func `a level below the log's is not written`() throws {
    let written = try lines(level: .warning) { log in
      log.write(.info, "quiet")
      log.write(.error, "loud")
    }
    #expect(written.count == 1)
    #expect(written[0].contains("loud"))
  }

  @Test func `lines that a stuck pipe cannot take are dropped, counted and told`() throws {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    let log = Log(descriptor: ends[1], level: .info, maxBufferedBytes: 4096)
    for index in 0..<20_000 { log.write(.info, "line", ["index": .integer(Int64(index))]) }
    // Now somebody reads: what was kept comes out whole, and one line says how many are gone.
    let reader = ends[0]
    let collected = DispatchGroup()
    nonisolated(unsafe) var bytes: [UInt8] = []
    collected.enter()
    Thread.detachNewThread {
      var block = [UInt8](repeating: 0, count: 65536)
      while true {
        let count = read(reader, &block, block.count)
        if count <= 0 { break }
        bytes.append(contentsOf: block[0..<count])
      }
      collected.leave()
    }
    usleep(200_000)
    log.write(.info, "last")
    log.flush()
    close(ends[1])
    collected.wait()
    close(reader)
    let text = String(decoding: bytes, as: UTF8.self)
    let written = text.split(separator: "\n")
    for line in written { _ = try object(String(line)) }
    #expect(written.count < 20_000)
    #expect(text.contains("dropped"), "one line tells of the dropped ones")
  }
}
