import Executors

// The messages of onnx.proto as values, field by field; what runs is decided elsewhere.
// Big data stays in the file: `rawData` is a place, not a copy.
// Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

struct ModelMessage {
  var irVersion: Int64 = 0
  var producer = ""
  var graph: GraphMessage?
  var opsets: [(domain: String, version: Int64)] = []
  var functions: [FunctionMessage] = []
}

struct FunctionMessage {
  var name = ""
  var domain = ""
  var overload = ""
  var inputs: [String] = []
  var outputs: [String] = []
  var nodes: [NodeMessage] = []
  /// Attributes that a call may leave out.
  var defaults: [AttributeMessage] = []
  var opsets: [(domain: String, version: Int64)] = []
}

extension ModelMessage {
  init(_ bytes: RawSpan) throws(ModelFormatError) {
    let file = MessageSource(bytes)
    var reader = try ProtobufReader(file, 0..<bytes.byteCount, depth: 0, taking: 0)
    var functionCount = 0
    var opsetCount = 0
    try ProtobufReader.countFields(bytes, 0..<bytes.byteCount, depth: 0) { field in
      if field == 25 { functionCount += 1 }
      if field == 8 { opsetCount += 1 }
    }
    try file.reserve(functionCount, in: &functions)
    try file.reserve(opsetCount, in: &opsets)
    while try reader.nextField() {
      switch reader.field {
      case 1: irVersion = try reader.integer()
      case 2: producer = try reader.string()
      case 7: graph = try GraphMessage(file, reader.range(), depth: 1)
      case 8: opsets.append(try ModelMessage.opset(file, reader.range(), depth: 1))
      case 25: functions.append(try FunctionMessage(file, reader.range(), depth: 1))
      default: try reader.skip()
      }
    }
  }

  static func opset(
    _ file: MessageSource, _ range: Range<Int>, depth: Int
  ) throws(ModelFormatError) -> (domain: String, version: Int64) {
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    var domain = ""
    var version: Int64 = 0
    while try reader.nextField() {
      switch reader.field {
      case 1: domain = try reader.string()
      case 2: version = try reader.integer()
      default: try reader.skip()
      }
    }
    return (domain, version)
  }
}

extension FunctionMessage {
  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    var counts = (inputs: 0, outputs: 0, nodes: 0, opsets: 0, defaults: 0)
    try ProtobufReader.countFields(file.bytes, range, depth: depth) { field in
      switch field {
      case 4: counts.inputs += 1
      case 5: counts.outputs += 1
      case 7: counts.nodes += 1
      case 9: counts.opsets += 1
      case 11: counts.defaults += 1
      default: break
      }
    }
    try file.reserve(counts.inputs, in: &inputs)
    try file.reserve(counts.outputs, in: &outputs)
    try file.reserve(counts.nodes, in: &nodes)
    try file.reserve(counts.opsets, in: &opsets)
    try file.reserve(counts.defaults, in: &defaults)
    while try reader.nextField() {
      switch reader.field {
      case 1: name = try reader.string()
      case 4: inputs.append(try reader.string())
      case 5: outputs.append(try reader.string())
      case 7: nodes.append(try NodeMessage(file, reader.range(), depth: depth + 1))
      case 9: opsets.append(try ModelMessage.opset(file, reader.range(), depth: depth + 1))
      case 10: domain = try reader.string()
      case 11: defaults.append(try AttributeMessage(file, reader.range(), depth: depth + 1))
      case 13: overload = try reader.string()
      default: try reader.skip()
      }
    }
  }
}

extension MessageSource {
  /// Makes room for what a list is to hold.
  func reserve<Element>(_ count: Int, in list: inout [Element]) throws(ModelFormatError) {
    guard count > 0 else { return }
    try budget.take(MessageBudget.blockBytes + count * MemoryLayout<Element>.stride)
    list.reserveCapacity(count)
  }
}
