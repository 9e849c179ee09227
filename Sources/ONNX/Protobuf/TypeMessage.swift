import Executors

// What the inputs and outputs of a graph are.

struct ValueInfoMessage {
  var name = ""
  var type = TypeMessage.none
}

enum TypeMessage {
  case none
  /// `dimensions` is nil when the file states no shape; an entry is nil when it is free. `names`
  /// are those of the free ones, up to the last that has one.
  case tensor(elementType: Int64, dimensions: [Int?]?, names: [String?])
  case other(String)
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
    var names: [String?] = []
    var reader = try ProtobufReader(file, range, depth: depth, taking: 0)
    while try reader.nextField() {
      switch reader.field {
      case 1: elementType = try reader.integer()
      case 2:
        var found: [Int?] = []
        names = []
        var shape = try ProtobufReader(file, reader.range(), depth: depth + 1, taking: 0)
        while try shape.nextField() {
          guard shape.field == 1 else {
            try shape.skip()
            continue
          }
          var size: Int?
          var name = ""
          // Three times, for a list that grows.
          var dimension = try ProtobufReader(
            file, shape.range(), depth: depth + 2, taking: 3 * MemoryLayout<Int?>.stride)
          while try dimension.nextField() {
            switch dimension.field {
            case 1:
              // Old exporters write -1 or 0 where the size is free.
              let value = Int(try dimension.integer())
              size = value > 0 ? value : nil
            case 2: name = try dimension.string()
            default: try dimension.skip()
            }
          }
          if size == nil, !name.isEmpty {
            try file.budget.take(
              3 * (found.count + 1 - names.count) * MemoryLayout<String?>.stride)
            while names.count < found.count { names.append(nil) }
            names.append(name)
          }
          found.append(size)
        }
        dimensions = found
      default: try reader.skip()
      }
    }
    return .tensor(elementType: elementType, dimensions: dimensions, names: names)
  }
}
