/// Getters that say where they failed.
///
/// `acceptingText` is for the places where Azure's tools write `"True"` and `"10"` for a
/// boolean and a number: ARM bodies hold their properties so.
extension Document {
  package var isNull: Bool { value == .null }

  package func string() throws(DocumentError) -> String {
    guard case .string(let text) = value else { throw mismatch("a string") }
    return text
  }

  /// Text, or a number or boolean as text: `version: 3` names the version `3`.
  package func text() throws(DocumentError) -> String {
    guard let text = value.scalarText else { throw mismatch("a string") }
    return text
  }

  package func integer(
    in range: ClosedRange<Int> = Int.min...Int.max, acceptingText: Bool = false
  ) throws(DocumentError) -> Int {
    let expected =
      range == Int.min...Int.max
      ? "an integer" : "an integer in \(range.lowerBound)...\(range.upperBound)"
    let number: Int
    switch value {
    case .integer(let integer):
      number = Int(integer)
    case .double(let double):
      // 30.0 is what some writers make of 30.
      guard let exact = Int(exactly: double) else { throw mismatch(expected) }
      number = exact
    case .string(let text) where acceptingText:
      guard let read = Int(text) else { throw mismatch(expected) }
      number = read
    default:
      throw mismatch(expected)
    }
    guard range.contains(number) else { throw mismatch(expected) }
    return number
  }

  package func double(
    in range: ClosedRange<Double>? = nil, acceptingText: Bool = false
  ) throws(DocumentError) -> Double {
    let expected = range.map { "a number in \($0.lowerBound)...\($0.upperBound)" } ?? "a number"
    let number: Double
    switch value {
    case .integer(let integer): number = Double(integer)
    case .double(let double): number = double
    case .string(let text) where acceptingText:
      guard let read = Double(text) else { throw mismatch(expected) }
      number = read
    default: throw mismatch(expected)
    }
    if let range, !range.contains(number) { throw mismatch(expected) }
    return number
  }

  package func bool(acceptingText: Bool = false) throws(DocumentError) -> Bool {
    switch value {
    case .bool(let bool): return bool
    case .string(let text) where acceptingText:
      switch text.lowercased() {
      case "true": return true
      case "false": return false
      default: throw mismatch("true or false")
      }
    default: throw mismatch("true or false")
    }
  }

  /// The elements of a list, each with its place.
  package func elements() throws(DocumentError) -> [Document] {
    guard case .array(let values) = value else { throw mismatch("a list") }
    return values.enumerated().map { index, element in
      Document(element, source: source, path: "\(path)[\(index)]")
    }
  }

  /// The members of an object in order, each with its place.
  package func members() throws(DocumentError) -> [(key: String, value: Document)] {
    try object().members.map { ($0.key, child($0.key, $0.value)) }
  }

  package func object() throws(DocumentError) -> DocumentObject {
    guard case .object(let object) = value else { throw mismatch("an object") }
    return object
  }

  /// An object of scalars, such as tags and environment variables, as text.
  package func strings() throws(DocumentError) -> [String: String] {
    var strings: [String: String] = [:]
    for (key, member) in try members() { strings[key] = try member.text() }
    return strings
  }

  /// The member `key`; nil where it is absent or null.
  package func optional(_ key: String) throws(DocumentError) -> Document? {
    guard let member = try object()[key], member != .null else { return nil }
    return child(key, member)
  }

  /// The member `key`, which must be there and not be null.
  package func required(_ key: String) throws(DocumentError) -> Document {
    guard let member = try optional(key) else {
      throw .missingField(source: source, path: memberPath(key))
    }
    return member
  }

  /// Refuses the first member whose name is not among `known`.
  package func rejectUnknown(known: [String]) throws(DocumentError) {
    for key in try object().keys where !known.contains(key) {
      throw .unknownField(
        source: source, path: memberPath(key), nearest: NameDistance.nearest(to: key, in: known))
    }
  }

  /// The error for this value when something else was wanted here.
  package func mismatch(_ expected: String) -> DocumentError {
    .value(source: source, path: path, expected: expected, received: value.kindName)
  }

  private func child(_ key: String, _ value: DocumentValue) -> Document {
    Document(value, source: source, path: memberPath(key))
  }

  private func memberPath(_ key: String) -> String {
    let isPlain =
      !key.isEmpty
      && key.utf8.allSatisfy { byte in
        byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "$")
          || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
          || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
      }
    return isPlain ? "\(path).\(key)" : "\(path)['\(key)']"
  }
}
