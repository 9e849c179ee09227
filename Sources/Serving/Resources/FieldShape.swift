internal import Documents

/// What a field that we only keep may hold. Such a field is checked all the same: a file that
/// is wrong elsewhere should not pass here.
indirect enum FieldShape: Sendable {
  case text
  /// A string or a number: quantities, versions.
  case scalar
  case choice([String])
  /// `true`, `false`, or `'True'`, `'False'` as the data collector's examples write them.
  case boolean
  case integer(ClosedRange<Int>)
  case number(ClosedRange<Double>)
  case textMap
  case object([(String, FieldShape)])
  /// An object with any keys whose values have one shape.
  case map(FieldShape)
  case list(FieldShape)
  /// A reference by name, or the object itself.
  case reference(or: FieldShape)
  case anything

  func check(_ value: DocumentValue, source: String, path: String) throws(DocumentError) {
    func fault(_ expected: String) -> DocumentError {
      .value(
        source: source, path: path, expected: expected,
        received: FieldReader.description(of: value))
    }
    switch self {
    case .anything:
      return
    case .text:
      guard case .string = value else { throw fault("a string") }
    case .scalar:
      guard FieldReader.scalarText(value) != nil else { throw fault("a string or a number") }
    case .choice(let choices):
      guard case .string(let text) = value,
        choices.contains(where: { $0 == text.lowercased() })
      else { throw fault(FieldReader.list(choices)) }
    case .boolean:
      switch value {
      case .bool: return
      case .string(let text) where ["true", "false"].contains(text.lowercased()): return
      default: throw fault("true or false")
      }
    case .integer(let range):
      guard let number = FieldReader.integer(value), range.contains(number) else {
        throw fault("an integer from \(range.lowerBound) to \(range.upperBound)")
      }
    case .number(let range):
      let number: Double? =
        switch value {
        case .integer(let number): Double(number)
        case .double(let number): number
        case .string(let text): Double(text)
        default: nil
        }
      guard let number, range.contains(number) else {
        throw fault("a number from \(range.lowerBound) to \(range.upperBound)")
      }
    case .textMap:
      try Self.map(.scalar).check(value, source: source, path: path)
    case .map(let shape):
      guard case .object(let object) = value else { throw fault("a map") }
      for (key, value) in object.members where value != .null {
        try shape.check(value, source: source, path: "\(path).\(key)")
      }
    case .object(let shapes):
      var fields = try FieldReader(value, source: source, path: path)
      _ = try fields.noted(shapes)
      try fields.finish()
    case .list(let shape):
      guard case .array(let elements) = value else { throw fault("a list") }
      for (index, element) in elements.enumerated() {
        try shape.check(element, source: source, path: "\(path)[\(index)]")
      }
    case .reference(let shape):
      if case .string = value { return }
      try shape.check(value, source: source, path: path)
    }
  }
}
