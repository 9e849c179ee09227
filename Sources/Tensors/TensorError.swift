/// What is wrong with a tensor that somebody wants to make.
package enum TensorError: Error, Equatable, CustomStringConvertible {
  case shape([Int], reason: String)
  case byteCount(expected: Int, received: Int)

  package var description: String {
    switch self {
    case .shape(let dimensions, let reason):
      "shape \(dimensions): \(reason)"
    case .byteCount(let expected, let received):
      "the tensor takes \(expected) bytes; \(received) came"
    }
  }
}
