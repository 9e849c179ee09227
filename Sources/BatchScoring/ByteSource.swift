internal import Glibc

/// Bytes that come one behind the other: a file, a pipe, what a packed file unfolds to.
package protocol ByteSource {
  /// Fills the front of `buffer`.
  ///
  /// - Returns: How many bytes; 0 at the end.
  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int
}

/// What a descriptor gives. Not closed.
package struct DescriptorSource: ByteSource {
  let descriptor: Int32
  let name: String

  /// - Parameter name: What errors call it.
  package init(_ descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  package mutating func read(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(BatchError) -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw .io("reading \(name)", code: errno) }
    }
  }
}
