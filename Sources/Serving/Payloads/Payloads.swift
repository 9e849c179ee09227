internal import Executors
internal import Tensors

/// Stands in until the payload decoder lands.
enum Payloads {
  static func decode(
    _ body: Span<UInt8>, signature: ModelSignature
  ) throws(ScoringError) -> [Tensor?] {
    guard body.count > 0, body[body.count - 1] == UInt8(ascii: "}") else { throw .badInput("truncated") }
    return [Tensor([Float(1)], shape: Shape(1, 1))]
  }

  static func encode(
    _ values: [ModelValue], signature: ModelSignature, outputs: [Int], form: AnswerForm
  ) -> [UInt8] {
    guard case .tensor(let tensor) = values[0] else { return [] }
    let numbers = tensor.values(as: Float.self)
    return Array("[\(numbers[0])]".utf8)
  }
}
