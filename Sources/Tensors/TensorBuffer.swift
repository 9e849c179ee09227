/// A block of memory that tensors lie in; ours is aligned to 64 bytes, a small one to 16.
///
/// Owns its memory, or keeps alive what does (a mapped file). Freed with the last reference.
/// Whoever writes into it through `bytes` is alone with it, or has arranged who writes where:
/// `Tensor` writes only when it holds the one reference.
@safe package final class TensorBuffer: @unchecked Sendable {
  // `@unchecked`: see the type's promise about writers.
  package static let alignment = 64
  /// Below, plain `malloc` is several times faster than an aligned allocation.
  private static let smallByteCount = 1 << 12

  package let bytes: UnsafeMutableRawBufferPointer
  private let owner: AnyObject?
  /// The elements of a string tensor, which has no bytes: so a tensor is one reference.
  var text: ByteStrings?

  /// Zeroed memory of `byteCount` bytes.
  package init(byteCount: Int) {
    precondition(byteCount >= 0, "a buffer of \(byteCount) bytes")
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: byteCount,
      alignment: byteCount < TensorBuffer.smallByteCount ? 16 : TensorBuffer.alignment)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe bytes = memory
    owner = nil
  }

  /// No memory at all.
  static let nothing = TensorBuffer(byteCount: 0)

  init(text: ByteStrings) {
    unsafe bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    owner = nil
    self.text = text
  }

  /// Memory that `owner` holds and will hold as long as it lives; never written to.
  package init(borrowing memory: UnsafeRawBufferPointer, owner: AnyObject) {
    unsafe bytes = UnsafeMutableRawBufferPointer(mutating: memory)
    self.owner = owner
  }

  package var byteCount: Int { unsafe bytes.count }

  /// False for memory that belongs to somebody else, such as a mapped model file.
  package var isWritable: Bool { owner == nil }

  deinit {
    if owner == nil, unsafe bytes.baseAddress != nil { unsafe bytes.deallocate() }
  }
}
