import Tensors

/// Which nodes of a network of half floats are computed in float32, and which values are never
/// rounded between two of them.
///
/// ONNX Runtime's CPU provider has few kernels for float16. Around a node without one it puts casts
/// to float32 and back, and takes away those that stand between two such nodes: what lies between
/// is not rounded. A node with a kernel for float16 (they move values, for the most part) runs in
/// float32 too when it stands alone among nodes without one.
/// Source: ONNX Runtime 1.31, `insert_cast_transformer.cc`, and the graphs that it writes.
struct HalfPrecision {
  /// Operators that ONNX Runtime's CPU provider has a float16 kernel for, and from which opset.
  private static let kernels: [String: Int] = [
    "Attention": 23, "BitCast": 26, "Cast": 6, "CastLike": 1, "Clip": 12, "Compress": 9,
    "Concat": 4, "Constant": 1, "ConstantOfShape": 9, "DequantizeLinear": 19, "Dropout": 7,
    "Expand": 8, "Flatten": 1, "Gather": 1, "GatherElements": 11, "GatherND": 11, "Identity": 1,
    "If": 1, "IsInf": 20, "IsNaN": 9, "LayerNormalization": 17, "Loop": 1, "Max": 12, "Min": 12,
    "Mod": 10, "QuantizeLinear": 19, "RMSNormalization": 23, "Reshape": 1, "ReverseSequence": 10,
    "RotaryEmbedding": 23, "Round": 11, "Scan": 8, "Scatter": 9, "ScatterElements": 11,
    "ScatterND": 11, "Shape": 1, "Shrink": 9, "Sign": 9, "Slice": 1, "Split": 2, "Squeeze": 1,
    "TensorScatter": 24, "Transpose": 1, "Unsqueeze": 1,
  ]

  /// Those of them that compute in float32 and round each result.
  private static let rounding: Set<String> = [
    "Attention", "Clip", "LayerNormalization", "Mod", "RMSNormalization", "ReverseSequence",
    "RotaryEmbedding", "Round", "Shrink",
  ]

  /// Values that somebody takes as half floats: the model's outputs, and what a kernel reads.
  private var rounded: Set<Int> = []
  private let given: Set<Int>

  init(_ graph: Graph) {
    given = Set(graph.inputs.map(\.value)).union(graph.constants.keys)
    rounded = Set(graph.outputs.map(\.value))
    count(graph.nodes)
  }

  private mutating func count(_ nodes: [GraphNode]) {
    for node in nodes {
      if node.operatorName == "CastLike" {
        // Of what it shall be like, only the type is asked.
        rounded.formUnion(node.inputs.prefix(1).compactMap { $0 })
      } else if HalfPrecision.hasKernel(node) {
        rounded.formUnion(node.needs)
      }
      for block in node.blocks {
        rounded.formUnion(block.outputs.map(\.value))
        count(block.nodes)
      }
    }
  }

  static func hasKernel(_ node: GraphNode) -> Bool {
    guard node.domain == "ai.onnx" else { return true }
    guard let first = kernels[node.operatorName] else { return false }
    return node.opset ?? 0 >= first
  }

  /// For the support matrix: whether an operator that computes with floats takes half ones too.
  static func takesHalf(_ definition: OperatorDefinition) -> Bool {
    guard definition.domain == "ai.onnx", definition.types.contains(.float32) else { return false }
    return kernels[definition.name] == nil || rounding.contains(definition.name)
  }

  static func roundsEachResult(_ node: GraphNode) -> Bool { rounding.contains(node.operatorName) }

  /// Whether the floats that a node gives are half ones, of one that takes some.
  ///
  /// A definition may allow an input of half floats beside one of float, such as an exponent.
  static func givesHalf(_ node: GraphNode, type: (Int) -> ElementType?) -> Bool {
    if node.attributes.contains(where: { $0.name == "dtype" }) { return false }
    let types = node.inputs.map { $0.flatMap(type) }
    switch node.operatorName {
    case "OneHot": return types.count > 2 && types[2] == .float16
    case "RMSNormalization": return types.count > 1 && types[1] == .float16
    default: return types.first { $0.map(isFloat) ?? false } == .float16
    }
  }

  private static func isFloat(_ type: ElementType) -> Bool {
    type == .float16 || type == .float32 || type == .float64
  }

  /// Whether only nodes read it that compute in float32.
  func isOnlyComputed(_ value: Int) -> Bool { !rounded.contains(value) }

  /// Whether a node with a kernel stands alone among nodes without one.
  ///
  /// - Parameter halves: Its inputs of half floats.
  /// - Parameter isWide: Whether a value is there in float32, as it was computed.
  func isAlone(_ node: GraphNode, halves: [Int], isWide: (Int) -> Bool) -> Bool {
    node.blocks.isEmpty && halves.contains(where: isWide)
      && halves.allSatisfy { isWide($0) || given.contains($0) }
      && node.outputs.allSatisfy { $0.map(isOnlyComputed) ?? true }
  }
}
