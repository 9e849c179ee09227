/// Bytes as TensorFlow Serving sends them in JSON: `{"b64": "aGk="}`.
enum Base64 {
  static let member = "b64"

  /// The bytes of a text in the usual alphabet or the one for URLs; nil for anything else. Padding
  /// may be missing.
  static func decoded(_ text: [UInt8]) -> [UInt8]? {
    var end = text.count
    while end > 0, text[end - 1] == UInt8(ascii: "="), text.count - end < 2 { end -= 1 }
    guard end % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(end / 4 * 3 + 2)
    var bits: UInt32 = 0
    var bitCount = 0
    for byte in text[..<end] {
      guard let value = value(of: byte) else { return nil }
      bits = bits << 6 | UInt32(value)
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
      }
    }
    return bytes
  }

  private static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
  }

  static func encoded(_ bytes: some Collection<UInt8>) -> [UInt8] {
    let alphabet = Array(
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    for byte in bytes {
      bits = bits << 8 | UInt32(byte)
      bitCount += 8
      while bitCount >= 6 {
        bitCount -= 6
        text.append(alphabet[Int(bits >> bitCount & 63)])
      }
    }
    if bitCount > 0 { text.append(alphabet[Int(bits << (6 - bitCount) & 63)]) }
    while text.count % 4 != 0 { text.append(UInt8(ascii: "=")) }
    return text
  }
}

extension PayloadScanner {
  /// `{"b64": "…"}` in place of a string.
  @_lifetime(self: copy self)
  mutating func base64() throws(PayloadFault) -> [UInt8] {
    _ = peek()
    let start = position
    let expected = "a string, or bytes as {\"b64\": \"…\"}"
    guard try enters(UInt8(ascii: "{"), UInt8(ascii: "}"), expected) else {
      throw fault("is an empty object; expected \(expected)", at: start)
    }
    let key = try string()
    try expect(UInt8(ascii: ":"), "':'")
    _ = peek()
    let textPosition = position
    guard key == Base64.member, peek() == UInt8(ascii: "\"") else {
      throw fault("is an object; expected \(expected)", at: start)
    }
    guard let bytes = Base64.decoded(try stringBytes()) else {
      throw fault("is no base64", at: textPosition)
    }
    try expect(UInt8(ascii: "}"), "'}'")
    return bytes
  }
}
