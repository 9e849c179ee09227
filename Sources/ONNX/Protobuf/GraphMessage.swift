import Executors

// A graph and its nodes.

struct GraphMessage {
  var name = ""
  var nodes: [NodeMessage] = []
  var initializers: [TensorMessage] = []
  var inputs: [ValueInfoMessage] = []
  var outputs: [ValueInfoMessage] = []
  var sparseInitializers: [SparseTensorMessage] = []
}

struct NodeMessage {
  var name = ""
  var operatorName = ""
  var domain = ""
  var overload = ""
  var inputs: [String] = []
  var outputs: [String] = []
  var attributes: [AttributeMessage] = []
}

extension GraphMessage {
  /// An empty node takes two bytes in a file and a hundred times that in memory.
  static let maxNodes = 1 << 20

  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    var counts = (nodes: 0, initializers: 0, inputs: 0, outputs: 0, sparse: 0)
    try ProtobufReader.countFields(file.bytes, range, depth: depth) { field in
      switch field {
      case 1: counts.nodes += 1
      case 5: counts.initializers += 1
      case 11: counts.inputs += 1
      case 12: counts.outputs += 1
      case 15: counts.sparse += 1
      default: break
      }
    }
    try file.reserve(counts.nodes, in: &nodes)
    try file.reserve(counts.initializers, in: &initializers)
    try file.reserve(counts.inputs, in: &inputs)
    try file.reserve(counts.outputs, in: &outputs)
    try file.reserve(counts.sparse, in: &sparseInitializers)
    while try reader.nextField() {
      switch reader.field {
      case 1:
        guard nodes.count < GraphMessage.maxNodes else {
          throw reader.malformed("a graph has more than \(GraphMessage.maxNodes) nodes")
        }
        nodes.append(try NodeMessage(file, reader.range(), depth: depth + 1))
      case 2: name = try reader.string()
      case 5: initializers.append(try TensorMessage(file, reader.range(), depth: depth + 1))
      case 11: inputs.append(try ValueInfoMessage(file, reader.range(), depth: depth + 1))
      case 12: outputs.append(try ValueInfoMessage(file, reader.range(), depth: depth + 1))
      case 15:
        sparseInitializers.append(
          try SparseTensorMessage(file, reader.range(), depth: depth + 1))
      default: try reader.skip()
      }
    }
  }
}

extension NodeMessage {
  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    var counts = (inputs: 0, outputs: 0, attributes: 0)
    try ProtobufReader.countFields(file.bytes, range, depth: depth) { field in
      switch field {
      case 1: counts.inputs += 1
      case 2: counts.outputs += 1
      case 5: counts.attributes += 1
      default: break
      }
    }
    try file.reserve(counts.inputs, in: &inputs)
    try file.reserve(counts.outputs, in: &outputs)
    try file.reserve(counts.attributes, in: &attributes)
    while try reader.nextField() {
      switch reader.field {
      case 1: inputs.append(try reader.string())
      case 2: outputs.append(try reader.string())
      case 3: name = try reader.string()
      case 4: operatorName = try reader.string()
      case 5: attributes.append(try AttributeMessage(file, reader.range(), depth: depth + 1))
      case 7: domain = try reader.string()
      case 8: overload = try reader.string()
      default: try reader.skip()
      }
    }
  }
}
