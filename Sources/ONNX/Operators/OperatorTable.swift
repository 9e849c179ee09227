import Executors
import Tensors

/// One row of the support matrix.
struct OperatorDefinition: Sendable {
  var domain: String
  var name: String
  /// The operator-set versions that changed it, oldest first, as far as they are run here.
  var versions: [Int]
  /// Types of its first input.
  var types: Set<ElementType>
  /// Types of the inputs after the first; the last rule holds for all that follow. With none,
  /// `build` checks what it needs.
  var others: [TypeRule]
  /// How many of the first inputs must be there.
  var minInputs: Int
  var maxInputs: Int
  /// When a row's result depends on the other rows by definition: `always`. Nil: never.
  var mixesRows: String?
  var build: @Sendable (inout NodeContext) throws(ModelFormatError) -> BuiltOperator

  init(
    _ name: String, domain: String = "ai.onnx", _ versions: [Int], _ types: Set<ElementType>,
    others: [TypeRule] = [], minInputs: Int? = nil, maxInputs: Int = 1, mixesRows: String? = nil,
    build: @escaping @Sendable (inout NodeContext) throws(ModelFormatError) -> BuiltOperator
  ) {
    self.name = name
    self.domain = domain
    self.versions = versions
    self.types = types
    self.others = others
    self.minInputs = minInputs ?? min(1, maxInputs)
    self.maxInputs = maxInputs
    self.mixesRows = mixesRows
    self.build = build
  }
}

/// What an input after the first may be.
enum TypeRule: Sendable {
  /// The type of the first input.
  case same
  case one(of: Set<ElementType>)
  /// `build` looks at it.
  case any

  /// int64, or int32 where the definition allows it: shapes, axes, indices.
  static let index = TypeRule.one(of: [.int32, .int64])
  static let int64 = TypeRule.one(of: [.int64])
}

/// Every operator that is run, by domain and name: the support matrix.
enum OperatorTable {
  static let definitions: [OperatorDefinition] = [
    arithmetic,
    unaryFunctions,
    parametricActivations,
    comparisons,
    bitwise,
    matrixProducts,
    convolving,
    pooling,
    clipping,
    padding,
    normalizing,
    batchNormalizing,
    layerNormalizing,
    shaping,
    moving,
    generating,
    selecting,
    casting,
    rotating,
    attention,
    gridSampling,
    quantizing,
    integerProducts,
    integerConvolving,
    reducing,
    linearModels,
    preprocessing,
    trees,
    supportVectors,
    encoding,
    controlFlow,
    gathering,
    scattering,
    rearranging,
    recurrent,
    convTransposing,
    resizing,
    einsteinSums,
    text,
    boxSelecting,
    uniquing,
  ].flatMap { $0 }

  private static let byName: [String: OperatorDefinition] = Dictionary(
    uniqueKeysWithValues: definitions.map { ("\($0.domain):\($0.name)", $0) })

  static func version(of node: GraphNode, opset: Int) -> Int? {
    byName["\(node.domain):\(node.operatorName)"]?.versions.last { $0 <= opset }
  }

  static func definition(
    for context: NodeContext
  ) throws(ModelFormatError) -> OperatorDefinition {
    guard let found = byName["\(context.node.domain):\(context.node.operatorName)"] else {
      throw context.unsupported(
        "it is not run here", advice: "the list of operators is in the support matrix")
    }
    guard context.version > 0 else {
      throw context.unsupported(
        "it is run from opset \(found.versions.first ?? 1) on",
        advice: "convert the model with onnx.version_converter")
    }
    let inputs = context.node.inputs
    guard inputs.count <= found.maxInputs else {
      throw context.malformed("it has \(inputs.count) inputs; the most is \(found.maxInputs)")
    }
    for index in 0..<found.minInputs where !context.has(index) {
      throw context.malformed("input \(index) is missing")
    }
    if !found.types.isEmpty, context.has(0) {
      let type = try context.type(0)
      guard found.types.contains(type) else {
        throw context.unsupported("element type \(type.name) is not run")
      }
    }
    guard let last = found.others.last else { return found }
    for index in inputs.indices.dropFirst() where context.has(index) {
      let rule = index <= found.others.count ? found.others[index - 1] : last
      try check(try context.type(index), rule, index, context)
    }
    return found
  }

  private static func check(
    _ type: ElementType, _ rule: TypeRule, _ index: Int, _ context: NodeContext
  ) throws(ModelFormatError) {
    switch rule {
    case .any: break
    case .same:
      let first = try context.type(0)
      guard type == first else {
        throw context.malformed("input \(index) is \(type.name); \(first.name) was expected")
      }
    case .one(let types):
      guard types.contains(type) else {
        throw context.unsupported("input \(index) of element type \(type.name) is not run")
      }
    }
  }

  static let floats: Set<ElementType> = [.float32, .float64]
  static let integers: Set<ElementType> = [
    .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
  ]
  static let numbers = floats.union(integers)
  static let all = numbers.union([.bool, .string, .float16, .bfloat16])
  /// Types that are only stored, moved, cast and quantized to: nothing computes with them.
  static let packed: Set<ElementType> = [
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0,
    .int4, .uint4, .int2, .uint2,
  ]
  static let stored = all.union(packed)
}
