package import Executors
package import Tensors

/// What an ONNX file says about itself, whether or not it can be run.
package struct ONNXInspection: Sendable {
  package struct Value: Sendable {
    package var name: String
    /// nil where it is no tensor of a type that we know; `typeName` says what it is.
    package var elementType: ElementType?
    package var typeName: String
    /// nil where the file states none.
    package var shape: [Int?]?
  }

  /// An operator that cannot be run, and how many nodes ask for it.
  package struct MissingOperator: Sendable, Equatable {
    package var name: String
    package var nodeCount: Int
    package var reason: String
  }

  package private(set) var irVersion = 0
  package private(set) var producer = ""
  package private(set) var producerVersion = ""
  /// By domain; the standard one is `ai.onnx`.
  package private(set) var opsets: [String: Int] = [:]
  package private(set) var inputs: [Value] = []
  package private(set) var outputs: [Value] = []
  package private(set) var nodeCount = 0
  /// All of them, in the order of their names.
  package private(set) var missing: [MissingOperator] = []

  /// - Throws: `ModelFormatError` when the bytes are no ONNX model at all.
  package init(path: String) throws(ModelFormatError) {
    let file = try ModelFile(path: path)
    let model = try ModelMessage(file.bytes)
    irVersion = Int(truncatingIfNeeded: model.irVersion)
    producer = model.producer
    producerVersion = try ONNXInspection.producerVersion(file.bytes)
    for (domain, version) in model.opsets {
      opsets[GraphReader.domain(domain)] = Int(truncatingIfNeeded: version)
    }
    guard let graph = model.graph else {
      throw .malformed(format: "ONNX", at: "model", reason: "there is no graph")
    }
    let initializers = Set(graph.initializers.map(\.name))
    inputs = graph.inputs.filter { !initializers.contains($0.name) }.map(ONNXInspection.value)
    outputs = graph.outputs.map(ONNXInspection.value)
    var census = Census(opsets: opsets, functions: model.functions)
    census.count(graph.nodes)
    for function in model.functions { census.count(function.nodes) }
    nodeCount = census.nodeCount
    missing = census.missing
  }

  private static func producerVersion(_ bytes: RawSpan) throws(ModelFormatError) -> String {
    var reader = try ProtobufReader(bytes, 0..<bytes.byteCount, depth: 0)
    while try reader.nextField() {
      if reader.field == 3 { return try reader.string() }
      try reader.skip()
    }
    return ""
  }

  private static func value(_ info: ValueInfoMessage) -> Value {
    switch info.type {
    case .none: Value(name: info.name, typeName: "unknown")
    case .other(let kind): Value(name: info.name, typeName: kind)
    case .tensor(let number, let shape, _):
      Value(
        name: info.name, elementType: TensorReader.elementType(number),
        typeName: TensorReader.elementType(number)?.name ?? "element type \(number)",
        shape: shape)
    }
  }

  /// Counts the nodes whose operator is not there.
  private struct Census {
    let opsets: [String: Int]
    let functions: Set<String>
    private(set) var nodeCount = 0
    private var found: [String: MissingOperator] = [:]

    private static let table: [String: OperatorDefinition] = Dictionary(
      OperatorTable.definitions.map { ("\($0.domain):\($0.name)", $0) },
      uniquingKeysWith: { first, _ in first })

    init(opsets: [String: Int], functions: [FunctionMessage]) {
      self.opsets = opsets
      self.functions = Set(functions.map { "\(GraphReader.domain($0.domain)):\($0.name)" })
    }

    var missing: [MissingOperator] { found.values.sorted { $0.name < $1.name } }

    mutating func count(_ nodes: [NodeMessage]) {
      for node in nodes {
        nodeCount += 1
        for attribute in node.attributes {
          for graph in attribute.graphs { count(graph.nodes) }
        }
        let domain = GraphReader.domain(node.domain)
        let key = "\(domain):\(node.operatorName)"
        guard !functions.contains(key), let reason = reason(key, domain: domain) else { continue }
        let name = domain == "ai.onnx" ? node.operatorName : key
        found[key, default: MissingOperator(name: name, nodeCount: 0, reason: reason)]
          .nodeCount += 1
      }
    }

    private func reason(_ key: String, domain: String) -> String? {
      guard let definition = Census.table[key] else { return "it is not run here" }
      guard let version = opsets[domain] else { return nil }
      if let newest = PlanBuilder.newestOpsets[domain], version > newest {
        return "opset \(version) is newer than \(newest), the newest known"
      }
      guard let first = definition.versions.first, first > version else { return nil }
      return "it is run from opset \(first) on; the model has \(version)"
    }
  }
}
