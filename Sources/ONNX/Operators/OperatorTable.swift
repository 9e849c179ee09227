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
  var maxInputs: Int
  var build: @Sendable (inout NodeContext) throws(ModelFormatError) -> BuiltOperator

  init(
    _ name: String, domain: String = "ai.onnx", _ versions: [Int], _ types: Set<ElementType>,
    maxInputs: Int = 1,
    build: @escaping @Sendable (inout NodeContext) throws(ModelFormatError) -> BuiltOperator
  ) {
    self.name = name
    self.domain = domain
    self.versions = versions
    self.types = types
    self.maxInputs = maxInputs
    self.build = build
  }
}

/// Every operator that is run, by domain and name: the support matrix.
enum OperatorTable {
  static let definitions: [OperatorDefinition] =
    elementwise + matrixProducts + normalizing + shaping + casting + reducing + linearModels
    + preprocessing + trees + supportVectors + encoding

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
    if found.maxInputs > 0, !found.types.isEmpty, context.has(0) {
      let type = try context.type(0)
      guard found.types.contains(type) else {
        throw context.unsupported("element type \(type.name) is not run")
      }
    }
    return found
  }

  static let floats: Set<ElementType> = [.float32, .float64]
  static let integers: Set<ElementType> = [
    .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
  ]
  static let numbers = floats.union(integers)
  static let all = numbers.union([.bool, .string, .float16, .bfloat16])
}
