internal import Documents

/// What is wrong with a body, at a byte of it.
struct PayloadFault: Error {
  var offset: Int
  var reason: String
}

/// Walks over JSON text without making a tree of it.
///
/// Every step checks where the text ends: the text is foreign. Faults carry the byte's place;
/// `PayloadPlace` makes `$.data[3][2]` of it, only when there is a fault.
struct PayloadScanner: ~Escapable {
  let text: Span<UInt8>
  var position = 0
  /// Notes what is wrong with a body that has been refused; nil in a first reading.
  var collector: FaultCollector?
  static let maxDepth = 64

  @_lifetime(copy text)
  init(_ text: Span<UInt8>) { self.text = text }

  /// The next byte that is no white space; nil at the end.
  @_lifetime(self: copy self)
  @inline(__always)
  mutating func peek() -> UInt8? {
    while position < text.count {
      let byte = unsafe text[unchecked: position]
      if byte > 0x20 || (byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09) {
        return byte
      }
      position += 1
    }
    return nil
  }

  func fault(_ reason: String, at offset: Int? = nil) -> PayloadFault {
    PayloadFault(offset: offset ?? position, reason: reason)
  }

  /// The error for a text that ends, or goes on with something else than `expected`.
  @_lifetime(self: copy self)
  mutating func unexpected(_ expected: String) -> PayloadFault {
    guard peek() != nil else { return fault("the text ends here; expected \(expected)") }
    return fault("is \(description()); expected \(expected)")
  }

  @_lifetime(self: copy self)
  mutating func expect(_ byte: UInt8, _ expected: String) throws(PayloadFault) {
    guard peek() == byte else { throw unexpected(expected) }
    position += 1
  }

  /// Behind an element: true when another follows, false at the end of the list or object.
  @_lifetime(self: copy self)
  @inline(__always)
  mutating func continues(until close: UInt8) throws(PayloadFault) -> Bool {
    switch peek() {
    case UInt8(ascii: ","):
      position += 1
      return true
    case close:
      position += 1
      return false
    default:
      throw unexpectedEnd(close)
    }
  }

  @_lifetime(self: copy self)
  @inline(never)
  private mutating func unexpectedEnd(_ close: UInt8) -> PayloadFault {
    unexpected("',' or '\(Character(Unicode.Scalar(close)))'")
  }

  /// Into a list or object: false when it is empty (and left behind).
  @_lifetime(self: copy self)
  mutating func enters(_ open: UInt8, _ close: UInt8, _ expected: String) throws(PayloadFault)
    -> Bool
  {
    try expect(open, expected)
    if peek() == close {
      position += 1
      return false
    }
    return true
  }

  /// The bytes of a string between its quotes, as they stand; `hasEscapes` tells whether they
  /// must be decoded.
  @_lifetime(self: copy self)
  mutating func rawString() throws(PayloadFault) -> (range: Range<Int>, hasEscapes: Bool) {
    try expect(UInt8(ascii: "\""), "a string")
    let start = position
    var hasEscapes = false
    while position < text.count {
      let byte = unsafe text[unchecked: position]
      if byte == UInt8(ascii: "\"") {
        defer { position += 1 }
        return (start..<position, hasEscapes)
      }
      guard byte >= 0x20 else { throw controlCharacter(byte) }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        position += 1
      }
      position += 1
    }
    position = text.count
    throw fault("the text ends inside a string")
  }

  @_lifetime(self: copy self)
  @inline(never)
  private mutating func controlCharacter(_ byte: UInt8) -> PayloadFault {
    // (`UnrolledArray` makes the one of the other.)
    let isLineBreak = byte == 0x0A || byte == 0x0D
    return fault(
      "a string holds \(isLineBreak ? "a line break" : "the control character \(byte)"); it must be "
        + "escaped")
  }

  @_lifetime(self: copy self)
  mutating func string() throws(PayloadFault) -> String {
    let start = position
    let (range, hasEscapes) = try rawString()
    if !hasEscapes, let string = text.extracting(range).asciiString { return string }
    position = start
    return String(decoding: try stringBytes(), as: UTF8.self)
  }

  @_lifetime(self: copy self)
  mutating func stringBytes() throws(PayloadFault) -> [UInt8] {
    let (range, hasEscapes) = try rawString()
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    if !hasEscapes {
      for index in range { bytes.append(text[index]) }
    } else {
      try PayloadEscapes.decode(text, range, into: &bytes)
    }
    guard bytes.allSatisfy({ $0 < 0x80 }) || String(validating: bytes, as: UTF8.self) != nil else {
      throw fault("a string is not UTF-8", at: range.lowerBound)
    }
    return bytes
  }

  /// Whether the bytes in `range` are `other`.
  func equals(_ range: Range<Int>, _ other: [UInt8]) -> Bool {
    guard range.count == other.count else { return false }
    var index = range.lowerBound
    for byte in other {
      if text[index] != byte { return false }
      index += 1
    }
    return true
  }

  /// Whether the bytes in `range` are `word`.
  func equals(_ range: Range<Int>, _ word: StaticString) -> Bool {
    guard range.count == word.utf8CodeUnitCount else { return false }
    return word.withUTF8Buffer { bytes in
      for index in 0..<bytes.count where text[range.lowerBound + index] != bytes[index] {
        return false
      }
      return true
    }
  }

  @_lifetime(self: copy self)
  mutating func takes(_ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard position + count <= text.count else { return false }
    let matches = word.withUTF8Buffer { bytes in
      for index in 0..<count where text[position + index] != bytes[index] { return false }
      return true
    }
    if matches { position += count }
    return matches
  }

  /// Passes over one value of any kind, and checks it.
  @_lifetime(self: copy self)
  mutating func skipValue(depth: Int = 0) throws(PayloadFault) {
    guard depth < PayloadScanner.maxDepth else {
      throw fault("is nested deeper than \(PayloadScanner.maxDepth)")
    }
    switch peek() {
    case UInt8(ascii: "{"):
      guard try enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object") else { return }
      repeat {
        _ = try rawString()
        try expect(UInt8(ascii: ":"), "':'")
        try skipValue(depth: depth + 1)
      } while try continues(until: UInt8(ascii: "}"))
    case UInt8(ascii: "["):
      guard try enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list") else { return }
      repeat { try skipValue(depth: depth + 1) } while try continues(until: UInt8(ascii: "]"))
    case UInt8(ascii: "\""):
      _ = try rawString()
    default:
      if NumberScanner.scan(text, at: &position) != nil { return }
      if takes("true") || takes("false") || takes("null") || takes("NaN") || takes("Infinity")
        || takes("-Infinity")
      {
        return
      }
      throw unexpected("a value")
    }
  }

  /// The value that begins here, in a few words for an error.
  @_lifetime(self: copy self)
  mutating func description() -> String {
    guard let byte = peek() else { return "missing" }
    switch byte {
    case UInt8(ascii: "{"): return "an object"
    case UInt8(ascii: "["): return "a list"
    case UInt8(ascii: "\""):
      let start = position
      defer { position = start }
      guard let text = try? string() else { return "a broken string" }
      return text.count > 40 ? "the string '\(text.prefix(40))…'" : "the string '\(text)'"
    case UInt8(ascii: "n"), UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "N"),
      UInt8(ascii: "I"), UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      var word: [UInt8] = []
      var index = position
      while index < text.count, word.count < 40 {
        let byte = text[index]
        let isWord =
          (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
          || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
          || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
        guard isWord else { break }
        word.append(byte)
        index += 1
      }
      return String(decoding: word, as: UTF8.self)
    default:
      return byte < 0x80 ? "'\(Character(Unicode.Scalar(byte)))'" : "the byte \(byte)"
    }
  }
}

extension Span<UInt8> {
  /// The bytes as a string; nil where one of them is not ASCII.
  fileprivate var asciiString: String? {
    withUnsafeBufferPointer { bytes in
      var bits: UInt8 = 0
      for byte in bytes { bits |= byte }
      return bits < 0x80 ? String(decoding: bytes, as: UTF8.self) : nil
    }
  }
}
