import Executors
import Tensors

/// Turns a checked graph into a plan: finds each operator, computes what is constant, and drops
/// what no output needs.
struct PlanBuilder {
  /// Bytes that all folded constants may take together; what is over is computed per batch.
  static let maxFoldedBytes = 64 << 20
  /// The newest operator sets whose definitions this table was written from.
  static let newestOpsets = ["ai.onnx": 28, "ai.onnx.ml": 5]

  static func plan(_ graph: Graph, tensors: TensorReader) throws(ModelFormatError) -> Plan {
    var types = [ElementType?](repeating: nil, count: graph.valueNames.count)
    var constants = [Tensor?](repeating: nil, count: graph.valueNames.count)
    var mapKeys: [Int: Tensor] = [:]
    for (value, tensor) in graph.constants {
      constants[value] = tensor
      types[value] = tensor.elementType
    }
    // An input that may be left out has its initializer, but a request may replace it.
    var replaceable: Set<Int> = []
    for input in graph.inputs {
      types[input.value] = input.elementType
      replaceable.insert(input.value)
    }
    var steps: [Plan.Step] = []
    var foldedBytes = 0
    for node in graph.nodes {
      let known = node.inputs.map { value in
        value.flatMap { replaceable.contains($0) ? nil : constants[$0] }
      }
      var context = try self.context(
        node, graph: graph, types: types, constants: known, tensors: tensors)
      for case let value? in node.inputs where mapKeys[value] != nil {
        throw context.unsupported("its input is a sequence of maps")
      }
      let definition = try OperatorTable.definition(for: context)
      guard node.inputs.count <= definition.maxInputs else {
        throw context.malformed(
          "it has \(node.inputs.count) inputs; the most is \(definition.maxInputs)")
      }
      let built = try definition.build(&context)
      try context.refuseUnread()
      guard node.outputs.count <= built.outputs.count else {
        throw context.unsupported(
          "it has \(node.outputs.count) outputs; \(built.outputs.count) are given")
      }
      for (index, value) in node.outputs.enumerated() {
        guard let value else { continue }
        types[value] = built.outputs[index]
      }
      if let keys = built.mapKeys, let value = node.outputs.first ?? nil { mapKeys[value] = keys }
      let step = Plan.Step(
        label: node.label, operation: built.operation, inputs: node.inputs,
        outputs: node.outputs, types: built.outputs)
      let isConstant = zip(node.inputs, known).allSatisfy { $0 == nil || $1 != nil }
      if isConstant, built.mapKeys == nil,
        let results = fold(step, constants, budget: maxFoldedBytes - foldedBytes)
      {
        for (value, tensor) in results {
          constants[value] = tensor
          foldedBytes += tensor.byteCount
        }
      } else {
        steps.append(step)
      }
    }
    steps = needed(steps, by: graph.outputs.map(\.value))
    let outputs = try graph.outputs.map { output throws(ModelFormatError) in
      guard let type = types[output.value] else {
        throw .malformed(format: "ONNX", at: graph.valueNames[output.value], reason: "no type")
      }
      let name = graph.valueNames[output.value]
      if let keys = mapKeys[output.value] {
        return ModelOutput(name: name, kind: .maps(keys: keys.elementType, values: type))
      }
      return ModelOutput(name: name, kind: .tensor(type, shape: output.shape ?? [nil]))
    }
    let inputs = graph.inputs.map {
      ModelInput(
        name: graph.valueNames[$0.value], elementType: $0.elementType, shape: $0.shape,
        isRequired: $0.isRequired)
    }
    let opset = graph.opsets["ai.onnx"] ?? graph.opsets["ai.onnx.ml"] ?? 1
    return Plan(
      signature: ModelSignature(inputs: inputs, outputs: outputs),
      inputSlots: graph.inputs.map(\.value), outputSlots: graph.outputs.map(\.value),
      outputKeys: graph.outputs.map { mapKeys[$0.value] }, steps: steps,
      constants: constants, summary: "ONNX, opset \(opset), \(graph.nodes.count) nodes")
  }

  private static func context(
    _ node: GraphNode, graph: Graph, types: [ElementType?], constants: [Tensor?],
    tensors: TensorReader
  ) throws(ModelFormatError) -> NodeContext {
    let imported = graph.opsets[node.domain]
    let version = imported ?? 0
    let context = NodeContext(
      node: node, version: OperatorTable.version(of: node, opset: version) ?? 0, opset: version,
      inputTypes: node.inputs.map { $0.flatMap { types[$0] } }, constants: constants,
      tensors: tensors)
    if let newest = newestOpsets[node.domain], version > newest {
      throw context.unsupported(
        "the newest known version of \(node.domain) is \(newest)",
        advice: "export the model for opset \(newest) or older")
    }
    if newestOpsets[node.domain] != nil, imported == nil {
      throw context.malformed("the model imports no opset of \(node.domain)")
    }
    return context
  }

  /// The step's outputs when it can be run now; nil when it fails or the result is too big (it
  /// then runs, and fails, with the batch).
  private static func fold(
    _ step: Plan.Step, _ constants: [Tensor?], budget: Int
  ) -> [(Int, Tensor)]? {
    // The operator sees only its own inputs and outputs.
    var slots: [Tensor?] = step.inputs.map { $0.flatMap { constants[$0] } }
    let firstOutput = slots.count
    slots.append(contentsOf: step.outputs.map { _ in nil })
    var local = step
    local.inputs = step.inputs.indices.map { step.inputs[$0] == nil ? nil : $0 }
    local.outputs = step.outputs.indices.map { firstOutput + $0 }
    let scratch = ONNXScratch(slots: slots, step: local)
    scratch.maxBytes = budget
    do {
      try step.operation.run(scratch)
    } catch {
      return nil
    }
    var results: [(Int, Tensor)] = []
    for (index, value) in step.outputs.enumerated() {
      guard let value else { continue }
      guard let tensor = scratch.slots[firstOutput + index] else { return nil }
      results.append((value, tensor))
    }
    return results
  }

  private static func needed(_ steps: [Plan.Step], by outputs: [Int]) -> [Plan.Step] {
    var wanted = Set(outputs)
    var kept: [Plan.Step] = []
    for step in steps.reversed() {
      guard step.outputs.contains(where: { $0.map(wanted.contains) ?? false }) else { continue }
      for case let value? in step.inputs { wanted.insert(value) }
      kept.append(step)
    }
    return kept.reversed()
  }
}
