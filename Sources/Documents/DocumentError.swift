/// What is wrong with a document, and where: `$.traffic.blue`, or a line and column.
package enum DocumentError: Error, Equatable, CustomStringConvertible {
  /// The text is no JSON or YAML.
  case syntax(source: String, line: Int, column: Int, reason: String)
  /// A value is not what it should be. `path` is like `$.traffic.blue`.
  case value(source: String, path: String, expected: String, received: String)
  /// A member that nobody knows; `nearest` is the known name it may have meant.
  case unknownField(source: String, path: String, nearest: String?)
  case missingField(source: String, path: String)
  /// Deeper, longer or larger than allowed.
  case tooLarge(source: String, reason: String)

  package var description: String {
    switch self {
    case .syntax(let source, let line, let column, let reason):
      "\(source):\(line):\(column): \(reason)"
    case .value(let source, let path, let expected, let received):
      "\(source): \(path) is \(received); expected \(expected)"
    case .unknownField(let source, let path, let nearest):
      "\(source): unknown field \(path)" + (nearest.map { "; did you mean '\($0)'?" } ?? "")
    case .missingField(let source, let path):
      "\(source): \(path) is missing"
    case .tooLarge(let source, let reason):
      "\(source): \(reason)"
    }
  }
}
