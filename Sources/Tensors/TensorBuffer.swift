internal import Synchronization

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

  /// Where the bytes lie; at any address when they are somebody else's.
  private let place: UnsafeMutableRawBufferPointer
  let isAligned: Bool
  /// The address of an aligned copy of them, once somebody has asked for one.
  private let alignedCopy = Mutex<UInt?>(nil)
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
    unsafe place = memory
    isAligned = true
    owner = nil
  }

  /// No memory at all.
  static let nothing = TensorBuffer(byteCount: 0)

  init(text: ByteStrings) {
    unsafe place = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    isAligned = true
    owner = nil
    self.text = text
  }

  /// Memory that `owner` holds and will hold as long as it lives; never written to.
  ///
  /// It may begin at any address, as weights in a mapped file do. Products take it as it lies;
  /// for whoever needs it aligned to `elementSize` a copy is made, once.
  package init(borrowing memory: UnsafeRawBufferPointer, elementSize: Int, owner: AnyObject) {
    unsafe place = UnsafeMutableRawBufferPointer(mutating: memory)
    let address = UInt(bitPattern: memory.baseAddress)
    isAligned = address.isMultiple(of: UInt(max(elementSize, 1)))
    self.owner = owner
  }

  /// The bytes, aligned to the element's size.
  package var bytes: UnsafeMutableRawBufferPointer {
    unsafe isAligned ? place : aligned()
  }

  /// The bytes where they lie.
  package var unalignedBytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(place) }

  package var byteCount: Int { unsafe place.count }

  private func aligned() -> UnsafeMutableRawBufferPointer {
    let address = alignedCopy.withLock { copy in
      if let copy { return copy }
      let memory = unsafe UnsafeMutableRawPointer.allocate(
        byteCount: place.count, alignment: TensorBuffer.alignment)
      if let source = unsafe place.baseAddress {
        unsafe memory.copyMemory(from: source, byteCount: place.count)
      }
      let address = UInt(bitPattern: memory)
      copy = address
      return address
    }
    return unsafe UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: address), count: place.count)
  }

  /// False for memory that belongs to somebody else, such as a mapped model file.
  package var isWritable: Bool { owner == nil }

  deinit {
    if owner == nil, unsafe place.baseAddress != nil { unsafe place.deallocate() }
    if let address = alignedCopy.withLock({ $0 }) {
      unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
    }
  }
}
