import Executors
import Tensors
import Testing

@testable import ONNX

/// What an operator takes for itself while it runs counts as its values do.
@Suite struct MemoryBudgetTests {
  @Test func `a sum of products takes room for its copies`() throws {
    let standard = try #require(
      StandardCase.all.first { $0.name.contains("equation=ij,jk->ik") })
    let executor = try standard.load()
    let left = Tensor(.float32, shape: Shape(100, 100))
    let right = Tensor(.float32, shape: Shape(100, 100))
    // Two inputs, their copies and an output, 40,000 bytes each.
    #expect(try failure(executor, [left, right], maxBytes: 250_000) == nil)
    let reason = try failure(executor, [left, right], maxBytes: 180_000)
    #expect(
      reason?.contains("a copy of what is summed takes 120000 bytes") == true, "\(reason ?? "")")
  }

  @Test func `split strings take room for their parts`() throws {
    let executor = try ONNXModel.load(path: "\(Fixtures.folder)/check/split.onnx")
    let texts = Tensor(
      strings: ByteStrings([String](repeating: "a b c d", count: 1000)), shape: Shape(1000))
    #expect(try failure(executor, [texts], maxBytes: 200_000) == nil)
    // One string that splits widely widens every row.
    let reason = try failure(executor, [texts], maxBytes: 60_000)
    #expect(
      reason?.contains("output 0 of shape [1000, 4] takes 71000 bytes") == true, "\(reason ?? "")")
  }

  /// Found by the fuzzer: a loop without end whose turns leave one number each. Each leaves an object
  /// too, some hundred bytes.
  @Test func `what a loop's turns leave is counted by the turn`() throws {
    let executor = try ONNXModel.load(
      path: Corpus.packageRoot + "/Tests/Fuzz/Seeds/onnx/graph_loop_turns.onnx")
    let inputs = try executor.signature.inputs.map { input in
      Tensor(input.elementType, shape: try Shape(checking: input.shape.map { $0 ?? 2 }))
    }
    let reason = try failure(executor, inputs, maxBytes: 1 << 20)
    #expect(
      reason?.contains("the outputs of all turns take over 1048576 bytes") == true,
      "\(reason ?? "")")
  }

  /// Why the request fails where it may take `maxBytes`; nil when it does not.
  private func failure(
    _ executor: any ModelExecutor, _ inputs: [Tensor], maxBytes: Int
  ) throws -> String? {
    let scratch = try #require(executor.makeScratch() as? ONNXScratch)
    scratch.maxBytes = maxBytes
    do {
      _ = try executor.predict(
        inputs, outputs: Array(executor.signature.outputs.indices), scratch: scratch)
      return nil
    } catch {
      return "\(error)"
    }
  }
}
