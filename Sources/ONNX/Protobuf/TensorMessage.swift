import Executors

// Tensors as they lie in the file: where their elements are, and how many.

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
