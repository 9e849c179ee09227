/// Prints a document as YAML, as `az ml … -o yaml` does: block style, two spaces.
package enum YAMLWriter {
  package static func text(_ value: DocumentValue) -> String {
    var text = ""
    append(value, indentation: 0, isInline: false, to: &text)
    if !text.hasSuffix("\n") { text += "\n" }
    return text
  }

  /// `isInline`: something stands before the value on its line (`key:` or `-`).
  private static func append(
    _ value: DocumentValue, indentation: Int, isInline: Bool, to text: inout String
  ) {
    let space = isInline ? " " : ""
    switch value {
    case .array(let elements) where !elements.isEmpty:
      if isInline { text += "\n" }
      for element in elements {
        text += String(repeating: " ", count: indentation) + "-"
        appendElement(element, indentation: indentation, to: &text)
      }
    case .object(let object) where !object.isEmpty:
      if isInline { text += "\n" }
      appendMembers(object, indentation: indentation, isFirstIndented: true, to: &text)
    case .array: text += space + "[]\n"
    case .object: text += space + "{}\n"
    case .string(let string): text += space + scalar(string, indentation: indentation) + "\n"
    case .null: text += space + "null\n"
    case .bool(let bool): text += space + (bool ? "true" : "false") + "\n"
    case .integer(let integer): text += space + "\(integer)\n"
    case .double(let double): text += space + number(double) + "\n"
    }
  }

  /// An object in a list begins on the line of its dash.
  private static func appendElement(
    _ element: DocumentValue, indentation: Int, to text: inout String
  ) {
    if case .object(let object) = element, !object.isEmpty {
      text += " "
      appendMembers(object, indentation: indentation + 2, isFirstIndented: false, to: &text)
    } else {
      append(element, indentation: indentation + 2, isInline: true, to: &text)
    }
  }

  private static func appendMembers(
    _ object: DocumentObject, indentation: Int, isFirstIndented: Bool, to text: inout String
  ) {
    for (index, member) in object.members.enumerated() {
      if index > 0 || isFirstIndented { text += String(repeating: " ", count: indentation) }
      text += scalar(member.key, indentation: indentation, mayBeBlock: false) + ":"
      // A list stands under its key, as PyYAML prints it.
      let isList = if case .array = member.value { true } else { false }
      append(
        member.value, indentation: isList ? indentation : indentation + 2, isInline: true,
        to: &text)
    }
  }

  /// YAML 1.1 knows a float by its point and the sign of its exponent.
  private static func number(_ value: Double) -> String {
    if value.isNaN { return ".nan" }
    if value.isInfinite { return value < 0 ? "-.inf" : ".inf" }
    let text = value.description
    guard let exponent = text.firstIndex(of: "e"), !text.contains(".") else { return text }
    return text[..<exponent] + ".0" + text[exponent...]
  }

  private static func scalar(
    _ text: String, indentation: Int, mayBeBlock: Bool = true
  ) -> String {
    if isPlain(text) { return text }
    let hasControls = text.unicodeScalars.contains {
      ($0.value < 0x20 && $0 != "\n") || $0.value == 0x7F || (0x80...0x9F).contains($0.value)
        || $0.value == 0x2028 || $0.value == 0x2029 || $0.value == 0xFEFF
    }
    if mayBeBlock, !hasControls, text.contains("\n"), let first = text.first,
      first != " ", first != "\n"
    {
      let trailing = text.reversed().prefix { $0 == "\n" }.count
      let mark = trailing == 0 ? "|-" : trailing == 1 ? "|" : "|+"
      let margin = String(repeating: " ", count: max(indentation, 2))
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        .dropLast(trailing > 0 ? 1 : 0)
      return mark + "\n" + lines.map { $0.isEmpty ? "" : margin + $0 }.joined(separator: "\n")
    }
    if !hasControls, !text.contains("\n") {
      return "'" + text.replacing("'", with: "''") + "'"
    }
    // A JSON string is a YAML double-quoted one, save for what JSON leaves bare.
    var writer = JSONWriter()
    writer.string(text)
    var quoted = ""
    for scalar in String(decoding: writer.bytes, as: UTF8.self).unicodeScalars {
      switch scalar.value {
      case 0x7F...0x9F, 0x2028, 0x2029, 0xFEFF:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted
  }

  /// Whether `text` written bare is read as the same string.
  private static func isPlain(_ text: String) -> Bool {
    guard YAMLScalar.kind(ofPlain: text) == .string, text != "=", text != "<<" else {
      return false
    }
    let bytes = Array(text.utf8)
    guard let first = bytes.first, let last = bytes.last, last != 0x20, last != UInt8(ascii: ":")
    else { return false }
    if "-?:,[]{}#&*!|>'\"%@` ".utf8.contains(first) { return false }
    // What looks like a date is a date to PyYAML.
    if first >= 0x30, first <= 0x39, bytes.count >= 8, bytes.contains(UInt8(ascii: "-")) {
      return false
    }
    for index in bytes.indices {
      if bytes[index] < 0x20 || bytes[index] >= 0x7F && !isPrintable(text) { return false }
      if bytes[index] == UInt8(ascii: "#"), bytes[index - 1] == 0x20 { return false }
      if bytes[index] == UInt8(ascii: ":"), bytes[index + 1] == 0x20 { return false }
    }
    return true
  }

  private static func isPrintable(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy {
      $0.value < 0x7F
        || $0.value > 0x9F && $0.value != 0x2028 && $0.value != 0x2029
          && $0.value != 0xFEFF && $0.value < 0x10000
    }
  }
}
