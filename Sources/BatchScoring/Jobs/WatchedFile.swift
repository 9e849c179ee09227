internal import Digest
internal import Glibc
internal import Synchronization

/// A file of a job's input, read from its beginning to its end in blocks, hashed on the way, and
/// watched: whatever changes it while it is read ends the job.
///
/// It is never mapped: a file that is cut off underneath is then an error, and no signal.
final class WatchedFile: Sendable {
  private struct State: ~Copyable {
    var hash = SHA256()
    var readBytes = 0
    /// What had been read when the job was committed; nil once it has been met.
    var expected: (byteCount: Int, hash: String)?
  }

  let file: JobFile
  private let descriptor: Int32
  private let checkInterruption: InterruptionCheck
  private let state: Mutex<State>

  /// - Parameters:
  ///   - descriptor: At its beginning; closed with this object.
  ///   - expected: The hash of its first bytes, as an earlier run read them.
  ///   - checkInterruption: Asked before each block.
  init(
    _ file: JobFile, taking descriptor: Int32, expected: (byteCount: Int, hash: String)?,
    _ checkInterruption: @escaping InterruptionCheck
  ) {
    self.file = file
    self.descriptor = descriptor
    self.checkInterruption = checkInterruption
    state = Mutex(State(expected: expected))
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
  }

  deinit { close(descriptor) }

  /// - Returns: 0 at the end that the file had when the job began.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
    try checkInterruption()
    return try state.withLock { (state) throws(BatchError) in
      var wanted = min(buffer.count, file.stamp.byteCount - state.readBytes)
      if let expected = state.expected {
        wanted = min(wanted, expected.byteCount - state.readBytes)
      }
      guard wanted > 0 else { return 0 }
      var count = -1
      while count < 0 {
        count = Glibc.read(descriptor, buffer.baseAddress, wanted)
        if count < 0, errno != EINTR { throw .system(errno, "reading \(file.path)") }
      }
      try check()
      guard count > 0 else { throw .inputChanged(file: file.path, how: "it was cut off") }
      state.hash.update(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count])))
      state.readBytes += count
      if let expected = state.expected, state.readBytes == expected.byteCount {
        guard state.hash.hexSoFar() == expected.hash else {
          throw .inputChanged(
            file: file.path, how: "its first \(expected.byteCount) bytes are not what they were")
        }
        state.expected = nil
      }
      return count
    }
  }

  /// For work that goes on long without another block.
  func checkWhetherToGoOn() throws(BatchError) { try checkInterruption() }

  /// How far it has been read, and the hash of that.
  func mark() -> (byteCount: Int, hash: String) {
    state.withLock { ($0.readBytes, $0.hash.hexSoFar()) }
  }

  /// Reads what is left, only for the hash.
  ///
  /// - Returns: The hash of the whole file.
  func finish() throws(BatchError) -> String {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { block.deallocate() }
    while try read(into: block) > 0 {}
    try check()
    return mark().hash
  }

  private func check() throws(BatchError) {
    let now = try FileStamp(descriptor: descriptor, file: file.path)
    if let how = file.stamp.difference(to: now) {
      throw .inputChanged(file: file.path, how: how)
    }
  }
}

/// The file's bytes as they lie.
struct WatchedSource: ByteSource, Sendable {
  let file: WatchedFile

  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
    try file.read(into: buffer)
  }
}
