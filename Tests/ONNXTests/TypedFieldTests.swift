import Executors
import Foundation
import Mutants
import Tensors
import Testing

@testable import ONNX

/// Elements in typed fields go straight from the file to where they are to lie.
@Suite struct TypedFieldTests {
  private struct Typed {
    var type: Int
    var count: Int
    var data: [UInt8]
  }

  private static func bytes(_ typed: Typed) -> [UInt8] {
    ModelBytes.model(
      nodes: [ModelBytes.node("Identity", ["w"], "y")],
      tensors: [
        ModelBytes.tensor("w", type: typed.type, shape: [typed.count], data: typed.data)
      ],
      inputs: [ModelBytes.value("x", [1])],
      output: ModelBytes.value("y", type: typed.type, [typed.count]))
  }

  private static func packed(_ field: Int, _ count: Int, _ value: (Int) -> Int) -> [UInt8] {
    var run: [UInt8] = []
    for index in 0..<count { run += ModelBytes.varint(value(index)) }
    return ModelBytes.field(field, run)
  }

  private static func large(_ name: String) -> Typed {
    let count = 1 << 17
    switch name {
    case "float32":
      let values = (0..<count).map { Float($0) }
      return Typed(
        type: 1, count: count,
        data: ModelBytes.field(4, values.withUnsafeBytes(Array.init)))
    case "float64":
      let values = (0..<count).map { Double($0) }
      // Two chunks, as files may have them.
      let half = count / 2
      return Typed(
        type: 11, count: count,
        data: values[..<half].withUnsafeBytes { ModelBytes.field(10, Array($0)) }
          + values[half...].withUnsafeBytes { ModelBytes.field(10, Array($0)) })
    case "int64":
      return Typed(type: 7, count: count, data: packed(7, count) { 1_000_000 + $0 })
    case "int32 apart":
      let data = (0..<count).flatMap { ModelBytes.number(5, $0 % 100) }
      return Typed(type: 6, count: count, data: data)
    case "uint8": return Typed(type: 2, count: count, data: packed(5, count) { $0 % 256 })
    case "float16": return Typed(type: 10, count: count, data: packed(5, count) { $0 % 0x7C00 })
    case "uint32": return Typed(type: 12, count: count, data: packed(11, count) { 1 << 31 | $0 })
    case "int4": return Typed(type: 22, count: 2 * count, data: packed(5, count) { $0 % 256 })
    case "bool": return Typed(type: 9, count: count, data: packed(5, count) { $0 % 3 })
    default:
      let data = (0..<(count / 8)).flatMap { ModelBytes.text(6, "word \($0)") }
      return Typed(type: 8, count: count / 8, data: data)
    }
  }

  private static let names = [
    "float32", "float64", "int64", "int32 apart", "uint8", "float16", "uint32", "int4", "bool",
    "string",
  ]

  @Test(arguments: names)
  func `a large typed tensor is loaded within four times its file`(name: String) async {
    await #expect(processExitsWith: .success) { [name] in
      let file = TypedFieldTests.bytes(TypedFieldTests.large(name))
      let path = try ModelBytes.write(file)
      defer { unlink(path) }
      _ = try ONNXModel.load(path: "\(Fixtures.folder)/Gemm_weights.onnx")
      let limit = MutantTrial.maxAllocation(fileBytes: file.count)
      _ = try MutantTrial.within(bytes: limit) { try ONNXModel.load(path: path) }
    }
  }

  @Test(arguments: ["float64", "int64", "int32 apart", "uint32"])
  func `typed elements are what the file says`(name: String) throws {
    let typed = Self.large(name)
    let path = try ModelBytes.write(Self.bytes(typed))
    defer { unlink(path) }
    let executor = try ONNXModel.load(path: path)
    let values = try executor.predict(
      [Tensor(.float32, shape: Shape(1))], outputs: [0], scratch: executor.makeScratch())
    guard case .tensor(let tensor)? = values.first else {
      Issue.record("no tensor")
      return
    }
    let found = doubles(tensor)
    let wanted: (Int) -> Double =
      switch name {
      case "float64": { Double($0) }
      case "int64": { Double(1_000_000 + $0) }
      case "uint32": { Double(1 << 31 | $0) }
      default: { Double($0 % 100) }
      }
    #expect(found.count == typed.count)
    #expect(found.indices.allSatisfy { found[$0] == wanted($0) })
  }

  /// One byte each in the file, eight in memory.
  @Test func `numbers of 64 bits below 128 take eight times their file and load`() async {
    await #expect(processExitsWith: .success) {
      let count = 1 << 22
      let file = TypedFieldTests.bytes(
        Typed(type: 7, count: count, data: TypedFieldTests.packed(7, count) { $0 % 100 }))
      let path = try ModelBytes.write(file)
      defer { unlink(path) }
      _ = try MutantTrial.within(bytes: 8 * file.count + 1 << 20) {
        try ONNXModel.load(path: path)
      }
    }
  }

  /// Whoever writes to a file while it is read may change what has been counted.
  @Test(arguments: [1, 7, 11])
  func `elements that come to be after they were counted are not written`(type: Int) throws {
    let field = [1: 4, 7: 7, 11: 10][type] ?? 0
    let element = type == 7 ? [1] : [UInt8](repeating: 1, count: type == 1 ? 4 : 8)
    let data = ModelBytes.field(field, (0..<4).flatMap { _ in element })
    let rest = [UInt8](repeating: 1, count: 1 << 16)
    // A name in one reading, elements in the next.
    let bytes = ModelBytes.number(1, 4) + ModelBytes.number(2, type) + data
    let path = try ModelBytes.write(bytes + ModelBytes.field(8, rest))
    defer { unlink(path) }
    let file = try ModelFile(path: path)
    let message = try TensorMessage(MessageSource(file.bytes), 0..<file.count, depth: 0)
    let descriptor = open(path, O_WRONLY)
    defer { close(descriptor) }
    let key = ModelBytes.varint(field << 3 | 2)
    #expect(pwrite(descriptor, key, 1, off_t(bytes.count)) == 1)
    let error = #expect(throws: ModelFormatError.self) {
      try TensorReader(file: file).tensor(message, at: "initializer 'w'")
    }
    #expect(error?.description.contains("it changed while initializer 'w' was read") == true)
  }
}
