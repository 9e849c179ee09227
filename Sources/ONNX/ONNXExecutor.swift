package import Executors
import Tensors

/// Opens ONNX files.
package enum ONNXModel {
  /// - Throws: `ModelFormatError` when the file is no sound ONNX model or needs something that
  ///   is not run here; the error names the operator and the node.
  package static func load(path: String) throws(ModelFormatError) -> any ModelExecutor {
    let file = try ModelFile(path: path)
    let graph = try GraphReader.read(file)
    return ONNXExecutor(plan: try PlanBuilder.plan(graph, file: file))
  }
}

/// Runs a plan, step by step, on the caller's thread.
struct ONNXExecutor: ModelExecutor {
  let plan: Plan

  var signature: ModelSignature { plan.signature }
  var summary: String { plan.summary }
  var batchDependentNodes: [String] { plan.batchDependentNodes }

  func makeScratch() -> Scratch { ONNXScratch(plan: plan) }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let scratch = scratch as? ONNXScratch, scratch.plan === plan else {
      preconditionFailure("scratch of another executor")
    }
    scratch.begin()
    scratch.asked = 0
    for index in outputs where index < 64 { scratch.asked |= 1 << UInt64(index) }
    // The caller's tensors are its own again whatever happens.
    defer { scratch.end() }
    for index in plan.inputs.indices {
      let check = plan.inputs[index]
      guard index < inputs.count, let tensor = inputs[index] else {
        guard !check.isRequired else { throw .missingInput(plan.signature.inputs[index].name) }
        scratch.setSlot(Int(check.slot), plan.constants[Int(check.slot)])
        continue
      }
      guard tensor.elementType == check.elementType, check.accepts(tensor.shape) else {
        throw ONNXExecutor.misfit(tensor, plan.signature.inputs[index])
      }
      scratch.setSlot(Int(check.slot), tensor)
    }
    do {
      try scratch.run(block: 0)
    } catch {
      if error.isDeadline { throw .deadlinePassed }
      throw .failed(
        node: scratch.failedStep.map { plan.labels[$0] } ?? "start", reason: error.reason)
    }
    var values: [ModelValue] = []
    values.reserveCapacity(outputs.count)
    for index in outputs {
      guard let tensor = scratch.slot(plan.outputSlots[index]) else {
        throw .failed(node: plan.signature.outputs[index].name, reason: "nothing was computed")
      }
      if let keys = plan.outputKeys[index] {
        values.append(.maps(keys: keys, values: tensor))
      } else {
        values.append(.tensor(tensor))
      }
    }
    return values
  }

  private static func misfit(_ tensor: Tensor, _ input: ModelInput) -> ExecutorError {
    if tensor.elementType != input.elementType {
      return .elementType(
        input: input.name, expected: input.elementType, received: tensor.elementType)
    }
    return .shape(input: input.name, expected: input.shape, received: tensor.shape.array)
  }
}
