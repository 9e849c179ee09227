internal import Digest
internal import Glibc

/// A file that a job appends to. What was written and not committed is cut off when it is opened
/// again, and what was committed is hashed: `_SUCCESS.json` has the hash of the whole.
final class AppendedFile {
  let path: String
  private let descriptor: Int32
  private var hash = SHA256()
  private(set) var byteCount = 0
  private var isDirty = false

  /// Opens or makes it.
  ///
  /// - Parameter committed: What of it counts.
  /// - Throws: `.store` when that is not what lies there.
  init(_ path: String, committed: JobProgress.FileState) throws(BatchError) {
    self.path = path
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw .system(errno, "opening \(path)") }
    self.descriptor = descriptor
    try hashCommitted(committed)
    guard ftruncate(descriptor, off_t(committed.byteCount)) == 0,
      lseek(descriptor, off_t(committed.byteCount), SEEK_SET) >= 0
    else { throw .system(errno, "going on in \(path)") }
  }

  deinit { close(descriptor) }

  private func hashCommitted(
    _ committed: JobProgress.FileState
  ) throws(BatchError) {
    guard committed.byteCount > 0 else { return }
    var block = [UInt8](repeating: 0, count: 1 << 18)
    while byteCount < committed.byteCount {
      let count = read(descriptor, &block, min(block.count, committed.byteCount - byteCount))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(errno, "reading \(path)") }
      guard count > 0 else {
        throw .store(
          "\(path) has \(byteCount) bytes; \(committed.byteCount) were written and committed")
      }
      hash.update(block.span.bytes.extracting(first: count))
      byteCount += count
    }
    guard hash.hexSoFar() == committed.hash else {
      throw .store("\(path): its first \(byteCount) bytes are not those that were written")
    }
  }

  func append(_ bytes: [UInt8]) throws(BatchError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
      }
      if count > 0 {
        written += count
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
