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

struct AttributeMessage {
  /// AttributeProto.AttributeType.
  enum Kind: Int64 {
    case undefined = 0
    case float = 1
    case integer = 2
    case string = 3
    case tensor = 4
    case graph = 5
    case floats = 6
    case integers = 7
    case strings = 8
    case tensors = 9
    case graphs = 10
    case sparseTensor = 11
    case sparseTensors = 12
    case type = 13
    case types = 14
  }

  var name = ""
  var kind = Kind.undefined
  var float: Float = 0
  var integer: Int64 = 0
  var referencedAttribute = ""
  /// Most attributes are one number: what takes more room lies apart, written only while it is read.
  private var content: Content?

  private final class Content {
    var string: [UInt8] = []
    var floats: [Float] = []
    var integers: [Int64] = []
    var strings: [[UInt8]] = []
    var graphs: [GraphMessage] = []
    // One at most.
    var tensor: [TensorMessage] = []
    var sparseTensor: [SparseTensorMessage] = []

    static let byteCount = 16 + 7 * MemoryLayout<[UInt8]>.stride
  }

  var string: [UInt8] { content?.string ?? [] }
  var tensor: TensorMessage? { content?.tensor.first }
  var sparseTensor: SparseTensorMessage? { content?.sparseTensor.first }
  /// One graph for `graph`, any number for `graphs`.
  var graphs: [GraphMessage] { content?.graphs ?? [] }
  var floats: [Float] { content?.floats ?? [] }
  var integers: [Int64] { content?.integers ?? [] }
  var strings: [[UInt8]] { content?.strings ?? [] }
}

struct TensorMessage {
  /// The fields that hold elements.
  enum Field: Int {
    case floats = 4
    case int32s = 5
    case strings = 6
    case int64s = 7
    case doubles = 10
    case uint64s = 11
  }

  var name = ""
  var dimensions: [Int64] = []
  var dataType: Int64 = 0
  var rawData: Range<Int>?
  /// How many numbers or strings each typed field has. They are read again where they are to
  /// lie: between the file and the tensor nothing holds them.
  var typedCounts = [Field: Int]()
  /// Bytes of all strings together.
  var stringBytes = 0
  /// The message in the file.
  var place = 0..<0
  var depth = 0
  var isExternal = false
  var external: [(key: String, value: String)] = []
}

/// A tensor of zeros but for `values`, which stand at `indices`.
struct SparseTensorMessage {
  var values = TensorMessage()
  var indices = TensorMessage()
  var dimensions: [Int64] = []
}

struct ValueInfoMessage {
  var name = ""
  var type = TypeMessage.none
}

enum TypeMessage {
  case none
  /// `dimensions` is nil when the file states no shape; an entry is nil when it is free.
  case tensor(elementType: Int64, dimensions: [Int?]?)
  case other(String)
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

extension SparseTensorMessage {
  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    while try reader.nextField() {
      switch reader.field {
      case 1: values = try TensorMessage(file, reader.range(), depth: depth + 1)
      case 2: indices = try TensorMessage(file, reader.range(), depth: depth + 1)
      case 3: try reader.appendIntegers(to: &dimensions)
      default: try reader.skip()
      }
    }
  }
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

extension AttributeMessage {
  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    var inferred = Kind.undefined
    while try reader.nextField() {
      switch reader.field {
      case 1: name = try reader.string()
      case 2:
        float = try reader.float()
        inferred = .float
      case 3:
        integer = try reader.integer()
        inferred = .integer
      case 4:
        try ownContent(file, range, depth: depth).string = try reader.byteArray()
        inferred = .string
      case 5:
        let own = try ownContent(file, range, depth: depth)
        try file.reserve(1, in: &own.tensor)
        own.tensor = [try TensorMessage(file, reader.range(), depth: depth + 1)]
        inferred = .tensor
      case 6:
        let graph = try GraphMessage(file, reader.range(), depth: depth + 1)
        try ownContent(file, range, depth: depth).graphs.append(graph)
        inferred = .graph
      case 7:
        try reader.appendFloats(to: &ownContent(file, range, depth: depth).floats)
        inferred = .floats
      case 8:
        try reader.appendIntegers(to: &ownContent(file, range, depth: depth).integers)
        inferred = .integers
      case 9:
        try ownContent(file, range, depth: depth).strings.append(try reader.byteArray())
        inferred = .strings
      case 11:
        let graph = try GraphMessage(file, reader.range(), depth: depth + 1)
        try ownContent(file, range, depth: depth).graphs.append(graph)
        inferred = .graphs
      case 20:
        let number = try reader.integer()
        guard let known = Kind(rawValue: number) else {
          throw reader.malformed("attribute type \(number) does not exist")
        }
        kind = known
      case 21: referencedAttribute = try reader.string()
      case 22:
        let own = try ownContent(file, range, depth: depth)
        try file.reserve(1, in: &own.sparseTensor)
        own.sparseTensor = [try SparseTensorMessage(file, reader.range(), depth: depth + 1)]
        inferred = .sparseTensor
      default: try reader.skip()
      }
    }
    // Files older than IR version 2 do not say the type.
    if kind == .undefined { kind = inferred }
  }

  /// What takes more room, with room for the lists of the message in `range`.
  private mutating func ownContent(
    _ file: MessageSource, _ range: Range<Int>, depth: Int
  ) throws(ModelFormatError) -> Content {
    if let content { return content }
    try file.budget.take(Content.byteCount)
    let content = Content()
    self.content = content
    var counts = (floats: 0, integers: 0, strings: 0, graphs: 0)
    var reader = try ProtobufReader(file.bytes, range, depth: depth)
    while try reader.nextField() {
      switch reader.field {
      case 6, 11: counts.graphs += 1
      // Packed ones are counted where they are read.
      case 7 where reader.wireType != .bytes: counts.floats += 1
      case 8 where reader.wireType != .bytes: counts.integers += 1
      case 9: counts.strings += 1
      default: break
      }
      try reader.skip()
    }
    // The numbers themselves are counted as they come.
    content.floats.reserveCapacity(counts.floats)
    content.integers.reserveCapacity(counts.integers)
    try file.reserve(counts.strings, in: &content.strings)
    try file.reserve(counts.graphs, in: &content.graphs)
    return content
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

extension TensorMessage {
  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    place = range
    self.depth = depth
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    while try reader.nextField() {
      switch reader.field {
      case 1:
        try reader.appendIntegers(to: &dimensions)
        // Each takes a byte in the file and eight here.
        guard dimensions.count <= TensorMessage.maxDimensions else {
          throw reader.malformed("a tensor has \(dimensions.count) dimensions")
        }
      case 2: dataType = try reader.integer()
      case 4: typedCounts[.floats, default: 0] += try reader.fixedChunk(UInt32.self).count / 4
      case 5: try count(.int32s, &reader)
      case 6:
        stringBytes += try reader.range().count
        typedCounts[.strings, default: 0] += 1
      case 7: try count(.int64s, &reader)
      case 8: name = try reader.string()
      case 9: rawData = try reader.range()
      case 10: typedCounts[.doubles, default: 0] += try reader.fixedChunk(UInt64.self).count / 8
      case 11: try count(.uint64s, &reader)
      case 13:
        // Three times, for a list that grows.
        var entry = try ProtobufReader(
          file, reader.range(), depth: depth + 1,
          taking: 3 * MemoryLayout<(String, String)>.stride)
        var key = ""
        var value = ""
        while try entry.nextField() {
          switch entry.field {
          case 1: key = try entry.string()
          case 2: value = try entry.string()
          default: try entry.skip()
          }
        }
        external.append((key, value))
      case 14: isExternal = try reader.integer() == 1
      default: try reader.skip()
      }
    }
  }

  /// More than any tensor may have.
  private static let maxDimensions = 64

  @_lifetime(reader: copy reader)
  private mutating func count(
    _ field: Field, _ reader: inout ProtobufReader
  ) throws(ModelFormatError) {
    var found = 0
    try reader.forEachVarint { _ in found += 1 }
    typedCounts[field, default: 0] += found
  }

  /// The integers of a typed field, in order.
  func forEachInteger(
    _ field: Field, in file: RawSpan, _ body: (UInt64) throws(ModelFormatError) -> Void
  ) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, place, depth: depth)
    while try reader.nextField() {
      if reader.field == field.rawValue {
        try reader.forEachVarint(body)
      } else {
        try reader.skip()
      }
    }
  }

  /// Where the chunks of a typed field of fixed size, or the strings, lie in the file.
  func forEachChunk(
    _ field: Field, in file: RawSpan, _ body: (Range<Int>) throws(ModelFormatError) -> Void
  ) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, place, depth: depth)
    while try reader.nextField() {
      guard reader.field == field.rawValue else {
        try reader.skip()
        continue
      }
      switch field {
      case .floats: try body(try reader.fixedChunk(UInt32.self))
      case .doubles: try body(try reader.fixedChunk(UInt64.self))
      case .strings, .int32s, .int64s, .uint64s: try body(try reader.range())
      }
    }
  }
}

extension ValueInfoMessage {
  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    while try reader.nextField() {
      switch reader.field {
      case 1: name = try reader.string()
      case 2: type = try TypeMessage(file, reader.range(), depth: depth + 1)
      default: try reader.skip()
      }
    }
  }
}

extension TypeMessage {
  init(_ file: MessageSource, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    self = .none
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    while try reader.nextField() {
      switch reader.field {
      case 1: self = try TypeMessage.tensor(file, reader.range(), depth: depth + 1)
      case 4: self = try TypeMessage.passing(over: &reader, "sequence")
      case 5: self = try TypeMessage.passing(over: &reader, "map")
      case 8: self = try TypeMessage.passing(over: &reader, "sparse tensor")
      case 9: self = try TypeMessage.passing(over: &reader, "optional")
      default: try reader.skip()
      }
    }
  }

  @_lifetime(reader: copy reader)
  private static func passing(
    over reader: inout ProtobufReader, _ kind: String
  ) throws(ModelFormatError) -> TypeMessage {
    try reader.skip()
    return .other(kind)
  }

  private static func tensor(
    _ file: MessageSource, _ range: Range<Int>, depth: Int
  ) throws(ModelFormatError) -> TypeMessage {
    var elementType: Int64 = 0
    var dimensions: [Int?]?
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    while try reader.nextField() {
      switch reader.field {
      case 1: elementType = try reader.integer()
      case 2:
        var found: [Int?] = []
        var shape = try ProtobufReader(file, reader.range(), depth: depth + 1, taking: 0)
        while try shape.nextField() {
          guard shape.field == 1 else {
            try shape.skip()
            continue
          }
          var size: Int?
          // Three times, for a list that grows.
          var dimension = try ProtobufReader(
            file, shape.range(), depth: depth + 2, taking: 3 * MemoryLayout<Int?>.stride)
          while try dimension.nextField() {
            if dimension.field == 1 {
              // Old exporters write -1 or 0 where the size is free.
              let value = Int(try dimension.integer())
              size = value > 0 ? value : nil
            } else {
              try dimension.skip()
            }
          }
          found.append(size)
        }
        dimensions = found
      default: try reader.skip()
      }
    }
    return .tensor(elementType: elementType, dimensions: dimensions)
  }
}
