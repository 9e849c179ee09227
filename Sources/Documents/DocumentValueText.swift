/// How a value is named in an error, and as text where text is asked for.
extension DocumentValue {
  /// The value in few words: `a string`, `the number 3`, `an object`.
  package var kindName: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): "the number \(value)"
    case .double(let value): "the number \(value)"
    case .string(let text) where text.utf8.count <= 40: "the string '\(text)'"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// A string as it is, a number or boolean as Python's `str` prints it; nil for the rest.
  package var scalarText: String? {
    switch self {
    case .string(let text): text
    case .integer(let value): String(value)
    case .double(let value):
      value.isNaN ? "nan" : value.isInfinite ? (value < 0 ? "-inf" : "inf") : "\(value)"
    case .bool(let value): value ? "True" : "False"
    case .null, .array, .object: nil
    }
  }
}
