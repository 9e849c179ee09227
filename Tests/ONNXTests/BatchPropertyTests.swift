import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// A row's bits depend neither on how many rows come with it nor on its place among them.
@Suite struct BatchPropertyTests {
  static let cases = StandardCase.all.filter(\.rows)
  /// Operators that treat several rows at once, or blocks of them: each runs with every size.
  private static let kernels = [
    "Conv", "MatMul", "Gemm", "LSTM", "GRU", "RNN", "Softmax", "LayerNormalization", "Einsum",
    "InstanceNormalization", "BatchNormalization", "Attention", "QLinear", "Reduce",
  ]
  /// For what walks element by element: around the widths of vectors and blocks, and the largest.
  private static let someSizes = [2, 3, 5, 8, 9, 17, 33, 64, 100, 200]

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
    let inputs = try standard.inputs.map { try $0.tensor() }
    let count = inputs[0].rowCount
    let operation = standard.name.split(separator: " ")[1]
    let isFirst = Self.cases.first { $0.name.split(separator: " ")[1] == operation }?.name
    let hasOwnKernel = Self.kernels.contains { operation.hasPrefix($0) }
    try check(
      executor, inputs, count, standard.name,
      sizes: hasOwnKernel && isFirst == standard.name ? Array(1...200) : Self.someSizes)
  }

  /// Trees, vectors and encoders that converters write.
  @Test(arguments: LearnedFixtures.names)
  func `an ai.onnx.ml operator gives a row the same bits in every batch`(name: String) throws {
    let executor = try ONNXModel.load(path: "\(LearnedFixtures.folder)/\(name).onnx")
    let inputs = try LearnedFixtures.tensors(name, "in")
    let count = inputs[0].rowCount
    guard inputs.allSatisfy({ $0.shape.rank == 2 && $0.rowCount == count }) else { return }
    let isOfTheFirst = ["_0", "_1"].contains { name.hasSuffix($0) }
    let hasOwnKernel = ["ensemble", "regressor", "classifier"].contains { name.contains($0) }
    try check(
      executor, inputs, count, name,
      sizes: isOfTheFirst && hasOwnKernel ? Array(1...200) : Self.someSizes)
  }

  /// Batches of so many rows, each beginning with another row: every row comes to every place.
  private func check(
    _ executor: any ModelExecutor, _ inputs: [Tensor], _ count: Int, _ name: String, sizes: [Int]
  ) throws {
    let scratch = executor.makeScratch()
    let alone = try (0..<count).map { try bits(executor, inputs, [$0], scratch)[0] }
    for size in sizes {
      let rows = (0..<size).map { ($0 * 7 + size) % count }
      let batch = try bits(executor, inputs, rows, scratch)
      let different = rows.indices.filter { batch[$0] != alone[rows[$0]] }
      #expect(different.isEmpty, "\(name), \(size) rows: \(different)")
    }
  }

  @Test(arguments: ["iris/1", "digits/1"].filter(PackageModelTests.packages.contains))
  func `a shipped model gives a row the same bits in every batch`(package: String) throws {
    let executor = try ONNXModel.load(path: "\(PackageModelTests.folder)/\(package)/model.onnx")
    let width = try #require(executor.signature.inputs[0].shape[1])
    let values = (0..<(11 * width)).map { Float(($0 * 7919) % 1000) / 100 }
    let inputs = [Tensor(values, shape: Shape(11, width))]
    try check(executor, inputs, 11, package, sizes: Array(1...200))
  }

  /// The bytes of each row's outputs.
  private func bits(
    _ executor: any ModelExecutor, _ inputs: [Tensor], _ rows: [Int], _ scratch: Scratch
  ) throws -> [ContiguousArray<UInt8>] {
    let batch = inputs.map { input -> Tensor? in
      let columns = input.shape.elementCount / max(input.rowCount, 1)
      var writer = ElementWriter(
        reusing: Tensor(input.elementType, shape: Shape(0)),
        shape: input.shape.withRows(rows.count))
      for row in rows { writer.append(from: input, start: row * columns, count: columns) }
      return writer.finish()
    }
    var result = [ContiguousArray<UInt8>](repeating: [], count: rows.count)
    let outputs = Array(executor.signature.outputs.indices)
    for value in try executor.predict(batch, outputs: outputs, scratch: scratch) {
      let tensor =
        switch value {
        case .tensor(let tensor): tensor
        case .maps(_, let values): values
        }
      if tensor.elementType == .string {
        for row in rows.indices { result[row] += tensor.strings[row] }
        continue
      }
      let size = tensor.byteCount / rows.count
      tensor.bytes.withUnsafeBytes { bytes in
        for row in rows.indices {
          result[row].append(
            contentsOf: UnsafeRawBufferPointer(rebasing: bytes[(row * size)..<((row + 1) * size)]))
        }
      }
    }
    return result
  }
}
