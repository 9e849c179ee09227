package import Executors

/// Reads one protobuf message: the bytes in `range` of a file.
///
/// The wire format is a sequence of fields, each a key (number and wire type) and a value.
/// Nothing is believed: every length is checked against the message that holds it.
/// Source: https://protobuf.dev/programming-guides/encoding/
package struct ProtobufReader: ~Escapable {
  package enum WireType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case startGroup = 3
    case endGroup = 4
    case fixed32 = 5
  }

  /// Messages in messages; a graph in a node's attribute counts three.
  package static let maxDepth = 64

  package let file: RawSpan
  package let depth: Int
  private let end: Int
  private var position: Int
  private let budget: MessageBudget?

  /// The field that `nextField` has read the key of.
  package private(set) var field = 0
  package private(set) var wireType = WireType.varint

  /// For a message that takes `byteCount` bytes in memory, beside what its strings and lists do.
  @_lifetime(copy source)
  package init(
    _ source: MessageSource, _ range: Range<Int>, depth: Int, taking byteCount: Int
  ) throws(ModelFormatError) {
    try source.budget.take(byteCount)
    try self.init(source.bytes, range, depth: depth, budget: source.budget)
  }

  /// For a message of which nothing is kept but what the caller bounds.
  @_lifetime(copy file)
  package init(
    _ file: RawSpan, _ range: Range<Int>, depth: Int, budget: MessageBudget? = nil
  ) throws(ModelFormatError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= file.byteCount)
    self.file = file
    self.depth = depth
    self.budget = budget
    position = range.lowerBound
    end = range.upperBound
    guard depth <= ProtobufReader.maxDepth else {
      throw malformed("messages are nested more than \(ProtobufReader.maxDepth) deep")
    }
  }

  /// Reads the next key; false at the end of the message.
  @_lifetime(self: copy self)
  package mutating func nextField() throws(ModelFormatError) -> Bool {
    if position == end { return false }
    let key = try rawVarint()
    guard let type = WireType(rawValue: UInt8(key & 7)) else {
      throw malformed("wire type \(key & 7) does not exist")
    }
    let number = key >> 3
    guard number > 0, number < 1 << 29 else {
      throw malformed("field number \(number) is outside 1...536870911")
    }
    field = Int(number)
    wireType = type
    return true
  }

  /// Passes over the value of a field that nobody wants.
  @_lifetime(self: copy self)
  package mutating func skip() throws(ModelFormatError) {
    switch wireType {
    case .varint: _ = try rawVarint()
    case .fixed64: try advance(8)
    case .fixed32: try advance(4)
    case .bytes: _ = try lengthDelimited()
    case .startGroup:
      var open = 1
      while open > 0 {
        guard try nextField() else { throw malformed("a group does not end") }
        switch wireType {
        case .startGroup:
          open += 1
          guard open <= ProtobufReader.maxDepth else {
            throw malformed("groups are nested more than \(ProtobufReader.maxDepth) deep")
          }
        case .endGroup: open -= 1
        case .varint, .fixed64, .fixed32, .bytes: try skip()
        }
      }
    case .endGroup: throw malformed("a group ends that did not begin")
    }
  }

  @_lifetime(self: copy self)
  package mutating func integer() throws(ModelFormatError) -> Int64 {
    try expect(.varint)
    return Int64(bitPattern: try rawVarint())
  }

  @_lifetime(self: copy self)
  package mutating func float() throws(ModelFormatError) -> Float {
    try expect(.fixed32)
    return Float(bitPattern: try fixed(UInt32.self))
  }

  /// Where the bytes of a string, a byte field or a message lie in the file.
  @_lifetime(self: copy self)
  package mutating func range() throws(ModelFormatError) -> Range<Int> {
    try expect(.bytes)
    return try lengthDelimited()
  }

  @_lifetime(self: copy self)
  package mutating func string() throws(ModelFormatError) -> String {
    let range = try range()
    // A short one lies in its value.
    if range.count > 15 { try budget?.take(range.count + MessageBudget.blockBytes) }
    let bytes = file.extracting(range)
    return bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  }

  @_lifetime(self: copy self)
  package mutating func byteArray() throws(ModelFormatError) -> [UInt8] {
    let range = try range()
    return try byteArray(at: range)
  }

  func byteArray(at range: Range<Int>) throws(ModelFormatError) -> [UInt8] {
    if !range.isEmpty { try budget?.take(range.count + MessageBudget.blockBytes) }
    let bytes = file.extracting(range)
    return bytes.withUnsafeBytes { Array($0) }
  }

  /// Whether these bytes lie there.
  func holds(_ bytes: [UInt8], at range: Range<Int>) -> Bool {
    guard bytes.count == range.count else { return false }
    return file.extracting(range).withUnsafeBytes { $0.elementsEqual(bytes) }
  }

  /// Appends one chunk of a repeated integer: a packed run or a single value.
  @_lifetime(self: copy self)
  package mutating func appendIntegers<Number: FixedWidthInteger>(
    to numbers: inout [Number]
  ) throws(ModelFormatError) {
    if wireType == .bytes {
      // Counted first: a list that grows takes up to three times what it holds.
      let start = position
      var count = 0
      try forEachVarint { _ in count += 1 }
      position = start
      try budget?.take(count * MemoryLayout<Number>.stride)
      if count > 16 { numbers.reserveCapacity(numbers.count + count) }
    }
    if wireType == .varint { try budget?.take(MemoryLayout<Number>.stride) }
    try forEachVarint { numbers.append(Number(truncatingIfNeeded: $0)) }
  }

  /// The numbers of one chunk of a repeated integer, in order.
  @_lifetime(self: copy self)
  package mutating func forEachVarint(
    _ body: (UInt64) throws(ModelFormatError) -> Void
  ) throws(ModelFormatError) {
    if wireType == .varint {
      try body(try rawVarint())
      return
    }
    let chunk = try range()
    let after = position
    position = chunk.lowerBound
    while position < chunk.upperBound { try body(try rawVarint()) }
    guard position == after else { throw malformed("a packed number passes its field's end") }
  }

  @_lifetime(self: copy self)
  package mutating func appendFloats(to numbers: inout [Float]) throws(ModelFormatError) {
    let start = numbers.count
    let chunk = try fixedChunk(UInt32.self)
    try budget?.take(chunk.count)
    if chunk.count > 4 { numbers.reserveCapacity(start + chunk.count / 4) }
    for offset in stride(from: chunk.lowerBound, to: chunk.upperBound, by: 4) {
      numbers.append(Float(bitPattern: load(UInt32.self, at: offset)))
    }
  }

  /// Where one chunk of a repeated number of fixed size lies: a packed run or a single value.
  @_lifetime(self: copy self)
  package mutating func fixedChunk<Word: FixedWidthInteger>(
    _: Word.Type
  ) throws(ModelFormatError) -> Range<Int> {
    let size = MemoryLayout<Word>.size
    if wireType == (size == 4 ? .fixed32 : .fixed64) {
      let start = position
      try advance(size)
      return start..<position
    }
    let chunk = try range()
    guard chunk.count % size == 0 else {
      throw malformed("packed numbers take \(chunk.count) bytes, no multiple of \(size)")
    }
    return chunk
  }

  /// The fields of a message, counted: what a list is to hold.
  package static func countFields(
    _ file: RawSpan, _ range: Range<Int>, depth: Int, _ count: (_ field: Int) -> Void
  ) throws(ModelFormatError) {
    var reader = try ProtobufReader(file, range, depth: depth)
    while try reader.nextField() {
      count(reader.field)
      try reader.skip()
    }
  }

  package func malformed(_ reason: String) -> ModelFormatError {
    .malformed(format: "ONNX", at: "byte \(position)", reason: reason)
  }

  private func expect(_ type: WireType) throws(ModelFormatError) {
    guard wireType == type else {
      throw malformed("field \(field) has wire type \(wireType); \(type) was expected")
    }
  }

  @_lifetime(self: copy self)
  private mutating func advance(_ count: Int) throws(ModelFormatError) {
    guard count <= end - position else {
      throw malformed("\(count) bytes are wanted; \(end - position) are left in the message")
    }
    position += count
  }

  @_lifetime(self: copy self)
  private mutating func rawVarint() throws(ModelFormatError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard position < end else { throw malformed("the message ends inside a number") }
      let byte = file.unsafeLoad(fromByteOffset: position, as: UInt8.self)
      position += 1
      // The tenth byte holds the last bit of 64.
      guard shift < 63 || byte <= 1 else { throw malformed("a number has more than 64 bits") }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
  }

  @_lifetime(self: copy self)
  private mutating func lengthDelimited() throws(ModelFormatError) -> Range<Int> {
    let length = try rawVarint()
    guard length <= UInt64(end - position) else {
      throw malformed("field \(field) takes \(length) bytes; \(end - position) are left")
    }
    let start = position
    position += Int(length)
    return start..<position
  }

  @_lifetime(self: copy self)
  private mutating func fixed<Word: FixedWidthInteger & BitwiseCopyable>(
    _ type: Word.Type
  ) throws(ModelFormatError) -> Word {
    let start = position
    try advance(MemoryLayout<Word>.size)
    return load(type, at: start)
  }

  /// `offset` has been checked by whoever moved `position` past it.
  private func load<Word: FixedWidthInteger & BitwiseCopyable>(
    _ type: Word.Type, at offset: Int
  ) -> Word {
    Word(littleEndian: file.unsafeLoadUnaligned(fromByteOffset: offset, as: type))
  }
}
