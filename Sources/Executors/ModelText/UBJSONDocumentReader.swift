/// Walks a Universal Binary JSON document, draft 12.
///
/// A container may say how many elements it has (`#`) and that all have one type (`$`); then no
/// marker stands before each, and no bracket closes it. Numbers are big endian.
/// Source: ubjson.org, and the files that XGBoost writes.
struct UBJSONDocumentReader: ModelDocumentReader, ~Escapable {
  private struct Container {
    var isObject: Bool
    /// The marker of every element; 0 when each has its own.
    var elementMarker: UInt8
    /// Elements left; nil when a bracket closes the container.
    var remaining: Int?
  }

  private let format: String
  private let bytes: RawSpan
  private var position = 0
  private var passed: PassedPages
  private var open: [Container] = []
  private var key = ""

  @_lifetime(copy bytes)
  init(format: String, bytes: RawSpan, file: ModelFile? = nil) {
    self.format = format
    self.bytes = bytes
    passed = PassedPages(file)
  }

  mutating func beginObject() throws(ModelFormatError) {
    passed.pass(position)
    let marker = try takeMarker()
    guard marker == UInt8(ascii: "{") else { throw unexpected(marker, expected: "an object") }
    try begin(isObject: true)
  }

  mutating func beginArray() throws(ModelFormatError) {
    let marker = try takeMarker()
    guard marker == UInt8(ascii: "[") else { throw unexpected(marker, expected: "an array") }
    try begin(isObject: false)
  }

  mutating func nextKey() throws(ModelFormatError) -> String? {
    guard try hasNext(closing: UInt8(ascii: "}")) else { return nil }
    key = try readBytes(count: try readLength())
    return key
  }

  mutating func nextElement() throws(ModelFormatError) -> Bool {
    try hasNext(closing: UInt8(ascii: "]"))
  }

  mutating func readNumber() throws(ModelFormatError) -> Double {
    let marker = try takeMarker()
    switch marker {
    case UInt8(ascii: "d"): return Double(Float(bitPattern: UInt32(try readBigEndian(4))))
    case UInt8(ascii: "D"): return Double(bitPattern: try readBigEndian(8))
    case UInt8(ascii: "T"): return 1
    case UInt8(ascii: "F"): return 0
    case UInt8(ascii: "H"): return try parse(try readBytes(count: try readLength()))
    default:
      guard let value = try readInteger(marker: marker) else {
        throw unexpected(marker, expected: "a number")
      }
      return Double(value)
    }
  }

  mutating func readInteger() throws(ModelFormatError) -> Int {
    let marker = try peekMarker()
    if UBJSONDocumentReader.integerSize(marker) != nil {
      _ = try takeMarker()
      if let value = try readInteger(marker: marker) { return value }
    }
    let value = try readNumber()
    guard let integer = Int(exactly: value) else {
      throw malformed("a whole number expected, \(value) found")
    }
    return integer
  }

  mutating func readNumbers(_ values: inout [Float]) throws(ModelFormatError) {
    values.removeAll(keepingCapacity: true)
    try beginArray()
    if let run = takeRun(of: UInt8(ascii: "d")) {
      values.reserveCapacity(run.count)
      for index in 0..<run.count {
        values.append(Float(bitPattern: bigEndian(UInt32.self, at: run.start + 4 * index)))
      }
    }
    while try nextElement() { values.append(Float(try readNumber())) }
  }

  mutating func readIntegers(_ values: inout [Int32]) throws(ModelFormatError) {
    values.removeAll(keepingCapacity: true)
    try beginArray()
    if let run = takeRun(of: UInt8(ascii: "l")) {
      values.reserveCapacity(run.count)
      for index in 0..<run.count {
        values.append(bigEndian(Int32.self, at: run.start + 4 * index))
      }
    } else if let run = takeRun(of: UInt8(ascii: "U")) {
      values.reserveCapacity(run.count)
      for index in 0..<run.count {
        values.append(Int32(bigEndian(UInt8.self, at: run.start + index)))
      }
    }
    while try nextElement() {
      let value = try readInteger()
      guard let small = Int32(exactly: value) else {
        throw malformed("\(value) does not fit 32 bits")
      }
      values.append(small)
    }
  }

  /// All elements of the array that has just begun, if they have this marker's type: where they
  /// lie, and how many. The array then has none left.
  private mutating func takeRun(of marker: UInt8) -> (start: Int, count: Int)? {
    let top = open.count - 1
    guard open[top].elementMarker == marker, let count = open[top].remaining,
      let size = UBJSONDocumentReader.fixedSize(marker)
    else { return nil }
    // `begin` has checked that they are there.
    defer { position += count * size }
    open[top].remaining = 0
    return (position, count)
  }

  private func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
    _: Integer.Type, at offset: Int
  ) -> Integer {
    precondition(offset >= 0 && offset <= bytes.byteCount - MemoryLayout<Integer>.size)
    return Integer(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Integer.self))
  }

  mutating func readText() throws(ModelFormatError) -> String {
    let marker = try peekMarker()
    switch marker {
    case UInt8(ascii: "S"), UInt8(ascii: "H"):
      _ = try takeMarker()
      return try readBytes(count: try readLength())
    case UInt8(ascii: "C"):
      _ = try takeMarker()
      return try readBytes(count: 1)
    case UInt8(ascii: "Z"):
      _ = try takeMarker()
      return ""
    case UInt8(ascii: "d"), UInt8(ascii: "D"): return "\(try readNumber())"
    default: return "\(try readInteger())"
    }
  }

  mutating func skipValue() throws(ModelFormatError) {
    let depth = open.count
    repeat {
      if open.count > depth {
        try skipFixedElements()
        let isObject = open.last?.isObject ?? false
        let hasMore = isObject ? try nextKey() != nil : try nextElement()
        if !hasMore { continue }
      }
      switch try peekMarker() {
      case UInt8(ascii: "{"): try beginObject()
      case UInt8(ascii: "["): try beginArray()
      case UInt8(ascii: "S"), UInt8(ascii: "H"), UInt8(ascii: "C"), UInt8(ascii: "Z"):
        _ = try readText()
      default: _ = try readNumber()
      }
    } while open.count > depth
  }

  mutating func finish() throws(ModelFormatError) {
    guard position == bytes.byteCount else {
      throw malformed("the document is over, \(bytes.byteCount - position) bytes follow")
    }
  }

  func malformed(_ reason: String) -> ModelFormatError {
    let place = key.isEmpty ? "byte \(position)" : "byte \(position), at '\(key)'"
    return .malformed(format: format, at: place, reason: reason)
  }

  private mutating func begin(isObject: Bool) throws(ModelFormatError) {
    guard open.count < maxDocumentDepth else {
      throw malformed("nested deeper than \(maxDocumentDepth)")
    }
    var container = Container(isObject: isObject, elementMarker: 0, remaining: nil)
    if peek == UInt8(ascii: "$") {
      position += 1
      container.elementMarker = try readByte()
      guard peek == UInt8(ascii: "#") else { throw malformed("'$' without a count ('#')") }
    }
    if peek == UInt8(ascii: "#") {
      position += 1
      let count = try readLength()
      // An element takes at least a byte, but for those that are nothing but their marker:
      // a count beyond the file would only make us turn round for hours.
      let size = UBJSONDocumentReader.fixedSize(container.elementMarker) ?? 1
      guard count <= (bytes.byteCount - position) / max(size, 1) else {
        throw malformed("\(count) elements in \(bytes.byteCount - position) bytes")
      }
      container.remaining = count
    }
    open.append(container)
  }

  private mutating func hasNext(closing: UInt8) throws(ModelFormatError) -> Bool {
    let top = open.count - 1
    if let remaining = open[top].remaining {
      if remaining == 0 {
        open.removeLast()
        return false
      }
      open[top].remaining = remaining - 1
      return true
    }
    skipNoOperations()
    if peek == closing {
      position += 1
      open.removeLast()
      return false
    }
    return true
  }

  /// Passes over the rest of a typed array at once.
  private mutating func skipFixedElements() throws(ModelFormatError) {
    guard let top = open.last, !top.isObject, let remaining = top.remaining,
      let size = UBJSONDocumentReader.fixedSize(top.elementMarker)
    else { return }
    // `begin` has checked that they are there.
    position += remaining * size
    open[open.count - 1].remaining = 0
  }

  /// The marker of the value that comes next: its container's, or its own.
  private mutating func takeMarker() throws(ModelFormatError) -> UInt8 {
    let marker = try peekMarker()
    if (open.last?.elementMarker ?? 0) == 0 { position += 1 }
    return marker
  }

  private mutating func peekMarker() throws(ModelFormatError) -> UInt8 {
    if let marker = open.last?.elementMarker, marker != 0 { return marker }
    skipNoOperations()
    guard let marker = peek else { throw malformed("the file ends where a value is expected") }
    return marker
  }

  private mutating func skipNoOperations() {
    while peek == UInt8(ascii: "N") { position += 1 }
  }

  private mutating func readLength() throws(ModelFormatError) -> Int {
    let marker = try readByte()
    guard let length = try readInteger(marker: marker) else {
      throw unexpected(marker, expected: "a length")
    }
    guard length >= 0 else { throw malformed("a length of \(length)") }
    return length
  }

  /// nil when `marker` is none of a whole number.
  private mutating func readInteger(marker: UInt8) throws(ModelFormatError) -> Int? {
    guard let size = UBJSONDocumentReader.integerSize(marker) else { return nil }
    let bits = try readBigEndian(size)
    switch marker {
    case UInt8(ascii: "i"): return Int(Int8(truncatingIfNeeded: bits))
    case UInt8(ascii: "I"): return Int(Int16(truncatingIfNeeded: bits))
    case UInt8(ascii: "l"): return Int(Int32(truncatingIfNeeded: bits))
    case UInt8(ascii: "L"): return Int(Int64(truncatingIfNeeded: bits))
    default: return Int(bits)
    }
  }

  private static func integerSize(_ marker: UInt8) -> Int? {
    switch marker {
    case UInt8(ascii: "i"), UInt8(ascii: "U"), UInt8(ascii: "C"): 1
    case UInt8(ascii: "I"): 2
    case UInt8(ascii: "l"): 4
    case UInt8(ascii: "L"): 8
    default: nil
    }
  }

  /// Bytes of a value behind its marker, where the marker alone says it.
  private static func fixedSize(_ marker: UInt8) -> Int? {
    switch marker {
    case UInt8(ascii: "d"): 4
    case UInt8(ascii: "D"): 8
    case UInt8(ascii: "T"), UInt8(ascii: "F"), UInt8(ascii: "Z"): 0
    default: integerSize(marker)
    }
  }

  private mutating func readByte() throws(ModelFormatError) -> UInt8 {
    UInt8(truncatingIfNeeded: try readBigEndian(1))
  }

  private mutating func readBigEndian(_ size: Int) throws(ModelFormatError) -> UInt64 {
    guard bytes.byteCount - position >= size else {
      throw malformed("the file ends inside a number")
    }
    var value: UInt64 = 0
    for _ in 0..<size {
      value = value << 8 | UInt64(bytes.byte(at: position))
      position += 1
    }
    return value
  }

  private mutating func readBytes(count: Int) throws(ModelFormatError) -> String {
    guard count <= bytes.byteCount - position else {
      throw malformed("a string of \(count) bytes where \(bytes.byteCount - position) are left")
    }
    defer { position += count }
    return bytes.text(position..<position + count)
  }

  private func parse(_ text: String) throws(ModelFormatError) -> Double {
    guard let value = Double(text) else { throw malformed("'\(text)' is no number") }
    return value
  }

  private var peek: UInt8? {
    position < bytes.byteCount ? bytes.byte(at: position) : nil
  }

  private func unexpected(_ marker: UInt8, expected: String) -> ModelFormatError {
    let name =
      marker > 0x20 && marker < 0x7F ? "'\(Character(Unicode.Scalar(marker)))'" : "\(marker)"
    return malformed("\(expected) expected, marker \(name) found")
  }
}
