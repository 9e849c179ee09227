internal import Executors
internal import Tensors

/// How large an answer may become: a few bytes of a request can ask a model for very many numbers.
///
/// Looked at before anything is written. A number counts for the room that its text gets, so a
/// list of them is refused by its length and never by its digits.
enum AnswerBudget {
  /// Beside the default limit of bodies, 64 MiB: numbers out are longer than numbers in.
  static let maxBytes = 256 << 20
  /// What a writer reserves for a number.
  static let textBytesPerNumber = 20

  /// - Throws: `ScoringError.answerTooLarge`.
  static func check(
    _ values: [ModelValue], maxBytes: Int = AnswerBudget.maxBytes
  ) throws(ScoringError) {
    var sum = 0
    for value in values {
      switch value {
      case .tensor(let tensor): sum = add(sum, textBytes(tensor))
      // A map repeats its keys in each row.
      case .maps(let keys, let numbers):
        let row = keys.elementType == .string ? textBytes(keys) : 0
        sum = add(sum, textBytes(numbers))
        sum = add(sum, multiply(row, numbers.rowCount))
      }
    }
    try compare(sum, maxBytes)
  }

  static func check(
    _ outputs: [InferenceAnswer.Output], maxBytes: Int = AnswerBudget.maxBytes
  ) throws(ScoringError) {
    let sum = outputs.reduce(0) { sum, output in
      add(
        sum, output.isBinary ? BinaryTensor.byteCount(output.tensor) : textBytes(output.tensor))
    }
    try compare(sum, maxBytes)
  }

  private static func compare(_ byteCount: Int, _ maxBytes: Int) throws(ScoringError) {
    guard byteCount <= maxBytes else {
      throw .answerTooLarge(byteCount: byteCount, limit: maxBytes)
    }
  }

  private static func textBytes(_ tensor: Tensor) -> Int {
    let count = tensor.shape.elementCount
    guard tensor.elementType == .string else { return multiply(count, textBytesPerNumber) }
    return add(BinaryTensor.byteCount(tensor), 0)
  }

  private static func add(_ left: Int, _ right: Int) -> Int {
    let (sum, overflows) = left.addingReportingOverflow(right)
    return overflows ? .max : sum
  }

  private static func multiply(_ left: Int, _ right: Int) -> Int {
    let (product, overflows) = left.multipliedReportingOverflow(by: right)
    return overflows ? .max : product
  }
}
