/// Walks a JSON document. `NaN`, `Infinity` and their kin count as numbers: XGBoost writes them.
struct JSONDocumentReader: ModelDocumentReader, ~Escapable {
  private let format: String
  private let bytes: RawSpan
  private var position = 0
  private var passed: PassedPages
  /// The brackets that are open.
  private var open: [UInt8] = []
  /// Whether a value of the innermost container has just been read: a comma must follow it.
  private var isAfterValue = false
  private var key = ""

  @_lifetime(copy bytes)
  init(format: String, bytes: RawSpan, file: ModelFile? = nil) {
    self.format = format
    self.bytes = bytes
    passed = PassedPages(file)
  }

  mutating func beginObject() throws(ModelFormatError) {
    passed.pass(position)
    try begin(UInt8(ascii: "{"), name: "an object")
  }

  mutating func beginArray() throws(ModelFormatError) {
    try begin(UInt8(ascii: "["), name: "an array")
  }

  mutating func nextKey() throws(ModelFormatError) -> String? {
    guard try hasNext(closing: UInt8(ascii: "}")) else { return nil }
    skipSpace()
    key = try readString()
    skipSpace()
    guard take(UInt8(ascii: ":")) else { throw malformed("':' expected, \(found) found") }
    isAfterValue = false
    return key
  }

  mutating func nextElement() throws(ModelFormatError) -> Bool {
    try hasNext(closing: UInt8(ascii: "]"))
  }

  mutating func readNumber() throws(ModelFormatError) -> Double {
    skipSpace()
    if let byte = peek, byte >= UInt8(ascii: "A") {
      if takeWord("true") { return 1 }
      if takeWord("false") { return 0 }
    }
    guard let value = DecimalScanner.scan(bytes, &position) else {
      throw malformed("a number expected, \(found) found")
    }
    isAfterValue = true
    return value
  }

  mutating func readInteger() throws(ModelFormatError) -> Int {
    let value = try readNumber()
    guard let integer = Int(exactly: value) else {
      throw malformed("a whole number expected, \(value) found")
    }
    return integer
  }

  mutating func readText() throws(ModelFormatError) -> String {
    skipSpace()
    if peek == UInt8(ascii: "\"") {
      let text = try readString()
      isAfterValue = true
      return text
    }
    let start = position
    if takeWord("null") { return "" }
    _ = try readNumber()
    return bytes.text(start..<position)
  }

  /// Whether the value that comes next is a string.
  mutating func nextIsString() -> Bool {
    skipSpace()
    return peek == UInt8(ascii: "\"")
  }

  mutating func skipValue() throws(ModelFormatError) {
    let depth = open.count
    repeat {
      skipSpace()
      // Between the values of an open container there are commas, keys and closing brackets.
      if open.count > depth {
        let isObject = open.last == UInt8(ascii: "{")
        let hasMore = isObject ? try nextKey() != nil : try nextElement()
        if !hasMore { continue }
        skipSpace()
      }
      switch peek {
      case UInt8(ascii: "{"): try beginObject()
      case UInt8(ascii: "["): try beginArray()
      case UInt8(ascii: "\""), UInt8(ascii: "n"): _ = try readText()
      default: _ = try readNumber()
      }
    } while open.count > depth
  }

  mutating func finish() throws(ModelFormatError) {
    skipSpace()
    guard position == bytes.byteCount else {
      throw malformed("the document is over, \(found) follows")
    }
  }

  func malformed(_ reason: String) -> ModelFormatError {
    let place = key.isEmpty ? "byte \(position)" : "byte \(position), at '\(key)'"
    return .malformed(format: format, at: place, reason: reason)
  }

  private mutating func begin(_ bracket: UInt8, name: String) throws(ModelFormatError) {
    skipSpace()
    guard take(bracket) else { throw malformed("\(name) expected, \(found) found") }
    guard open.count < maxDocumentDepth else {
      throw malformed("nested deeper than \(maxDocumentDepth)")
    }
    open.append(bracket)
    isAfterValue = false
  }

  private mutating func hasNext(closing: UInt8) throws(ModelFormatError) -> Bool {
    skipSpace()
    if take(closing) {
      open.removeLast()
      isAfterValue = true
      return false
    }
    if isAfterValue {
      guard take(UInt8(ascii: ",")) else { throw malformed("',' expected, \(found) found") }
      isAfterValue = false
      skipSpace()
      if peek == closing { throw malformed("a value expected behind ','") }
    }
    return true
  }

  private mutating func readString() throws(ModelFormatError) -> String {
    guard take(UInt8(ascii: "\"")) else { throw malformed("a string expected, \(found) found") }
    var text: [UInt8] = []
    while let byte = peek {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): try readEscape(&text)
      default: text.append(byte)
      }
    }
    throw malformed("the file ends inside a string")
  }

  private mutating func readEscape(_ text: inout [UInt8]) throws(ModelFormatError) {
    guard let byte = peek else { throw malformed("the file ends inside a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "u"):
      var code = UInt32(try readHexadecimal())
      if code & 0xFC00 == 0xD800, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
        let low = UInt32(try readHexadecimal())
        guard low & 0xFC00 == 0xDC00 else { throw malformed("half a surrogate pair") }
        code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
      }
      guard let scalar = Unicode.Scalar(code) else { throw malformed("half a surrogate pair") }
      text.append(contentsOf: String(Character(scalar)).utf8)
    default: throw malformed("an unknown escape in a string")
    }
  }

  private mutating func readHexadecimal() throws(ModelFormatError) -> UInt16 {
    guard bytes.byteCount - position >= 4,
      let code = UInt16(bytes.text(position..<position + 4), radix: 16)
    else { throw malformed("four hexadecimal digits expected") }
    position += 4
    return code
  }

  private var peek: UInt8? {
    position < bytes.byteCount ? bytes.byte(at: position) : nil
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    position += 1
    return true
  }

  private mutating func takeWord(_ word: StaticString) -> Bool {
    guard bytes.hasWord(word, at: position) else { return false }
    position += word.utf8CodeUnitCount
    isAfterValue = true
    return true
  }

  private mutating func skipSpace() {
    // XGBoost writes none.
    if let byte = peek, byte > 0x20 { return }
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private var found: String {
    guard let byte = peek else { return "the end of the file" }
    return byte > 0x20 && byte < 0x7F ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
  }
}
