internal import Executors
internal import Tensors

/// Stands in until the payload decoder lands.
enum Payloads {
  static func decode(
    _ body: Span<UInt8>, signature: ModelSignature
  ) throws(ScoringError) -> [Tensor?] { fatalError("skeleton") }

  static func encode(
    _ values: [ModelValue], signature: ModelSignature, outputs: [Int], form: AnswerForm
  ) -> [UInt8] { fatalError("skeleton") }
}
