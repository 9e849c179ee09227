package import Executors
import Tensors

/// Opens ONNX files.
package enum ONNXModel {
  /// - Throws: `ModelFormatError` when the file is no sound ONNX model or needs something that
  ///   is not run here; the error names the operator and the node.
  package static func load(path: String) throws(ModelFormatError) -> any ModelExecutor {
    let file = try ModelFile(path: path)
    let graph = try GraphReader.read(file)
    return ONNXExecutor(plan: try PlanBuilder.plan(graph, tensors: TensorReader(file: file)))
  }
}

/// Runs a plan, step by step, on the caller's thread.
struct ONNXExecutor: ModelExecutor {
  let plan: Plan

  var signature: ModelSignature { plan.signature }
  var summary: String { plan.summary }

  func makeScratch() -> Scratch { ONNXScratch(plan: plan) }

  /// From here on the deadline is looked at before each step; below, before each sixteenth.
  private static let largeInputBytes = 1 << 16

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let scratch = scratch as? ONNXScratch else {
      preconditionFailure("scratch of another executor")
    }
    for (index, input) in plan.signature.inputs.enumerated() {
      guard index < inputs.count, let tensor = inputs[index] else {
        guard !input.isRequired else { throw .missingInput(input.name) }
        scratch.slots[plan.inputSlots[index]] = plan.constants[plan.inputSlots[index]]
        continue
      }
      guard tensor.elementType == input.elementType else {
        throw .elementType(
          input: input.name, expected: input.elementType, received: tensor.elementType)
      }
      guard input.accepts(tensor.shape) else {
        throw .shape(input: input.name, expected: input.shape, received: tensor.shape.array)
      }
      scratch.slots[plan.inputSlots[index]] = tensor
    }
    // The caller's tensors are its own again whatever happens.
    defer { for slot in plan.inputSlots { scratch.slots[slot] = nil } }
    let isLarge = inputs.contains { ($0?.byteCount ?? 0) >= Self.largeInputBytes }
    for (index, step) in plan.steps.enumerated() {
      if isLarge || index & 15 == 15 { try scratch.checkDeadline() }
      scratch.step = step
      do {
        try step.operation.run(scratch)
      } catch {
        throw .failed(node: step.label, reason: error.reason)
      }
    }
    var values: [ModelValue] = []
    values.reserveCapacity(outputs.count)
    for index in outputs {
      guard let tensor = scratch.slots[plan.outputSlots[index]] else {
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
}
