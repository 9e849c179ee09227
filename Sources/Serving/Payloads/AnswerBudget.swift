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

  /// - Parameters:
  ///   - names: Of the outputs, where the answer writes them.
  ///   - recordCount: How often it writes each of them.
  /// - Throws: `ScoringError.answerTooLarge`.
  static func check(
    _ values: [ModelValue], names: [String] = [], recordCount: Int = 1,
    maxBytes: Int = AnswerBudget.maxBytes
  ) throws(ScoringError) {
    var sum = 0
    for value in values {
      switch value {
      case .tensor(let tensor): sum = add(sum, textBytes(tensor))
      // A map repeats its keys in each row.
      case .maps(let keys, let numbers):
        sum = add(sum, textBytes(numbers))
        sum = add(sum, multiply(textBytes(keys), numbers.rowCount))
      }
    }
    let record = names.reduce(0) { $0 + textBytes(of: $1.utf8) }
    try compare(add(sum, multiply(record, recordCount)), maxBytes)
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
    let strings = tensor.strings
    return (0..<strings.count).reduce(0) { add($0, textBytes(of: strings[$1])) }
  }

  /// A string of JSON: quoted, with a comma or colon behind it, and its escapes.
  private static func textBytes(of text: some Collection<UInt8>) -> Int {
    var count = 4
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): count += 2
      case 0..<0x20: count += 6
      // One that belongs to no character becomes one of three bytes.
      case 0x80...: count += 3
      default: count += 1
      }
    }
    return count
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
