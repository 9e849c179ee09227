import Executors
import Tensors

extension PlanBuilder {
  /// Appends the node's step, and what casts half floats for it and from it.
  mutating func compile(
    _ node: GraphNode, to steps: inout [PlanStep]
  ) throws(ModelFormatError) {
    let halves = node.inputs.compactMap { $0 }.filter { types[$0] == .float16 }
    if ["Cast", "CastLike"].contains(node.operatorName), node.domain == "ai.onnx" {
      try compileCast(node, to: &steps)
    } else if halves.isEmpty {
      append(try step(node), to: &steps)
    } else if !HalfPrecision.hasKernel(node)
      || half.isAlone(node, halves: halves, isWide: { computed[$0] != nil })
    {
      try compileWide(node, rounds: false, to: &steps)
    } else if HalfPrecision.roundsEachResult(node) {
      try compileWide(node, rounds: true, to: &steps)
    } else {
      append(try step(node), to: &steps)
      // Those that give what they take do not even round it.
      if ["Identity", "Dropout"].contains(node.operatorName), let from = node.inputs[0],
        let to = node.outputs.first ?? nil, let value = computed[from]
      {
        computed[to] = value
      }
    }
  }

  /// Computes the node in float32.
  ///
  /// - Parameter rounds: It takes rounded values and gives such.
  private mutating func compileWide(
    _ node: GraphNode, rounds: Bool, to steps: inout [PlanStep]
  ) throws(ModelFormatError) {
    var wide = node
    var halfInputs: Set<Int> = []
    for (index, input) in node.inputs.enumerated() {
      guard let input, types[input] == .float16 else { continue }
      if rounds { halfInputs.insert(index) }
      if !rounds, let value = computed[input] {
        wide.inputs[index] = value
      } else {
        wide.inputs[index] = try widened(input, node.label, to: &steps)
      }
    }
    var step = try step(wide, halfInputs: halfInputs)
    var casts: [PlanStep] = []
    let narrows = HalfPrecision.givesHalf(node) { types[$0] }
    for (index, output) in node.outputs.enumerated() where narrows {
      guard let output, step.types[index] == .float32 else { continue }
      // The mean and the deviation are float32 by definition.
      if node.operatorName == "LayerNormalization", index > 0 { continue }
      let value = newValue(.float32)
      step.outputs[index] = value
      types[output] = .float16
      if !rounds { computed[output] = value }
      casts.append(cast(value, to: output, node.label))
    }
    append(step, to: &steps)
    for cast in casts { append(cast, to: &steps) }
  }

  /// The half floats in float32. Constants are converted here, once, and not for each request.
  private mutating func widened(
    _ value: Int, _ label: String, to steps: inout [PlanStep]
  ) throws(ModelFormatError) -> Int {
    if let known = widened[value] { return known }
    let wide: Int
    if let constant = constants[value], !replaceable.contains(value) {
      let byteCount = constant.shape.elementCount * ElementType.float32.byteSize
      guard tensors.budget.expand(byteCount + constant.alignedCopyByteCount) else {
        throw .unsupported(
          format: "ONNX",
          what: "weights of node '\(label)' take \(byteCount) bytes in float32, more with those "
            + "before than the \(tensors.budget.maxExpandedBytes) that files of this size may take",
          advice: "save the model in float32")
      }
      var tensor = Tensor(.float32, shape: constant.shape)
      do {
        try Cast(to: .float32).convert(constant, into: &tensor)
      } catch {
        throw .malformed(format: "ONNX", at: "node '\(label)'", reason: error.reason)
      }
      wide = newValue(.float32, tensor)
    } else {
      wide = newValue(.float32)
      append(cast(value, to: wide, label), to: &steps)
    }
    widened[value] = wide
    return wide
  }

  private func cast(_ from: Int, to: Int, _ label: String) -> PlanStep {
    let type = types[to] ?? .float32
    return PlanStep(
      label: "\(label), as \(type.name)", operatorName: "Cast", operation: Cast(to: type),
      inputs: [from], outputs: [to], types: [type],
      canFold: constants[from] != nil && !replaceable.contains(from))
  }

  /// A cast between the two widths rounds only what somebody takes as half floats.
  private mutating func compileCast(
    _ node: GraphNode, to steps: inout [PlanStep]
  ) throws(ModelFormatError) {
    var node = node
    if let from = node.inputs.first ?? nil, let value = computed[from] { node.inputs[0] = value }
    append(try step(node), to: &steps)
    // One of a constant has been made while the model was loaded, and rounded.
    guard let from = node.inputs.first ?? nil, let to = node.outputs.first ?? nil,
      constants[to] == nil, types[to] == .float16, half.isOnlyComputed(to), let type = types[from],
      type != .float16, type != .string
    else { return }
    if type == .float32 {
      computed[to] = from
    } else {
      let value = newValue(.float32)
      append(cast(from, to: value, node.label), to: &steps)
      computed[to] = value
    }
  }
}
