internal import Documents

/// The members of an ARM body, read by name in any letter case. What nobody asked for is kept.
struct ARMBody {
  let source: String
  let path: String
  private var members: [(key: String, value: DocumentValue)] = []
  private var used: Set<String> = []

  init(_ value: DocumentValue, source: String, path: String) throws(DocumentError) {
    guard case .object(let object) = value else {
      throw .value(
        source: source, path: path, expected: "an object",
        received: value == .null ? "null" : "another kind of value")
    }
    self.source = source
    self.path = path
    members = object.members
  }

  mutating func value(_ name: String) -> DocumentValue? {
    used.insert(name.lowercased())
    guard let member = members.first(where: { $0.key.lowercased() == name.lowercased() }),
      member.value != .null
    else { return nil }
    return member.value
  }

  mutating func text(_ name: String) throws(DocumentError) -> String? {
    guard let value = value(name) else { return nil }
    guard case .string(let text) = value else { throw fault(name, "a string") }
    return text
  }

  mutating func flag(_ name: String) throws(DocumentError) -> Bool? {
    switch value(name) {
    case nil: return nil
    case .bool(let flag): return flag
    case .string(let text) where text.lowercased() == "true": return true
    case .string(let text) where text.lowercased() == "false": return false
    default: throw fault(name, "true or false")
    }
  }

  mutating func texts(_ name: String) throws(DocumentError) -> [String: String] {
    guard let value = value(name) else { return [:] }
    guard case .object(let object) = value else { throw fault(name, "a map of strings") }
    var map: [String: String] = [:]
    for (key, value) in object.members {
      switch value {
      case .string(let text): map[key] = text
      case .integer(let number): map[key] = String(number)
      case .double(let number): map[key] = String(number)
      case .bool(let flag): map[key] = flag ? "true" : "false"
      case .null: map[key] = ""
      case .array, .object: throw fault("\(name).\(key)", "a string")
      }
    }
    return map
  }

  mutating func body(_ name: String) throws(DocumentError) -> ARMBody? {
    guard let value = value(name) else { return nil }
    return try ARMBody(value, source: source, path: "\(path).\(name)")
  }

  /// Members that are known and mean nothing in a request (read-only ones).
  mutating func skip(_ names: String...) { used.formUnion(names.map { $0.lowercased() }) }

  /// What has not been asked for, and is not null.
  var rest: DocumentObject {
    var rest = DocumentObject()
    for (key, value) in members where !used.contains(key.lowercased()) && value != .null {
      rest[key] = value
    }
    return rest
  }

  func fault(_ name: String, _ expected: String) -> DocumentError {
    .value(
      source: source, path: "\(path).\(name)", expected: expected,
      received: "another kind of value")
  }
}

/// ISO 8601 durations as ARM bodies have them (`PT5S`, `PT0.5S`, `PT1M30S`), in milliseconds.
enum ISODuration {
  static func text(milliseconds: Int) -> String {
    let (seconds, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
    if rest == 0 { return "PT\(seconds)S" }
    var digits = String(rest + 1000).dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return "PT\(seconds).\(digits)S"
  }

  /// nil when `text` is no such duration, or one beyond a year.
  static func milliseconds(_ text: String) -> Int? {
    var rest = Substring(text.uppercased())
    guard rest.popFirst() == "P" else { return nil }
    var total = 0.0
    var isTime = false
    var partCount = 0
    while let first = rest.first {
      if first == "T" {
        guard !isTime else { return nil }
        isTime = true
        rest.removeFirst()
        continue
      }
      let number = rest.prefix { $0.isNumber || $0 == "." }
      rest.removeFirst(number.count)
      guard let value = Double(number), value.isFinite, let unit = rest.popFirst() else {
        return nil
      }
      switch (unit, isTime) {
      case ("D", false): total += value * 86_400_000
      case ("H", true): total += value * 3_600_000
      case ("M", true): total += value * 60_000
      case ("S", true): total += value * 1000
      default: return nil
      }
      partCount += 1
    }
    guard partCount > 0, total <= 31_536_000_000 else { return nil }
    return Int(total.rounded())
  }
}
