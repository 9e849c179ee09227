internal import Documents
internal import Executors
internal import Telemetry

/// A body's bytes to an answer's bytes: decode, predict, encode, each measured where it ends.
struct Scorer: Sendable {
  let executor: any ModelExecutor
  let signature: ModelSignature
  /// Indices into the signature's outputs that an answer carries.
  let outputs: [Int]
  private let decoder: PayloadDecoder
  private let outputNames: [String]
  let clock = MonotonicClock.system

  init(_ model: LoadedModel) {
    executor = model.executor
    signature = model.signature
    outputs = model.defaultOutputs
    decoder = PayloadDecoder(model.signature)
    outputNames = model.defaultOutputs.map { model.signature.outputs[$0].name }
  }

  func score(
    _ body: Span<UInt8>, form: AnswerForm, scratch: ScoringScratch, started: UInt64,
    times: inout ScoringTimes
  ) throws(ScoringError) -> [UInt8] {
    let inputs = try decoder.decode(body).inputs
    let decoded = clock.now()
    times.decode = decoded &- started
    let values: [ModelValue]
    do {
      values = try executor.predict(inputs, outputs: outputs, scratch: scratch.executor)
    } catch {
      throw .executor(error)
    }
    let executed = clock.now()
    times.execute = executed &- decoded
    var writer = JSONWriter()
    switch form {
    case .score: ScoringAnswer.write(values, names: outputNames, to: &writer)
    case .invocations: ScoringAnswer.writePredictions(values, names: outputNames, to: &writer)
    }
    times.encode = clock.now() &- executed
    return writer.bytes
  }
}
