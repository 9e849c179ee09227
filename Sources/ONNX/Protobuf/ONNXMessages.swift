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
  var string: [UInt8] = []
  var tensor: TensorMessage?
  var sparseTensor: SparseTensorMessage?
  /// One graph for `graph`, any number for `graphs`.
  var graphs: [GraphMessage] = []
  var floats: [Float] = []
  var integers: [Int64] = []
  var strings: [[UInt8]] = []
  var referencedAttribute = ""
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
  init(_ file: RawSpan) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, 0..<file.byteCount, depth: 0)
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
    _ file: RawSpan, _ range: Range<Int>, depth: Int
  ) throws(ModelFormatError) -> (domain: String, version: Int64) {
    var reader = try ProtobufReader(file, range, depth: depth)
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
  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth)
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
  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth)
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

  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth)
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
  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth)
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
  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    try reserve(file, range, depth: depth)
    var reader = try ProtobufReader(file, range, depth: depth)
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
        string = try reader.byteArray()
        inferred = .string
      case 5:
        tensor = try TensorMessage(file, reader.range(), depth: depth + 1)
        inferred = .tensor
      case 6:
        graphs.append(try GraphMessage(file, reader.range(), depth: depth + 1))
        inferred = .graph
      case 7:
        try reader.appendFloats(to: &floats)
        inferred = .floats
      case 8:
        try reader.appendIntegers(to: &integers)
        inferred = .integers
      case 9:
        strings.append(try reader.byteArray())
        inferred = .strings
      case 11:
        graphs.append(try GraphMessage(file, reader.range(), depth: depth + 1))
        inferred = .graphs
      case 20:
        let number = try reader.integer()
        guard let known = Kind(rawValue: number) else {
          throw reader.malformed("attribute type \(number) does not exist")
        }
        kind = known
      case 21: referencedAttribute = try reader.string()
      case 22:
        sparseTensor = try SparseTensorMessage(file, reader.range(), depth: depth + 1)
        inferred = .sparseTensor
      default: try reader.skip()
      }
    }
    // Files older than IR version 2 do not say the type.
    if kind == .undefined { kind = inferred }
  }

  /// Makes room for a long list: one that grows takes up to three times what it holds.
  private mutating func reserve(
    _ file: RawSpan, _ range: Range<Int>, depth: Int
  ) throws(ModelFormatError) {
    guard range.count > 1 << 10 else { return }
    var reader = try ProtobufReader(file, range, depth: depth)
    var count = 0
    var field = 0
    while try reader.nextField() {
      // Packed ones are counted where they are read.
      if [7, 8, 9].contains(reader.field), reader.wireType != .bytes || reader.field == 9 {
        field = reader.field
        count += 1
      }
      try reader.skip()
    }
    switch field {
    case 7: floats.reserveCapacity(count)
    case 8: integers.reserveCapacity(count)
    case 9: strings.reserveCapacity(count)
    default: break
    }
  }
}

extension TensorMessage {
  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    place = range
    self.depth = depth
    var reader = try ProtobufReader(file, range, depth: depth)
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
        var entry = try ProtobufReader(file, reader.range(), depth: depth + 1)
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
    _ field: Field, in file: RawSpan, _ body: (Range<Int>) -> Void
  ) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, place, depth: depth)
    while try reader.nextField() {
      guard reader.field == field.rawValue else {
        try reader.skip()
        continue
      }
      switch field {
      case .floats: body(try reader.fixedChunk(UInt32.self))
      case .doubles: body(try reader.fixedChunk(UInt64.self))
      case .strings, .int32s, .int64s, .uint64s: body(try reader.range())
      }
    }
  }
}

extension ValueInfoMessage {
  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth)
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
  init(_ file: RawSpan, _ range: Range<Int>, depth: Int) throws(ModelFormatError) {
    self = .none
    var reader = try ProtobufReader(file, range, depth: depth)
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
    _ file: RawSpan, _ range: Range<Int>, depth: Int
  ) throws(ModelFormatError) -> TypeMessage {
    var elementType: Int64 = 0
    var dimensions: [Int?]?
    var reader = try ProtobufReader(file, range, depth: depth)
    while try reader.nextField() {
      switch reader.field {
      case 1: elementType = try reader.integer()
      case 2:
        var found: [Int?] = []
        var shape = try ProtobufReader(file, reader.range(), depth: depth + 1)
        while try shape.nextField() {
          guard shape.field == 1 else {
            try shape.skip()
            continue
          }
          var size: Int?
          var dimension = try ProtobufReader(file, shape.range(), depth: depth + 2)
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
