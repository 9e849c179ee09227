/// Refuses texts that would take Yams exponential time.
///
/// Yams hashes the keys of a mapping with everything inside them, aliases followed: a key that is
/// or holds an alias of lists of aliases never ends. Such keys mean nothing to us, so a text with
/// aliases may have no key that is more than a word. Nesting is bounded by libyaml, at 1000.
enum YAMLGuard {
  /// - Throws: `DocumentError` for a NUL byte, and for a complex key in a text with aliases.
  static func check(_ text: String, source: String) throws(DocumentError) {
    let bytes = Array(text.utf8)
    var line = 1
    var hasAlias = false
    var complexKeyLine: Int?
    var previous = UInt8(ascii: "\n")
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case 0:
        throw .syntax(source: source, line: line, column: 1, reason: "a NUL byte")
      case UInt8(ascii: "\n"):
        line += 1
      case UInt8(ascii: "*") where startsToken(after: previous):
        hasAlias = true
        // `*name :` makes the alias itself the key.
        var end = index + 1
        while end < bytes.count, !isBlank(bytes[end]), !isFlow(bytes[end]) { end += 1 }
        if colonFollows(bytes, end) || bytes[end - 1] == colon {
          complexKeyLine = complexKeyLine ?? line
        }
      case UInt8(ascii: "?") where startsToken(after: previous):
        complexKeyLine = complexKeyLine ?? line
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        if colonFollows(bytes, index + 1) { complexKeyLine = complexKeyLine ?? line }
      default:
        break
      }
      previous = byte
    }
    if hasAlias, let complexKeyLine {
      throw .syntax(
        source: source, line: complexKeyLine, column: 1,
        reason: "a key must be a string where the text has aliases")
    }
  }

  private static let colon = UInt8(ascii: ":")

  private static func startsToken(after byte: UInt8) -> Bool {
    isBlank(byte) || isFlow(byte) || byte == UInt8(ascii: "?") || byte == colon
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  private static func isFlow(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"),
      UInt8(ascii: ","):
      true
    default: false
    }
  }

  private static func colonFollows(_ bytes: [UInt8], _ start: Int) -> Bool {
    var index = start
    while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
    return index < bytes.count && bytes[index] == colon
  }
}
