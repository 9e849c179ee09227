import Executors
import Tensors

/// Turns the messages of a file into a checked graph.
///
/// A value's number is its place in `valueNames`. A subgraph sees the names around it and may
/// give some of them anew; a function sees only its own.
struct GraphReader {
  private var valueNames: [String] = []
  /// What each name means, innermost last; nil is an optional input of a function that the call
  /// leaves out.
  private var scopes: [[String: Int?]] = [[:]]
  /// Scopes below are not seen: they belong to the caller of a function.
  private var firstScope = 0
  private var constants: [Int: Tensor] = [:]
  private var functions: [String: FunctionMessage] = [:]
  /// The calls that lead to where the reader is.
  private var openFunctions: [String] = []
  private var nodeCount = 0
  private let tensors: TensorReader

  /// Nodes, with every call of a function counted in full: functions that call each other twice
  /// grow like powers of two.
  private static let maxNodes = GraphMessage.maxNodes

  static func read(_ file: ModelFile) throws(ModelFormatError) -> Graph {
    let model = try ModelMessage(file.bytes)
    var reader = GraphReader(tensors: TensorReader(file: file))
    return try reader.graph(model)
  }

  private init(tensors: TensorReader) { self.tensors = tensors }

  /// What nodes may use without saying it themselves.
  private struct Surroundings {
    var opsets: [String: Int]
    /// What a call gave for the attributes of the function.
    var attributes: [String: AttributeMessage] = [:]
    /// Goes before labels: the calls that lead here.
    var prefix = ""
    var isFunction = false
  }

  private mutating func graph(_ model: ModelMessage) throws(ModelFormatError) -> Graph {
    guard let message = model.graph else {
      throw .malformed(format: "ONNX", at: "model", reason: "there is no graph")
    }
    let opsets = try GraphReader.opsets(model.opsets)
    for function in model.functions {
      let key = GraphReader.key(function.domain, function.name, function.overload)
      guard functions.updateValue(function, forKey: key) == nil else {
        throw .malformed(
          format: "ONNX", at: "function '\(function.name)'", reason: "it is given twice")
      }
    }
    var unfolded = UnfoldedCount(functions)
    guard unfolded.count(message.nodes) <= GraphReader.maxNodes else { throw tooManyNodes }
    tensors.mapExternalFiles(model)
    try readInitializers(message)
    let inputs = try readInputs(message)
    let nodes = try readNodes(message.nodes, Surroundings(opsets: opsets))
    var outputs: [GraphOutput] = []
    for output in message.outputs { outputs.append(try graphOutput(output)) }
    guard !outputs.isEmpty else {
      throw .malformed(format: "ONNX", at: "graph", reason: "there are no outputs")
    }
    return Graph(
      valueNames: valueNames, inputs: inputs, outputs: outputs, nodes: nodes,
      constants: constants, opsets: opsets, producer: model.producer,
      tensors: tensors)
  }

  private var tooManyNodes: ModelFormatError {
    .unsupported(
      format: "ONNX", what: "more than \(GraphReader.maxNodes) nodes, functions unfolded",
      advice: "")
  }

  private static func opsets(
    _ imports: [(domain: String, version: Int64)]
  ) throws(ModelFormatError) -> [String: Int] {
    var opsets: [String: Int] = [:]
    for (domain, version) in imports {
      guard version > 0, version < 1 << 20 else {
        throw .malformed(
          format: "ONNX", at: "opset_import '\(domain)'", reason: "version \(version)")
      }
      opsets[GraphReader.domain(domain)] = Int(version)
    }
    // Only IR versions 1 and 2 may leave it out.
    if opsets.isEmpty { opsets["ai.onnx"] = 1 }
    return opsets
  }

  /// The standard domain has two spellings.
  static func domain(_ name: String) -> String { name.isEmpty ? "ai.onnx" : name }

  static func key(_ domain: String, _ name: String, _ overload: String) -> String {
    "\(GraphReader.domain(domain)):\(name):\(overload)"
  }

  private mutating func readInitializers(_ message: GraphMessage) throws(ModelFormatError) {
    for initializer in message.initializers {
      let place = "initializer '\(initializer.name)'"
      constants[try define(initializer.name, at: place)] = try tensors.tensor(
        initializer, at: place)
    }
    for initializer in message.sparseInitializers {
      let place = "initializer '\(initializer.values.name)'"
      constants[try define(initializer.values.name, at: place)] = try tensors.tensor(
        initializer, at: place)
    }
  }

  private func graphOutput(_ output: ValueInfoMessage) throws(ModelFormatError) -> GraphOutput {
    guard let value = try resolve(output.name, at: "output '\(output.name)'") else {
      throw .malformed(
        format: "ONNX", at: "output '\(output.name)'", reason: "nothing computes it")
    }
    var shape: [Int?]?
    if case .tensor(_, let dimensions, _) = output.type { shape = dimensions }
    return GraphOutput(value: value, shape: shape)
  }

  private mutating func readInputs(
    _ message: GraphMessage
  ) throws(ModelFormatError) -> [GraphInput] {
    var inputs: [GraphInput] = []
    var seen: Set<String> = []
    for input in message.inputs {
      let place = "input '\(input.name)'"
      guard seen.insert(input.name).inserted else {
        throw .malformed(format: "ONNX", at: place, reason: "there are two inputs of this name")
      }
      // IR versions below 4 list every initializer among the inputs, too.
      let value: Int
      if let known = scopes[0][input.name] ?? nil, constants[known] != nil {
        value = known
      } else {
        value = try define(input.name, at: place)
      }
      switch input.type {
      case .tensor(let number, let dimensions, let names):
        guard let type = TensorReader.elementType(number) else {
          throw .unsupported(
            format: "ONNX", what: "\(place) has element type \(number)", advice: "")
        }
        guard let shape = dimensions ?? constants[value].map({ $0.shape.array }) else {
          throw .unsupported(
            format: "ONNX", what: "\(place) states no shape",
            advice: "export the model with the rank of its inputs")
        }
        if let constant = constants[value], constant.elementType != type {
          throw .malformed(
            format: "ONNX", at: place,
            reason: "it is \(type.name) and its initializer \(constant.elementType.name)")
        }
        inputs.append(
          GraphInput(
            value: value, elementType: type, shape: shape, dimensionNames: names,
            isRequired: constants[value] == nil))
      case .none:
        throw .malformed(format: "ONNX", at: place, reason: "it has no type")
      case .other(let kind):
        throw .unsupported(
          format: "ONNX", what: "\(place) is a \(kind)", advice: "only tensors can be sent")
      }
    }
    return inputs
  }

  /// - Parameter results: Values that names are to have when a node gives them: the outputs of a
  ///   function, which its call has numbered.
  private mutating func readNodes(
    _ messages: [NodeMessage], _ around: Surroundings, results: [String: Int] = [:]
  ) throws(ModelFormatError) -> [GraphNode] {
    // Outputs first, so that a wrong order can be told from a missing value.
    var labels: [String] = []
    var outputs: [[Int?]] = []
    for (index, node) in messages.enumerated() {
      let label = around.prefix + (node.name.isEmpty ? "\(node.operatorName) #\(index)" : node.name)
      labels.append(label)
      var values: [Int?] = []
      for name in node.outputs {
        values.append(
          name.isEmpty ? nil : try define(name, at: "node '\(label)'", as: results[name]))
      }
      outputs.append(values)
    }
    var nodes: [GraphNode] = []
    nodes.reserveCapacity(messages.count)
    for (index, message) in messages.enumerated() {
      let label = labels[index]
      nodeCount += 1
      guard nodeCount <= GraphReader.maxNodes else { throw tooManyNodes }
      var inputs: [Int?] = []
      for name in message.inputs {
        inputs.append(name.isEmpty ? nil : try resolve(name, at: "node '\(label)'"))
      }
      let attributes = try bound(message.attributes, around, at: label)
      let domain = GraphReader.domain(message.domain)
      let key = GraphReader.key(message.domain, message.operatorName, message.overload)
      if let function = functions[key] {
        nodes += try call(
          function, key, label: label, inputs: inputs, outputs: outputs[index],
          attributes: attributes)
        continue
      }
      var node = GraphNode(
        label: label, domain: domain, operatorName: message.operatorName,
        opset: around.opsets[domain], inputs: inputs, outputs: outputs[index], attributes: [])
      for attribute in attributes {
        guard attribute.kind == .graph, let graph = attribute.graphs.first else {
          node.attributes.append(attribute)
          continue
        }
        node.blocks.append(try block(graph, attribute.name, around, at: label))
      }
      nodes.append(node)
    }
    return try sorted(nodes)
  }

  /// The attributes, with those that refer to the function's own replaced by what the call gave.
  private func bound(
    _ attributes: [AttributeMessage], _ around: Surroundings, at label: String
  ) throws(ModelFormatError) -> [AttributeMessage] {
    var result: [AttributeMessage] = []
    for attribute in attributes {
      if attribute.referencedAttribute.isEmpty {
        result.append(attribute)
        continue
      }
      guard around.isFunction else {
        throw .malformed(
          format: "ONNX", at: "node '\(label)'",
          reason: "attribute '\(attribute.name)' refers to a function's, and there is none")
      }
      // An attribute that the call leaves out is left out here.
      guard var given = around.attributes[attribute.referencedAttribute] else { continue }
      given.name = attribute.name
      result.append(given)
    }
    return result
  }

  /// The nodes of `function` in the place of a call.
  private mutating func call(
    _ function: FunctionMessage, _ key: String, label: String, inputs: [Int?], outputs: [Int?],
    attributes: [AttributeMessage]
  ) throws(ModelFormatError) -> [GraphNode] {
    let place = "node '\(label)'"
    func malformed(_ reason: String) -> ModelFormatError {
      .malformed(format: "ONNX", at: place, reason: reason)
    }
    guard !openFunctions.contains(key) else {
      throw malformed("function '\(function.name)' calls itself")
    }
    guard openFunctions.count < ProtobufReader.maxDepth else {
      throw malformed("functions are nested more than \(ProtobufReader.maxDepth) deep")
    }
    guard inputs.count <= function.inputs.count, outputs.count <= function.outputs.count else {
      throw malformed(
        "function '\(function.name)' takes \(function.inputs.count) values and gives "
          + "\(function.outputs.count); the node has \(inputs.count) and \(outputs.count)")
    }
    var names: [String: Int?] = [:]
    for (index, name) in function.inputs.enumerated() {
      names.updateValue(index < inputs.count ? inputs[index] : nil, forKey: name)
    }
    var results: [String: Int] = [:]
    for (index, name) in function.outputs.enumerated() where index < outputs.count {
      if let value = outputs[index] { results[name] = value }
    }
    var around = Surroundings(
      opsets: try GraphReader.opsets(function.opsets), prefix: label + "/", isFunction: true)
    for attribute in function.defaults + attributes {
      around.attributes[attribute.name] = attribute
    }

    let outerFirst = firstScope
    firstScope = scopes.count
    scopes.append(names)
    openFunctions.append(key)
    defer {
      scopes.removeLast()
      firstScope = outerFirst
      openFunctions.removeLast()
    }
    var nodes = try readNodes(function.nodes, around, results: results)
    // An output may be an input as it came.
    for (index, name) in function.outputs.enumerated() where names.keys.contains(name) {
      guard index < outputs.count, let output = outputs[index] else { continue }
      nodes.append(
        GraphNode(
          label: "\(label)/\(name)", domain: "ai.onnx", operatorName: "Identity", opset: 1,
          inputs: [names[name] ?? nil], outputs: [output], attributes: []))
    }
    let last = scopes.count - 1
    for (name, value) in results where scopes[last][name] != .some(.some(value)) {
      guard names.keys.contains(name) else {
        throw malformed("nothing computes output '\(name)' of function '\(function.name)'")
      }
    }
    return nodes
  }

  private mutating func block(
    _ message: GraphMessage, _ name: String, _ around: Surroundings, at label: String
  ) throws(ModelFormatError) -> GraphBlock {
    let start = valueNames.count
    scopes.append([:])
    defer { scopes.removeLast() }
    try readInitializers(message)
    var inputs: [BlockInput] = []
    for input in message.inputs {
      var type: ElementType?
      switch input.type {
      case .none: break
      case .tensor(let number, _, _): type = TensorReader.elementType(number)
      case .other(let kind):
        throw .unsupported(
          format: "ONNX", what: "node '\(label)': its body takes a \(kind)",
          advice: "only tensors are passed")
      }
      let value = try define(input.name, at: "node '\(label)', its body")
      inputs.append(BlockInput(value: value, elementType: type))
    }
    var inner = around
    inner.prefix = label + "/"
    let nodes = try readNodes(message.nodes, inner)
    var outputs: [GraphOutput] = []
    for output in message.outputs { outputs.append(try graphOutput(output)) }
    var captures: [Int] = []
    var seen: Set<Int> = []
    // What was numbered before this block began is not its own.
    for value in nodes.flatMap(\.needs) + outputs.map(\.value)
    where value < start && seen.insert(value).inserted {
      captures.append(value)
    }
    return GraphBlock(
      name: name, inputs: inputs, outputs: outputs, nodes: nodes, captures: captures)
  }

  /// The nodes in an order in which each comes after those it needs. Files are sorted as a
  /// rule, and then nothing moves.
  private func sorted(_ nodes: [GraphNode]) throws(ModelFormatError) -> [GraphNode] {
    var producer: [Int: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for case let value? in node.outputs { producer[value] = index }
    }
    let needs = nodes.map(\.needs)
    var isPlaced = [Bool](repeating: false, count: nodes.count)
    var isOpen = [Bool](repeating: false, count: nodes.count)
    var order: [GraphNode] = []
    order.reserveCapacity(nodes.count)
    for first in nodes.indices where !isPlaced[first] {
      // Depth first without recursion: a chain of nodes may be as long as the file allows.
      var stack: [(node: Int, nextInput: Int)] = [(first, 0)]
      isOpen[first] = true
      while let (node, nextInput) = stack.last {
        if nextInput == needs[node].count {
          order.append(nodes[node])
          isPlaced[node] = true
          isOpen[node] = false
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].nextInput += 1
        guard let needed = producer[needs[node][nextInput]], !isPlaced[needed] else { continue }
        guard !isOpen[needed] else {
          throw .malformed(
            format: "ONNX", at: "node '\(nodes[needed].label)'", reason: "it needs its own output")
        }
        isOpen[needed] = true
        stack.append((needed, 0))
      }
    }
    return order
  }

  /// What `name` means here: nil for an optional input that a call leaves out.
  private func resolve(_ name: String, at place: String) throws(ModelFormatError) -> Int? {
    for scope in scopes[firstScope...].reversed() {
      if let found = scope[name] { return found }
    }
    throw .malformed(
      format: "ONNX", at: place,
      reason: place.hasPrefix("output")
        ? "nothing computes it" : "its input '\(name)' is computed nowhere")
  }

  /// A new value; a name may be given only once in a graph.
  private mutating func define(
    _ name: String, at place: String, as known: Int? = nil
  ) throws(ModelFormatError) -> Int {
    guard !name.isEmpty else {
      throw .malformed(format: "ONNX", at: place, reason: "it has no name")
    }
    let last = scopes.count - 1
    guard scopes[last][name] == nil else {
      throw .malformed(
        format: "ONNX", at: place, reason: "the value '\(name)' has been given already")
    }
    let value = known ?? valueNames.count
    if known == nil { valueNames.append(name) }
    scopes[last].updateValue(value, forKey: name)
    return value
  }
}
