package import Tensors

/// Why a loaded model could not score a batch. The request's fault, unless it is `failed`.
package enum ExecutorError: Error, Equatable, CustomStringConvertible {
  case missingInput(String)
  case elementType(input: String, expected: ElementType, received: ElementType)
  case shape(input: String, expected: [Int?], received: [Int])
  /// A value the model refuses: an unknown category, an index out of range.
  case value(input: String, reason: String)
  /// The model itself went wrong at `node`.
  case failed(node: String, reason: String)
  /// `Scratch.deadline` has passed, and the work was stopped.
  case deadlinePassed

  package var description: String {
    switch self {
    case .missingInput(let name):
      "input '\(name)' is missing"
    case .elementType(let input, let expected, let received):
      "input '\(input)' is \(received.name); the model takes \(expected.name)"
    case .shape(let input, let expected, let received):
      "input '\(input)' has shape \(received); the model takes \(shapeText(expected))"
    case .value(let input, let reason):
      "input '\(input)': \(reason)"
    case .failed(let node, let reason):
      "the model failed at \(node): \(reason)"
    case .deadlinePassed:
      "the time limit has passed; the work was stopped"
    }
  }
}

/// `[-1, 8]`: a free dimension is written as -1.
package func shapeText(_ shape: [Int?]) -> String {
  "[" + shape.map { String($0 ?? -1) }.joined(separator: ", ") + "]"
}
