internal import Digest
internal import Glibc
internal import Synchronization

/// A file of a job's input, read from its beginning to its end in blocks, hashed on the way, and
/// watched: whatever changes it while it is read ends the job.
///
/// It is never mapped: a file that is cut off underneath is then an error, and no signal.
///
/// A change may be hidden by putting the time of modification back. The time of the last change of
/// any kind cannot be put back, but a `chmod` or another link changes it too: where only that time is
/// another one, what has been read is read again, and has to be the same. What has not been read yet is
/// read as it is now, so the file is never a mix of two.
final class WatchedFile: Sendable {
  private struct State: ~Copyable {
    var hash = SHA256()
    var readBytes = 0
    /// What had been read when the job was committed; nil once it has been met.
    var expected: (byteCount: Int, hash: String)?
    /// The time of the last change of any kind up to which what was read is known to lie there.
    var changedAt: Int64
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
    // Nothing has been read: whatever time it has will do, and a later look tells what is wrong.
    let changedAt = (try? FileStamp.look(descriptor, file: file.path))?.changedAt ?? 0
    state = Mutex(State(expected: expected, changedAt: changedAt))
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
  }

  deinit { close(descriptor) }

  /// - Returns: 0 at the end that the file had when the job began.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
    try checkInterruption()
    ThreadPriority.giveWay()
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
      state.hash.update(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count])))
      state.readBytes += count
      // With what was just read: the change may have come behind that.
      try check(&state)
      guard count > 0 else { throw .inputChanged(file: file.path, how: "it was cut off") }
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
    try checkIsUnchanged()
    return mark().hash
  }

  /// Reads what lies at a place, whatever has been read. Whoever reads so has the file hashed before,
  /// and looks with `checkIsUnchanged` afterwards.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) {
    var filled = 0
    while filled < buffer.count {
      let count = pread(
        descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled,
        off_t(offset + filled))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system(errno, "reading \(file.path)") }
      guard count > 0 else { throw .inputChanged(file: file.path, how: "it was cut off") }
      filled += count
    }
  }

  /// - Throws: `.inputChanged` where what was read is not what lies there now.
  func checkIsUnchanged() throws(BatchError) {
    try state.withLock { (state) throws(BatchError) in try check(&state) }
  }

  private func check(_ state: inout State) throws(BatchError) {
    while true {
      let now = try FileStamp.look(descriptor, file: file.path)
      if let how = file.stamp.difference(to: now.stamp) {
        throw .inputChanged(file: file.path, how: how)
      }
      guard now.changedAt != state.changedAt else { return }
      guard try hash(ofFirst: state.readBytes) == state.hash.hexSoFar() else {
        throw .inputChanged(
          file: file.path,
          how: "it was changed after the job began, and its time of modification put back")
      }
      // It may have been changed again meanwhile.
      state.changedAt = now.changedAt
    }
  }

  private func hash(ofFirst byteCount: Int) throws(BatchError) -> String {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { block.deallocate() }
    var hash = SHA256()
    var done = 0
    while done < byteCount {
      try checkInterruption()
      let part = UnsafeMutableRawBufferPointer(
        rebasing: block[..<min(block.count, byteCount - done)])
      try read(at: done, into: part)
      hash.update(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(part)))
      done += part.count
    }
    return hash.hexSoFar()
  }
}

/// A source whose bytes may be read in any order.
protocol PlacedSource: Sendable {
  /// Reads all of it once, so that it is known.
  ///
  /// - Returns: How many bytes it has.
  func readThrough() throws(BatchError) -> Int

  /// Reads what lies there. A change is told by `check`.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(BatchError)

  /// - Throws: Where it has changed since it was read through, or is not wanted any more.
  func check() throws(BatchError)
}

/// The file's bytes as they lie.
struct WatchedSource: ByteSource, PlacedSource {
  let file: WatchedFile

  func readThrough() throws(BatchError) -> Int {
    _ = try file.finish()
    return file.file.stamp.byteCount
  }

  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) {
    try file.read(at: offset, into: buffer)
  }

  func check() throws(BatchError) {
    try file.checkWhetherToGoOn()
    try file.checkIsUnchanged()
  }

  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
    try file.read(into: buffer)
  }
}
