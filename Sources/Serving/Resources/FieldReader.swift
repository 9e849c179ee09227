internal import Documents

/// The members of one object, read by name. Whatever nobody asked for is an unknown field.
struct FieldReader {
  let source: String
  let path: String
  let object: DocumentObject
  private var known: [String] = []

  init(_ value: DocumentValue, source: String, path: String) throws(DocumentError) {
    guard case .object(let object) = value else {
      throw .value(
        source: source, path: path, expected: "an object", received: Self.description(of: value))
    }
    self.object = object
    self.source = source
    self.path = path
  }

  init(_ document: Document) throws(DocumentError) {
    try self.init(document.value, source: document.source, path: document.path)
  }

  /// The member's value; nil when it is absent or null.
  mutating func value(_ name: String) -> DocumentValue? {
    known.append(name)
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  mutating func text(_ name: String) throws(DocumentError) -> String? {
    guard let value = value(name) else { return nil }
    guard case .string(let text) = value else { throw fault(name, expected: "a string", value) }
    return text
  }

  mutating func requiredText(_ name: String) throws(DocumentError) -> String {
    guard let text = try text(name) else {
      throw .missingField(source: source, path: place(of: name))
    }
    return text
  }

  /// A string, or a number or truth value as it would be written: versions, tags.
  mutating func scalarText(_ name: String) throws(DocumentError) -> String? {
    guard let value = value(name) else { return nil }
    guard let text = Self.scalarText(value) else {
      throw fault(name, expected: "a string", value)
    }
    return text
  }

  mutating func integer(
    _ name: String, in range: ClosedRange<Int>
  ) throws(DocumentError) -> Int? {
    guard let value = value(name) else { return nil }
    let expected = "an integer from \(range.lowerBound) to \(range.upperBound)"
    guard let number = Self.integer(value), range.contains(number) else {
      throw fault(name, expected: expected, value)
    }
    return number
  }

  /// A truth value, or a string that is one.
  mutating func flag(_ name: String) throws(DocumentError) -> Bool? {
    switch value(name) {
    case nil: return nil
    case .bool(let flag): return flag
    case .string(let text) where text.lowercased() == "true": return true
    case .string(let text) where text.lowercased() == "false": return false
    case let other?: throw fault(name, expected: "true or false", other)
    }
  }

  /// One of `choices`, in any letter case and with or without underscores (`AADToken`).
  mutating func choice(_ name: String, of choices: [String]) throws(DocumentError) -> String? {
    guard let value = value(name) else { return nil }
    if case .string(let text) = value,
      let choice = choices.first(where: { Self.folded($0) == Self.folded(text) })
    {
      return choice
    }
    throw fault(name, expected: Self.list(choices), value)
  }

  mutating func textMap(_ name: String) throws(DocumentError) -> [String: String] {
    guard let value = value(name) else { return [:] }
    guard case .object(let members) = value else { throw fault(name, expected: "a map", value) }
    var map: [String: String] = [:]
    for (key, value) in members.members {
      guard let text = value == .null ? "" : Self.scalarText(value) else {
        throw .value(
          source: source, path: "\(place(of: name)).\(key)", expected: "a string",
          received: Self.description(of: value))
      }
      map[key] = text
    }
    return map
  }

  mutating func texts(_ name: String) throws(DocumentError) -> [String]? {
    guard let value = value(name) else { return nil }
    let expected = "a list of strings"
    guard case .array(let elements) = value else { throw fault(name, expected: expected, value) }
    var texts: [String] = []
    for element in elements {
      guard case .string(let text) = element else { throw fault(name, expected: expected, value) }
      texts.append(text)
    }
    return texts
  }

  mutating func fields(_ name: String) throws(DocumentError) -> FieldReader? {
    guard let value = value(name) else { return nil }
    return try FieldReader(value, source: source, path: place(of: name))
  }

  /// Takes the fields of `shapes` that are present, checked, as they are written.
  mutating func noted(_ shapes: [(String, FieldShape)]) throws(DocumentError) -> DocumentObject {
    var noted = DocumentObject()
    for (name, shape) in shapes {
      guard let value = value(name) else { continue }
      try shape.check(value, source: source, path: place(of: name))
      noted[name] = value
    }
    return noted
  }

  /// Members that mean nothing to us whatever they hold.
  mutating func skip(_ names: String...) { known += names }

  /// - Throws: `DocumentError.unknownField` for the first member that nobody read.
  func finish() throws(DocumentError) {
    for key in object.keys where !known.contains(key) {
      throw .unknownField(
        source: source, path: place(of: key), nearest: nearestName(to: key, among: known))
    }
  }

  func place(of name: String) -> String { "\(path).\(name)" }

  func fault(_ name: String, expected: String, _ value: DocumentValue) -> DocumentError {
    .value(
      source: source, path: place(of: name), expected: expected,
      received: Self.description(of: value))
  }

  static func scalarText(_ value: DocumentValue) -> String? {
    switch value {
    case .string(let text): text
    case .integer(let number): String(number)
    case .double(let number): String(number)
    case .bool(let flag): flag ? "true" : "false"
    case .null, .array, .object: nil
    }
  }

  /// A number, or a string that is one.
  static func integer(_ value: DocumentValue) -> Int? {
    switch value {
    case .integer(let number): Int(exactly: number)
    case .double(let number): Int(exactly: number)
    case .string(let text): Int(text)
    case .null, .bool, .array, .object: nil
    }
  }

  static func list(_ choices: [String]) -> String {
    choices.map { "'\($0)'" }.joined(separator: " or ")
  }

  static func description(of value: DocumentValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let flag): flag ? "true" : "false"
    case .integer(let number): String(number)
    case .double(let number): String(number)
    case .string(let text): "'\(text.prefix(80))'"
    case .array: "a list"
    case .object: "an object"
    }
  }

  private static func folded(_ text: String) -> String {
    text.lowercased().filter { $0 != "_" && $0 != "-" }
  }
}

/// The known name that `name` may have meant: at most a third of its letters away.
func nearestName(to name: String, among known: [String]) -> String? {
  var best: (name: String, distance: Int)?
  for candidate in known {
    let distance = editDistance(name.lowercased(), candidate.lowercased())
    if distance <= max(name.count, candidate.count) / 3, distance < best?.distance ?? Int.max {
      best = (candidate, distance)
    }
  }
  return best?.name
}

/// Letters to insert, remove or replace to make one of the other.
private func editDistance(_ left: String, _ right: String) -> Int {
  // Names of fields are short; a long key cannot be near one of them.
  guard left.utf8.count <= 64, right.utf8.count <= 64 else { return Int.max }
  let right = Array(right.utf8)
  var row = Array(0...right.count)
  for (index, byte) in left.utf8.enumerated() {
    var diagonal = row[0]
    row[0] = index + 1
    for column in right.indices {
      let replaced = diagonal + (byte == right[column] ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
    }
  }
  return row[right.count]
}
