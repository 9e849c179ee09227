import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// A loop stacks what each of its turns gives; without a turn only the file can say of what rank.
@Suite struct LoopShapeTests {
  /// A loop that stacks the number of each turn.
  ///
  /// - Parameter turns: Nil: the request says it.
  /// - Parameter statesShape: Whether its body says that such a number has no axes.
  private func load(turns: Int?, statesShape: Bool) throws -> any ModelExecutor {
    let condition = ModelBytes.value("c", type: 9, [])
    // A type without a shape: any rank.
    let unknown = ModelBytes.text(1, "q") + typed(ModelBytes.number(1, 7))
    let body =
      ModelBytes.field(1, ModelBytes.node("Identity", ["c"], "d"))
      + ModelBytes.field(1, ModelBytes.node("Add", ["t", "t"], "q"))
      + ModelBytes.text(2, "body")
      + ModelBytes.field(11, ModelBytes.value("t", type: 7, []))
      + ModelBytes.field(11, condition)
      + ModelBytes.field(12, ModelBytes.value("d", type: 9, []))
      + ModelBytes.field(12, statesShape ? ModelBytes.value("q", type: 7, []) : unknown)
    let loop =
      ModelBytes.node("Loop", ["n", ""], "z")
      + ModelBytes.field(
        5, ModelBytes.text(1, "body") + ModelBytes.field(6, body) + ModelBytes.number(20, 5))
    let count = turns.map {
      ModelBytes.tensor("n", type: 7, shape: [], data: ModelBytes.number(7, $0))
    }
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: [loop], tensors: count.map { [$0] } ?? [],
        inputs: count == nil ? [ModelBytes.value("n", type: 7, [])] : [],
        output: ModelBytes.value("z", type: 7, [nil])))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try ONNXModel.load(path: path)
  }

  private func typed(_ tensor: [UInt8]) -> [UInt8] {
    ModelBytes.field(2, ModelBytes.field(1, tensor))
  }

  private func stack(_ executor: any ModelExecutor, turns: Int?) throws -> [Int64] {
    let inputs = turns.map { [Tensor([Int64($0)], shape: Shape())] } ?? []
    let results = try executor.predict(inputs, outputs: [0], scratch: executor.makeScratch())
    guard case .tensor(let tensor)? = results.first else { return [-1] }
    #expect(tensor.shape.rank == 1)
    let values = tensor.values(as: Int64.self)
    return values.indices.map { values[$0] }
  }

  @Test func `a loop that may take no turn is refused where the rank of its stack is not known`()
    throws
  {
    let error = #expect(throws: ModelFormatError.self) {
      try load(turns: nil, statesShape: false)
    }
    #expect("\(try #require(error))".contains("it may take no turn"))
    #expect(throws: ModelFormatError.self) { try load(turns: 0, statesShape: false) }
  }

  @Test func `one that takes a turn for sure, or states the shape, is run`() throws {
    #expect(try stack(try load(turns: 3, statesShape: false), turns: nil) == [0, 2, 4])
    let executor = try load(turns: nil, statesShape: true)
    #expect(try stack(executor, turns: 2) == [0, 2])
    #expect(try stack(executor, turns: 0) == [])
  }
}
