internal import Digest
internal import Glibc

/// A file that a job appends to. What was written and not committed is cut off when it is opened
/// again, and what was committed is hashed: `_SUCCESS.json` has the hash of the whole.
final class AppendedFile {
  let path: String
  private let descriptor: Int32
  private var hash = SHA256()
  private(set) var byteCount = 0
  /// From the start: an empty file is to last too.
  private var isDirty = true

  /// Opens or makes it. Its name is made last by whoever commits it.
  ///
  /// - Parameters:
  ///   - committed: What of it counts.
  ///   - checkInterruption: Asked before each block of that.
  /// - Throws: `.outputLost` when that is not what lies there.
  init(
    _ path: String, committed: JobProgress.FileState, _ checkInterruption: InterruptionCheck
  ) throws(BatchError) {
    self.path = path
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw .system(errno, "opening \(path)") }
    self.descriptor = descriptor
    hash = try Self.hashCommitted(committed, descriptor, path, checkInterruption)
    byteCount = committed.byteCount
    guard ftruncate(descriptor, off_t(committed.byteCount)) == 0,
      lseek(descriptor, off_t(committed.byteCount), SEEK_SET) >= 0
    else { throw .system(errno, "going on in \(path)") }
  }

  deinit { close(descriptor) }

  /// Looks whether a file that was written to its end still lies there as it was committed.
  ///
  /// - Throws: `.outputLost` when it does not.
  static func verify(
    _ path: String, _ committed: JobProgress.FileState, _ checkInterruption: InterruptionCheck
  ) throws(BatchError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      guard code == ENOENT || code == ENOTDIR || code == ELOOP else {
        throw .system(code, "opening \(path)")
      }
      throw .outputLost("\(path) is not there any more")
    }
    defer { close(descriptor) }
    try checkSize(path, committed)
    _ = try hashCommitted(committed, descriptor, path, checkInterruption)
  }

  /// The cheap part of `verify`: whether a file of that size lies there.
  static func checkSize(
    _ path: String, _ committed: JobProgress.FileState
  ) throws(BatchError) {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .outputLost("\(path) is not there any more")
    }
    guard status.st_size == committed.byteCount else {
      throw .outputLost(
        "\(path) has \(status.st_size) bytes; \(committed.byteCount) were written and committed")
    }
  }

  /// - Returns: The hash of what was committed, to go on with.
  private static func hashCommitted(
    _ committed: JobProgress.FileState, _ descriptor: Int32, _ path: String,
    _ checkInterruption: InterruptionCheck
  ) throws(BatchError) -> SHA256 {
    var hash = SHA256()
    guard committed.byteCount > 0 else { return hash }
    var byteCount = 0
    var block = [UInt8](repeating: 0, count: 1 << 18)
    while byteCount < committed.byteCount {
      try checkInterruption()
      let count = read(descriptor, &block, min(block.count, committed.byteCount - byteCount))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(errno, "reading \(path)") }
      guard count > 0 else {
        throw .outputLost(
          "\(path) has \(byteCount) bytes; \(committed.byteCount) were written and committed")
      }
      hash.update(block.span.bytes.extracting(first: count))
      byteCount += count
    }
    guard hash.hexSoFar() == committed.hash else {
      throw .outputLost("\(path): its first \(byteCount) bytes are not those that were written")
    }
    return hash
  }

  /// Of one call, in which a thread is not taken off its CPU: a request that wakes there waits for
  /// its end.
  private static let maxWriteBytes = 64 << 10

  func append(_ bytes: [UInt8]) throws(BatchError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        write(
          descriptor, buffer.baseAddress.map { $0 + written },
          min(buffer.count - written, Self.maxWriteBytes))
      }
      if count > 0 {
        written += count
        ThreadPriority.giveWay()
      } else if count == 0 || errno != EINTR {
        throw .system(count == 0 ? EIO : errno, "writing \(path)")
      }
    }
    hash.update(bytes.span.bytes)
    byteCount += bytes.count
    isDirty = isDirty || !bytes.isEmpty
  }

  /// Brings what was appended to the disk.
  func sync() throws(BatchError) {
    guard isDirty else { return }
    guard fdatasync(descriptor) == 0 else { throw .system(errno, "fsync of \(path)") }
    isDirty = false
  }

  /// Lets go of what is behind `byteCount`; nothing is appended afterwards.
  func cut(to byteCount: Int) { ftruncate(descriptor, off_t(min(byteCount, self.byteCount))) }

  var state: JobProgress.FileState {
    JobProgress.FileState(byteCount: byteCount, hash: byteCount == 0 ? "" : hash.hexSoFar())
  }
}
