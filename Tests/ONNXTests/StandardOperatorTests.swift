import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// The cases of `Fixtures/standard.json`, `structure.json`, `packed.json`, `half.json` and
/// `reviewed.json`, which scripts beside them make with ONNX Runtime.
struct StandardCase: Decodable, CustomStringConvertible, Sendable {
  struct Packed: Decodable, Sendable {
    var type: Int
    var shape: [Int]
    var data: Data

    func tensor() throws -> Tensor {
      let types: [Int: ElementType] = [
        1: .float32, 2: .uint8, 3: .int8, 4: .uint16, 5: .int16, 6: .int32, 7: .int64, 9: .bool,
        10: .float16, 11: .float64, 12: .uint32, 13: .uint64, 16: .bfloat16, 17: .float8e4m3fn,
        18: .float8e4m3fnuz, 19: .float8e5m2, 20: .float8e5m2fnuz, 21: .uint4, 22: .int4,
        24: .float8e8m0, 25: .uint2, 26: .int2,
      ]
      let shape = try Shape(checking: shape)
      if type == 8 { return Tensor(strings: texts(shape.elementCount), shape: shape) }
      let elementType = try #require(types[type])
      let buffer = TensorBuffer(byteCount: data.count)
      data.withUnsafeBytes { buffer.bytes.copyMemory(from: $0) }
      return Tensor(elementType, shape: shape, buffer: buffer)
    }

    /// Each has its length in four bytes before it.
    private func texts(_ count: Int) -> ByteStrings {
      var result = ByteStrings()
      var bytes = Array(data)[...]
      for _ in 0..<count {
        let length = bytes.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        result.append(bytes.dropFirst(4).prefix(length))
        bytes = bytes.dropFirst(4 + length)
      }
      return result
    }
  }

  var name: String
  var model: Data
  /// The first axis of every input is a batch.
  var rows: Bool
  var tolerance: Double
  var inputs: [Packed]
  /// Nil: it must fail.
  var outputs: [Packed]?
  var description: String { name }

  static let all: [StandardCase] =
    cases(in: "standard.json") + cases(in: "structure.json") + cases(in: "packed.json")
    + cases(in: "half.json") + cases(in: "reviewed.json")

  private static func cases(in file: String) -> [StandardCase] {
    guard let data = FileManager.default.contents(atPath: "\(Fixtures.folder)/\(file)"),
      let cases = try? JSONDecoder().decode([StandardCase].self, from: data)
    else { return [] }
    return cases
  }

  func load() throws -> any ModelExecutor {
    let path = NSTemporaryDirectory() + "/swerve-\(UUID().uuidString).onnx"
    try model.write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try ONNXModel.load(path: path)
  }
}

@Suite struct StandardOperatorTests {
  @Test func `the cases are there`() { #expect(StandardCase.all.count > 2000) }

  @Test func `every case answers as ONNX Runtime does, or fails where it does`() throws {
    for standard in StandardCase.all {
      let inputs = try standard.inputs.map { try $0.tensor() }
      let got: [Tensor]
      do {
        let executor = try standard.load()
        let scratch = executor.makeScratch()
        // Twice: the second time the memory of the first is used again.
        _ = try run(executor, inputs, scratch)
        got = try run(executor, inputs, scratch)
      } catch {
        #expect(standard.outputs == nil, "\(standard): \(error)")
        continue
      }
      let wanted = try #require(standard.outputs, "\(standard) should fail")
      #expect(got.count == wanted.count)
      for (tensor, want) in zip(got, wanted) {
        let found = difference(
          tensor, try want.tensor(), rtol: standard.tolerance, atol: standard.tolerance)
        #expect(found == nil, "\(standard)")
        // Compared as doubles, large integers would all be alike.
        if standard.tolerance == 0, [.int64, .uint64].contains(tensor.elementType) {
          #expect(bytes(tensor) == bytes(try want.tensor()), "\(standard)")
        }
      }
    }
  }

  @Test(arguments: StandardCase.all.filter(\.rows))
  func `a row has the same bits alone and in its batch`(standard: StandardCase) throws {
    let executor = try standard.load()
    let scratch = executor.makeScratch()
    let inputs = try standard.inputs.map { try $0.tensor() }
    let all = try run(executor, inputs, scratch)
    for row in 0..<inputs[0].rowCount {
      let alone = try run(executor, inputs.map { self.row(row, of: $0) }, scratch)
      for (whole, part) in zip(all, alone) {
        #expect(bytes(self.row(row, of: whole)) == bytes(part), "\(standard), row \(row)")
      }
    }
  }

  /// 2⁴⁰ samples of nothing take no memory, and must take no time either.
  @Test func `huge dimensions of an empty tensor are neither a trap nor a wait`() throws {
    var seen: Set<String> = []
    for standard in StandardCase.all where standard.outputs != nil {
      let words = standard.name.split(separator: " ")
      guard seen.insert("\(words[1]) \(standard.inputs.map(\.shape.count))").inserted else {
        continue
      }
      let executor = try standard.load()
      for place in 0..<2 {
        let inputs = try standard.inputs.map { packed in
          var dimensions = packed.shape
          guard dimensions.count > 1 else { return try packed.tensor() }
          dimensions[place] = 1 << 40
          dimensions[1 - place] = 0
          return Tensor(
            try packed.tensor().elementType, shape: try Shape(checking: dimensions))
        }
        _ = try? run(executor, inputs, executor.makeScratch())
      }
    }
    #expect(seen.count > 100)
  }

  private func run(
    _ executor: any ModelExecutor, _ inputs: [Tensor], _ scratch: Scratch
  ) throws -> [Tensor] {
    let outputs = Array(executor.signature.outputs.indices)
    return try executor.predict(inputs, outputs: outputs, scratch: scratch).map { value in
      guard case .tensor(let tensor) = value else { throw ExecutorError.missingInput("a tensor") }
      return tensor
    }
  }

  private func row(_ row: Int, of tensor: Tensor) -> Tensor {
    let size = tensor.shape.elementCount / max(tensor.rowCount, 1)
    var writer = ElementWriter(
      reusing: Tensor(tensor.elementType, shape: Shape(0)), shape: tensor.shape.withRows(1))
    writer.append(from: tensor, start: row * size, count: size)
    return writer.finish()
  }

  private func bytes(_ tensor: Tensor) -> [UInt8] {
    (0..<tensor.byteCount).map { tensor.bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
  }
}
