import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// A row's bits depend neither on how many rows come with it nor on its place among them.
@Suite struct BatchPropertyTests {
  static let cases = StandardCase.all.filter(\.rows)

  @Test func `there are convolutions, products and recurrent layers among the cases`() {
    for name in ["Conv", "MatMul", "Gemm", "LSTM", "ConvTranspose", "Softmax"] {
      #expect(Self.cases.contains { $0.name.contains(name) }, "\(name)")
    }
  }

  @Test(arguments: cases)
  func `a row has the same bits in batches of 1 to 200, at every place`(
    standard: StandardCase
  ) throws {
    let executor = try standard.load()
    let scratch = executor.makeScratch()
    let inputs = try standard.inputs.map { try $0.tensor() }
    let count = inputs[0].rowCount
    let alone = try (0..<count).map { try bits(executor, inputs, [$0], scratch)[0] }
    for size in [2, 3, 5, 8, 9, 17, 33, 64, 100, 200] {
      let rows = (0..<size).map { ($0 * 7 + size) % count }
      let batch = try bits(executor, inputs, rows, scratch)
      let different = rows.indices.filter { batch[$0] != alone[rows[$0]] }
      #expect(different.isEmpty, "\(standard), \(size) rows: \(different)")
    }
  }

  @Test(arguments: ["iris/1", "digits/1"].filter(PackageModelTests.packages.contains))
  func `a shipped model gives a row the same bits in every batch`(package: String) throws {
    let executor = try ONNXModel.load(path: "\(PackageModelTests.folder)/\(package)/model.onnx")
    let width = try #require(executor.signature.inputs[0].shape[1])
    let values = (0..<(11 * width)).map { Float(($0 * 7919) % 1000) / 100 }
    let inputs = [Tensor(values, shape: Shape(11, width))]
    let scratch = executor.makeScratch()
    let alone = try (0..<11).map { try bits(executor, inputs, [$0], scratch)[0] }
    for size in 1...200 {
      let rows = (0..<size).map { ($0 * 7 + size) % 11 }
      let batch = try bits(executor, inputs, rows, scratch)
      #expect(rows.indices.allSatisfy { batch[$0] == alone[rows[$0]] }, "\(package), \(size) rows")
    }
  }

  /// The bytes of each row's outputs.
  private func bits(
    _ executor: any ModelExecutor, _ inputs: [Tensor], _ rows: [Int], _ scratch: Scratch
  ) throws -> [[UInt8]] {
    let batch = inputs.map { input -> Tensor? in
      let columns = input.shape.elementCount / max(input.rowCount, 1)
      var writer = ElementWriter(
        reusing: Tensor(input.elementType, shape: Shape(0)),
        shape: input.shape.withRows(rows.count))
      for row in rows { writer.append(from: input, start: row * columns, count: columns) }
      return writer.finish()
    }
    var result = [[UInt8]](repeating: [], count: rows.count)
    let outputs = Array(executor.signature.outputs.indices)
    for value in try executor.predict(batch, outputs: outputs, scratch: scratch) {
      let tensor =
        switch value {
        case .tensor(let tensor): tensor
        case .maps(_, let values): values
        }
      if tensor.elementType == .string {
        for row in rows.indices { result[row] += Array(tensor.strings[row]) }
        continue
      }
      let size = tensor.byteCount / rows.count
      tensor.bytes.withUnsafeBytes { bytes in
        for row in rows.indices { result[row] += bytes[(row * size)..<((row + 1) * size)] }
      }
    }
    return result
  }
}
