import Executors
import Tensors

/// What an operator's builder may know: the node, its attributes, the types of its inputs and
/// the inputs that are constant.
struct NodeContext {
  let node: GraphNode
  /// The version of the operator that the model's opset means.
  let version: Int
  let opset: Int
  let inputTypes: [ElementType?]
  let constants: [Tensor?]
  let tensors: TensorReader
  /// The branches or the body, compiled.
  var blocks: [String: PlanBlock] = [:]
  /// Inputs that are half floats though they come widened: the node rounds as one of such does.
  var halfInputs: Set<Int> = []
  private(set) var readAttributes: Set<String> = []

  init(
    node: GraphNode, version: Int, opset: Int, inputTypes: [ElementType?], constants: [Tensor?],
    tensors: TensorReader
  ) {
    self.node = node
    self.version = version
    self.opset = opset
    self.inputTypes = inputTypes
    self.constants = constants
    self.tensors = tensors
  }

  func type(_ input: Int) throws(ModelFormatError) -> ElementType {
    guard input < inputTypes.count, let type = inputTypes[input] else {
      throw malformed("input \(input) is missing")
    }
    return type
  }

  func constant(_ input: Int) -> Tensor? { input < constants.count ? constants[input] : nil }
  func has(_ input: Int) -> Bool { input < inputTypes.count && inputTypes[input] != nil }

  func malformed(_ reason: String) -> ModelFormatError {
    .malformed(format: "ONNX", at: "node '\(node.label)' (\(node.operatorName))", reason: reason)
  }

  func unsupported(_ what: String, advice: String = "") -> ModelFormatError {
    let name = node.domain == "ai.onnx" ? node.operatorName : "\(node.domain):\(node.operatorName)"
    return .unsupported(
      format: "ONNX", what: "operator \(name) (node '\(node.label)', opset \(opset)): \(what)",
      advice: advice)
  }

  /// The block that attribute `name` holds.
  func block(_ name: String) throws(ModelFormatError) -> PlanBlock {
    guard let block = blocks[name] else { throw malformed("it has no graph '\(name)'") }
    return block
  }

  /// A node with other graphs than these is refused.
  func readBlocks(_ names: String...) throws(ModelFormatError) {
    for name in blocks.keys where !names.contains(name) {
      throw malformed("version \(version) has no attribute '\(name)'")
    }
  }

  /// The types of what a body is given; where one is missing, the body's own statement holds.
  func bodyInputTypes() -> [ElementType?] {
    switch node.operatorName {
    case "Loop": [.int64, .bool] + inputTypes.dropFirst(2)
    // Before version 9 the lengths of the sequences come first.
    case "Scan": version < 9 ? Array(inputTypes.dropFirst()) : inputTypes
    default: []
    }
  }

  private mutating func attribute(
    _ name: String, _ kind: AttributeMessage.Kind
  ) throws(ModelFormatError) -> AttributeMessage? {
    readAttributes.insert(name)
    guard let found = node.attributes.first(where: { $0.name == name }) else { return nil }
    // A packed list without elements leaves no trace of its type in old files.
    guard found.kind == kind || found.kind == .undefined else {
      throw malformed("attribute '\(name)' is \(found.kind); \(kind) was expected")
    }
    return found
  }

  mutating func integer(_ name: String) throws(ModelFormatError) -> Int? {
    try attribute(name, .integer).map { Int($0.integer) }
  }
  mutating func integers(_ name: String) throws(ModelFormatError) -> [Int]? {
    try attribute(name, .integers).map { $0.integers.map { Int($0) } }
  }
  mutating func float(_ name: String) throws(ModelFormatError) -> Float? {
    try attribute(name, .float)?.float
  }
  mutating func floats(_ name: String) throws(ModelFormatError) -> [Float]? {
    try attribute(name, .floats)?.floats
  }
  mutating func string(_ name: String) throws(ModelFormatError) -> String? {
    try attribute(name, .string).map { String(decoding: $0.string, as: UTF8.self) }
  }
  mutating func strings(_ name: String) throws(ModelFormatError) -> [String]? {
    try attribute(name, .strings).map { $0.strings.map { String(decoding: $0, as: UTF8.self) } }
  }
  mutating func sparseTensor(_ name: String) throws(ModelFormatError) -> Tensor? {
    guard let message = try attribute(name, .sparseTensor)?.sparseTensor else { return nil }
    return try tensors.tensor(message, at: "node '\(node.label)', attribute '\(name)'")
  }
  mutating func tensor(_ name: String) throws(ModelFormatError) -> Tensor? {
    guard let message = try attribute(name, .tensor)?.tensor else { return nil }
    let place = "node '\(node.label)', attribute '\(name)'"
    // A constant's copy is counted where it is read, if at all.
    if node.operatorName == "Constant" { return try tensors.tensor(message, at: place) }
    return try tensors.attribute(message, at: place)
  }

  /// An attribute that nobody read would change the answer without being heard.
  func refuseUnread() throws(ModelFormatError) {
    let knowsBlocks = ["If", "Loop", "Scan"].contains(node.operatorName)
    for name in blocks.keys where !knowsBlocks {
      throw malformed("version \(version) has no attribute '\(name)'")
    }
    for attribute in node.attributes where !readAttributes.contains(attribute.name) {
      throw malformed("version \(version) has no attribute '\(attribute.name)'")
    }
  }
}

/// A branch or a loop's body, ready to run.
struct PlanBlock: Sendable {
  /// In the plan's `blocks`.
  var index: Int
  var inputs: [Int]
  var outputs: [Int]
  /// Whether an output is computed inside, or only passed on from outside.
  var isOwnOutput: [Bool]
  var outputTypes: [ElementType]
  /// As the file states them.
  var outputShapes: [[Int?]?]
}
