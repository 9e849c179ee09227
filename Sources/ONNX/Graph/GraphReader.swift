import Executors
import Tensors

/// Turns the messages of a file into a checked graph.
struct GraphReader {
  private var valueNames: [String] = []
  private var valuesByName: [String: Int] = [:]
  private var produced: Set<Int> = []
  private let tensors: TensorReader

  static func read(_ file: ModelFile) throws(ModelFormatError) -> Graph {
    let model = try ModelMessage(file.bytes)
    var reader = GraphReader(tensors: TensorReader(file: file))
    return try reader.graph(model)
  }

  private init(tensors: TensorReader) { self.tensors = tensors }

  private mutating func graph(_ model: ModelMessage) throws(ModelFormatError) -> Graph {
    guard let message = model.graph else {
      throw .malformed(format: "ONNX", at: "model", reason: "there is no graph")
    }
    guard !message.hasSparseInitializers else {
      throw .unsupported(
        format: "ONNX", what: "sparse initializers", advice: "save the weights densely")
    }
    let opsets = try readOpsets(model)
    var constants: [Int: Tensor] = [:]
    for initializer in message.initializers {
      let value = try define(initializer.name, at: "initializer '\(initializer.name)'")
      constants[value] = try tensors.tensor(
        initializer, at: "initializer '\(initializer.name)'")
    }
    let inputs = try readInputs(message, constants: constants)
    let nodes = try readNodes(message)
    var outputs: [GraphOutput] = []
    for output in message.outputs {
      guard let value = valuesByName[output.name], produced.contains(value) else {
        throw .malformed(
          format: "ONNX", at: "output '\(output.name)'", reason: "nothing computes it")
      }
      var shape: [Int?]?
      if case .tensor(_, let dimensions) = output.type { shape = dimensions }
      outputs.append(GraphOutput(value: value, shape: shape))
    }
    guard !outputs.isEmpty else {
      throw .malformed(format: "ONNX", at: "graph", reason: "there are no outputs")
    }
    return Graph(
      valueNames: valueNames, inputs: inputs, outputs: outputs, nodes: nodes,
      constants: constants, opsets: opsets, producer: model.producer)
  }

  private func readOpsets(_ model: ModelMessage) throws(ModelFormatError) -> [String: Int] {
    var opsets: [String: Int] = [:]
    for (domain, version) in model.opsets {
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

  private mutating func readInputs(
    _ message: GraphMessage, constants: [Int: Tensor]
  ) throws(ModelFormatError) -> [GraphInput] {
    var inputs: [GraphInput] = []
    var seen: Set<String> = []
    for input in message.inputs {
      let place = "input '\(input.name)'"
      guard seen.insert(input.name).inserted else {
        throw .malformed(format: "ONNX", at: place, reason: "there are two inputs of this name")
      }
      // IR versions below 4 list every initializer among the inputs, too.
      let known = valuesByName[input.name]
      let value: Int
      if let known, constants[known] != nil {
        value = known
      } else {
        value = try define(input.name, at: place)
      }
      switch input.type {
      case .tensor(let number, let dimensions):
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
            value: value, elementType: type, shape: shape, isRequired: constants[value] == nil))
      case .none:
        throw .malformed(format: "ONNX", at: place, reason: "it has no type")
      case .other(let kind):
        throw .unsupported(
          format: "ONNX", what: "\(place) is a \(kind)", advice: "only tensors can be sent")
      }
    }
    return inputs
  }

  private mutating func readNodes(
    _ message: GraphMessage
  ) throws(ModelFormatError) -> [GraphNode] {
    var nodes: [GraphNode] = []
    nodes.reserveCapacity(message.nodes.count)
    // Outputs first, so that a wrong order can be told from a missing value.
    for (index, node) in message.nodes.enumerated() {
      let label = node.name.isEmpty ? "\(node.operatorName) #\(index)" : node.name
      var outputs: [Int?] = []
      for name in node.outputs {
        outputs.append(name.isEmpty ? nil : try define(name, at: "node '\(label)'"))
      }
      nodes.append(
        GraphNode(
          label: label, domain: GraphReader.domain(node.domain),
          operatorName: node.operatorName, inputs: [], outputs: outputs,
          attributes: node.attributes))
    }
    for (index, node) in message.nodes.enumerated() {
      var inputs: [Int?] = []
      for name in node.inputs {
        if name.isEmpty {
          inputs.append(nil)
          continue
        }
        guard let value = valuesByName[name] else {
          throw .malformed(
            format: "ONNX", at: "node '\(nodes[index].label)'",
            reason: "its input '\(name)' is computed nowhere")
        }
        inputs.append(value)
      }
      nodes[index].inputs = inputs
    }
    return try sorted(nodes)
  }

  /// The nodes in an order in which each comes after those it needs. Files are sorted as a
  /// rule, and then nothing moves.
  private func sorted(_ nodes: [GraphNode]) throws(ModelFormatError) -> [GraphNode] {
    var producer: [Int: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for case let value? in node.outputs { producer[value] = index }
    }
    var isPlaced = [Bool](repeating: false, count: nodes.count)
    var isOpen = [Bool](repeating: false, count: nodes.count)
    var order: [GraphNode] = []
    order.reserveCapacity(nodes.count)
    for first in nodes.indices where !isPlaced[first] {
      // Depth first without recursion: a chain of nodes may be as long as the file allows.
      var stack: [(node: Int, nextInput: Int)] = [(first, 0)]
      isOpen[first] = true
      while let (node, nextInput) = stack.last {
        if nextInput == nodes[node].inputs.count {
          order.append(nodes[node])
          isPlaced[node] = true
          isOpen[node] = false
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].nextInput += 1
        guard let value = nodes[node].inputs[nextInput], let needed = producer[value],
          !isPlaced[needed]
        else { continue }
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

  /// A new value; a name may be given only once.
  private mutating func define(
    _ name: String, at place: String
  ) throws(ModelFormatError) -> Int {
    guard !name.isEmpty else {
      throw .malformed(format: "ONNX", at: place, reason: "it has no name")
    }
    guard valuesByName[name] == nil else {
      throw .malformed(
        format: "ONNX", at: place, reason: "the value '\(name)' has been given already")
    }
    let value = valueNames.count
    valueNames.append(name)
    valuesByName[name] = value
    produced.insert(value)
    return value
  }
}
