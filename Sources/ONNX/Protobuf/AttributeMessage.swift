import Executors

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
        let own = try ownContent(file, range, depth: depth)
        let text = try reader.range()
        // Of the modes of a tree's nodes nearly all are the same: they share their memory.
        if let known = own.strings.suffix(8).last(where: { reader.holds($0, at: text) }) {
          own.strings.append(known)
        } else {
          own.strings.append(try reader.byteArray(at: text))
        }
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
