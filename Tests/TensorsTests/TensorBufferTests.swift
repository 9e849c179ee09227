import Tensors
import Testing

@Suite struct TensorBufferTests {
  /// Stands for a mapped file.
  private final class Memory {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 64)
    deinit { bytes.deallocate() }
  }

  @Test(arguments: 0..<8)
  func `borrowed memory at any address is read in place, and aligned for who needs it`(
    shift: Int
  ) {
    let memory = Memory()
    for index in 0..<64 { memory.bytes[index] = UInt8(index) }
    let borrowed = UnsafeRawBufferPointer(rebasing: memory.bytes[shift..<(shift + 32)])
    let buffer = TensorBuffer(borrowing: borrowed, elementSize: 4, owner: memory)
    let tensor = Tensor(.float32, shape: Shape(8), buffer: buffer)

    #expect(buffer.unalignedBytes.baseAddress == borrowed.baseAddress)
    let isAligned = shift % 4 == 0
    #expect((UnsafeRawPointer(buffer.bytes.baseAddress) == borrowed.baseAddress) == isAligned)
    let first = buffer.bytes.baseAddress
    #expect(buffer.bytes.baseAddress == first)
    let values = tensor.values(as: Float.self)
    for index in 0..<8 {
      let want = borrowed.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
      #expect(values[index].bitPattern == want)
    }
    #expect(!buffer.isWritable)
  }
}
