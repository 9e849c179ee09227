internal import Executors
internal import Tensors

/// Whether JSON can carry an answer's texts. Bytes that are no UTF-8 have no form there: in their
/// place would come others, and nobody would know.
///
/// Triton writes them as they are, which is no JSON and which its clients fail on.
enum AnswerText {
  /// - Parameter isBase64: Whether texts of an output of this name are given as base64.
  /// - Throws: `ScoringError.badInput` with the output and the element: the request asked for JSON.
  static func check(
    _ values: [ModelValue], names: [String], isBase64: (String) -> Bool = { _ in false }
  ) throws(ScoringError) {
    for (name, value) in zip(names, values) {
      switch value {
      case .tensor(let tensor):
        if tensor.elementType == .string, !isBase64(name) { try check(tensor, of: name) }
      case .maps(let keys, let numbers):
        if keys.elementType == .string { try check(keys, of: name + MapPart.keys.suffix) }
        if numbers.elementType == .string { try check(numbers, of: name + MapPart.values.suffix) }
      }
    }
  }

  static func check(_ outputs: [InferenceAnswer.Output]) throws(ScoringError) {
    for output in outputs where output.tensor.elementType == .string && !output.isBinary {
      try check(output.tensor, of: output.name)
    }
  }

  private static func check(_ tensor: Tensor, of name: String) throws(ScoringError) {
    let strings = tensor.strings
    for index in 0..<strings.count where !isText(strings[index].span) {
      throw .badInput(
        "element \(index) of output '\(name)' is not UTF-8, which JSON cannot carry; ask for the "
          + "output by the Open Inference Protocol with the parameter \"binary_data\": true")
    }
  }

  private static func isText(_ bytes: Span<UInt8>) -> Bool {
    do {
      _ = try UTF8Span(validating: bytes)
      return true
    } catch {
      return false
    }
  }
}
