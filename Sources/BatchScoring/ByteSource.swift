internal import Glibc

/// Bytes that come one behind the other: a file, a pipe, what a packed file unfolds to.
package protocol ByteSource {
  /// Fills the front of `buffer`.
  ///
  /// - Returns: How many bytes; 0 at the end.
  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int

  /// Makes a `read` that waits return, and all others find the end. From any thread.
  var interrupt: @Sendable () -> Void { get }

  /// Waits for more, no longer than this; true where nothing has come. So long a pause is one in which
  /// somebody waits for what can be answered already.
  func isIdle(milliseconds: Int32) -> Bool
}

extension ByteSource {
  /// Nothing to do for a source that never waits, such as a file.
  package var interrupt: @Sendable () -> Void { {} }
  package func isIdle(milliseconds: Int32) -> Bool { false }
}

/// What a descriptor gives. Not closed.
package struct DescriptorSource: ByteSource {
  let descriptor: Int32
  let name: String
  private let bell = Bell()

  /// - Parameter name: What errors call it.
  package init(_ descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  package mutating func read(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(BatchError) -> Int {
    while true {
      if let bell, bell.rings(before: descriptor) { return 0 }
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw .io("reading \(name)", code: errno) }
    }
  }

  package var interrupt: @Sendable () -> Void { { [bell] in bell?.ring() } }

  package func isIdle(milliseconds: Int32) -> Bool {
    var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // At the end of a file, or where something is wrong, a read returns at once and tells.
    return poll(&waited, 1, milliseconds) == 0
  }
}

/// A line that wakes a thread waiting for a descriptor.
private final class Bell: Sendable {
  private let reading: Int32
  private let writing: Int32

  /// nil where there are no descriptors left: then nobody can be woken.
  init?() {
    var ends: [Int32] = [-1, -1]
    // (`pipe2` is hidden from Swift.)
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
    (reading, writing) = (ends[0], ends[1])
  }

  deinit {
    close(reading)
    close(writing)
  }

  func ring() {
    var byte: UInt8 = 1
    _ = write(writing, &byte, 1)
  }

  /// Waits for what the descriptor has; true when it was rung for instead.
  func rings(before descriptor: Int32) -> Bool {
    var waited = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
    ]
    // Whatever went wrong, reading tells it.
    while poll(&waited, 2, -1) < 0, errno == EINTR {}
    return waited[1].revents != 0
  }
}
