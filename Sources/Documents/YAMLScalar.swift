/// What a plain YAML 1.1 scalar means, as PyYAML's safe loader decides it.
///
/// `yes`, `no`, `on`, `off` are booleans; `0o7`-style octals are `010`; `1_000` and `1:30` are
/// integers; `1e3` is a string, since a float needs a point and its exponent a sign. Timestamps
/// stay text: nothing here wants a date. Source: yaml/resolver.py, yaml/constructor.py (6.0).
enum YAMLScalar {
  enum Kind { case null, bool, integer, float, string }

  /// The value of plain text; nil for an integer that no Int64 holds.
  static func value(ofPlain text: String) -> DocumentValue? {
    switch kind(ofPlain: text) {
    case .null: .null
    case .bool: .bool(boolean(text) ?? false)
    case .integer: integer(text).map(DocumentValue.integer)
    case .float: .double(float(text))
    case .string: .string(text)
    }
  }

  static func kind(ofPlain text: String) -> Kind {
    if ["", "~", "null", "Null", "NULL"].contains(text) { return .null }
    if boolean(text) != nil { return .bool }
    let bytes = Array(text.utf8)
    if isInteger(bytes) { return .integer }
    return isFloat(bytes) ? .float : .string
  }

  static func boolean(_ text: String) -> Bool? {
    switch text {
    case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON": true
    case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF": false
    default: nil
    }
  }

  /// `[-+]?0b[01_]+`, `[-+]?0[0-7_]+`, `[-+]?(0|[1-9][0-9_]*)`, `[-+]?0x[0-9a-fA-F_]+`, base 60.
  static func isInteger(_ bytes: [UInt8]) -> Bool {
    let body = unsigned(bytes)
    guard let first = body.first, isDigit(first) else { return false }
    if first == UInt8(ascii: "0") {
      let rest = body.dropFirst()
      guard let second = rest.first else { return true }
      switch second {
      case UInt8(ascii: "b"):
        return rest.count > 1
          && rest.dropFirst().allSatisfy { $0 == 0x30 || $0 == 0x31 || $0 == underscore }
      case UInt8(ascii: "x"):
        return rest.count > 1
          && rest.dropFirst().allSatisfy { hexValue($0) != nil || $0 == underscore }
      default:
        return rest.allSatisfy { ($0 >= 0x30 && $0 <= 0x37) || $0 == underscore }
      }
    }
    let parts = body.split(separator: colon, omittingEmptySubsequences: false)
    return parts[0].allSatisfy { isDigit($0) || $0 == underscore }
      && parts.dropFirst().allSatisfy(isSixtieth)
  }

  static func isFloat(_ bytes: [UInt8]) -> Bool {
    let hasSign = bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "+")
    let body = unsigned(bytes)
    if [".inf", ".Inf", ".INF"].contains(String(decoding: body, as: UTF8.self)) { return true }
    if [".nan", ".NaN", ".NAN"].contains(String(decoding: body, as: UTF8.self)) { return !hasSign }
    guard let point = body.firstIndex(of: UInt8(ascii: ".")) else { return false }
    let whole = body[..<point]
    var fraction = body[(point + 1)...]
    if whole.isEmpty {
      // `\.[0-9][0-9_]*`, without a sign.
      guard !hasSign, let first = fraction.first, isDigit(first) else { return false }
    } else {
      guard let first = whole.first, isDigit(first) else { return false }
      let parts = whole.split(separator: colon, omittingEmptySubsequences: false)
      guard parts[0].allSatisfy({ isDigit($0) || $0 == underscore }),
        parts.dropFirst().allSatisfy(isSixtieth)
      else { return false }
      if parts.count > 1 { return fraction.allSatisfy { isDigit($0) || $0 == underscore } }
    }
    fraction = fraction.drop { isDigit($0) || $0 == underscore }
    if fraction.isEmpty { return true }
    guard fraction.removeFirst() | 0x20 == UInt8(ascii: "e"), let sign = fraction.popFirst(),
      sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
    else { return false }
    return !fraction.isEmpty && fraction.allSatisfy(isDigit)
  }

  /// Precondition: `isInteger`. Nil where no Int64 holds it.
  static func integer(_ text: String) -> Int64? {
    let clean = text.utf8.filter { $0 != underscore }
    let isNegative = clean.first == UInt8(ascii: "-")
    let body = unsigned(clean)
    let magnitude: UInt64?
    if body.contains(colon) {
      var total: UInt64? = 0
      for part in body.split(separator: colon) {
        guard let value = UInt64(String(decoding: part, as: UTF8.self)), let sum = total else {
          return nil
        }
        let (product, overflows) = sum.multipliedReportingOverflow(by: 60)
        let (next, carries) = product.addingReportingOverflow(value)
        total = overflows || carries ? nil : next
      }
      magnitude = total
    } else if body.count > 1, body.first == UInt8(ascii: "0") {
      let second = body[body.startIndex + 1]
      let radix = second == UInt8(ascii: "x") ? 16 : second == UInt8(ascii: "b") ? 2 : 8
      let digits = body.dropFirst(radix == 8 ? 1 : 2)
      magnitude = UInt64(String(decoding: digits, as: UTF8.self), radix: radix)
    } else {
      magnitude = UInt64(String(decoding: body, as: UTF8.self))
    }
    guard let magnitude else { return nil }
    if !isNegative { return Int64(exactly: magnitude) }
    return magnitude == Int64.min.magnitude ? .min : Int64(exactly: magnitude).map { -$0 }
  }

  /// Precondition: `isFloat`.
  static func float(_ text: String) -> Double {
    let clean = text.utf8.filter { $0 != underscore }
    let body = unsigned(clean)
    let sign: Double = clean.first == UInt8(ascii: "-") ? -1 : 1
    let word = String(decoding: body, as: UTF8.self).lowercased()
    if word == ".inf" { return sign * .infinity }
    if word == ".nan" { return .nan }
    var total = 0.0
    for part in word.split(separator: ":") { total = total * 60 + (Double(part) ?? 0) }
    // `1.` and `.5` are no Swift numbers in every form: give both sides a digit.
    if !word.contains(":") {
      let pieces = word.split(separator: ".", omittingEmptySubsequences: false)
      let whole = pieces[0].isEmpty ? "0" : String(pieces[0])
      var fraction = pieces.count > 1 ? String(pieces[1]) : "0"
      if fraction.isEmpty || fraction.hasPrefix("e") { fraction = "0" + fraction }
      total = Double(whole + "." + fraction) ?? .nan
    }
    return sign * total
  }

  private static let underscore = UInt8(ascii: "_")
  private static let colon = UInt8(ascii: ":")

  private static func unsigned(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "+")
      ? bytes.dropFirst() : bytes[...]
  }

  /// `[0-5]?[0-9]`
  private static func isSixtieth(_ part: ArraySlice<UInt8>) -> Bool {
    guard let last = part.last, isDigit(last), part.count <= 2, let first = part.first else {
      return false
    }
    return part.count == 1 || (first >= 0x30 && first <= 0x35)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }
}
