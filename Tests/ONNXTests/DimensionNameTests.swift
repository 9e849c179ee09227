import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// What a file calls the free dimensions of its inputs.
@Suite struct DimensionNameTests {
  private func value(_ name: String, _ dimensions: [[UInt8]]) -> [UInt8] {
    let shape = dimensions.flatMap { ModelBytes.field(1, $0) }
    return ModelBytes.text(1, name)
      + ModelBytes.field(
        2, ModelBytes.field(1, ModelBytes.number(1, 1) + ModelBytes.field(2, shape)))
  }

  private func load(_ inputs: [[UInt8]], nodes: [[UInt8]]) throws -> any ModelExecutor {
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: nodes, tensors: [], inputs: inputs, output: ModelBytes.value("z", [nil, nil])))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try ONNXModel.load(path: path)
  }

  @Test func `free dimensions keep their names, fixed ones have none`() throws {
    let named = { ModelBytes.text(2, $0) }
    let model = try load(
      [
        value("x", [named("batch"), ModelBytes.number(1, 2)]),
        value("y", [[], named(""), named("sequence")]),
        // The size wins over a name beside it, as in ONNX Runtime.
        value("w", [ModelBytes.number(1, 3) + named("three")]),
      ],
      nodes: [ModelBytes.node("Identity", ["x"], "z")])
    let inputs = model.signature.inputs
    #expect(inputs.map(\.shape) == [[nil, 2], [nil, nil, nil], [3]])
    #expect(inputs.map(\.dimensionNames) == [["batch"], [nil, nil, "sequence"], []])
  }

  @Test func `names are no rule for what runs`() throws {
    let model = try load(
      ["x", "y"].map { value($0, [ModelBytes.text(2, "N"), ModelBytes.number(1, 2)]) },
      nodes: [ModelBytes.node("Add", ["x", "y"], "z")])
    // ONNX Runtime broadcasts it too.
    let values = try model.predict(
      [
        Tensor([Float](repeating: 1, count: 6), shape: Shape(3, 2)),
        Tensor([1, 2] as [Float], shape: Shape(1, 2)),
      ]
        as [Tensor],
      outputs: [0], scratch: model.makeScratch())
    guard case .tensor(let sum)? = values.first else { throw CancellationError() }
    #expect(sum.shape == Shape(3, 2))
  }
}
