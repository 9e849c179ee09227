import Tensors
import Testing

@Suite struct NPYFormatTests {
  @Test func `what is written is read back`() throws {
    let tensor = Tensor([1.5, -2, 3, 4, .infinity, 6] as [Float], shape: Shape(2, 3))
    let back = try NPYFormat.read(NPYFormat.write(tensor))
    #expect(back.shape == tensor.shape)
    #expect(back.elementType == .float32)
    let left = back.values(as: Float.self)
    let right = tensor.values(as: Float.self)
    for index in 0..<6 { #expect(left[index] == right[index]) }
  }

  /// `np.save` of `np.arange(12, dtype='>i4').reshape(3, 2, 2)` in Fortran's order.
  @Test func `an array of another order is read as itself`() throws {
    var header = "{'descr': '>i4', 'fortran_order': True, 'shape': (3, 2, 2), }"
    header += String(repeating: " ", count: 118 - header.utf8.count - 1) + "\n"
    var file: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0] + Array(header.utf8)
    // The first dimension counts fastest.
    for number in [0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11] as [UInt8] { file += [0, 0, 0, number] }
    let tensor = try NPYFormat.read(file)
    #expect(tensor.shape == Shape(3, 2, 2))
    let values = tensor.values(as: Int32.self)
    for index in 0..<12 { #expect(values[index] == Int32(index)) }
    for count in 0..<file.count {
      #expect(throws: NPYFormat.Failure.self) { try NPYFormat.read(Array(file[0..<count])) }
    }
  }

  @Test func `an array without rows costs nothing, however wide it says it is`() throws {
    var header = "{'descr': '<f8', 'fortran_order': True, 'shape': (0, 72057594037927935), }"
    header += String(repeating: " ", count: 118 - header.utf8.count - 1) + "\n"
    let file: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0] + Array(header.utf8)
    #expect(try NPYFormat.read(file).shape == Shape(0, 72_057_594_037_927_935))
  }

  @Test func `every truncation is an error and no trap`() {
    let file = NPYFormat.write(Tensor([1, 2, 3] as [Int64], shape: Shape(3)))
    for count in 0..<file.count {
      #expect(throws: NPYFormat.Failure.self) { try NPYFormat.read(Array(file[0..<count])) }
    }
  }
}
