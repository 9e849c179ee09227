internal import Documents
internal import Executors
internal import Telemetry
internal import Tensors

// Protocols beside `/score` and `/invocations`, which go the same way with other ends.

extension Scorer {
  func scoreProtocol(
    _ body: Span<UInt8>, form: AnswerForm, scratch: ScoringScratch, started: UInt64,
    deadline: UInt64, times: inout ScoringTimes
  ) throws(ScoringError) -> [UInt8] {
    try finish(
      try prepare(body, form: form), form: form, scratch: scratch, started: started,
      deadline: deadline, times: &times)
  }

  /// Runs and answers what has been read.
  func finish(
    _ prepared: PreparedRequest, form: AnswerForm, scratch: ScoringScratch, started: UInt64,
    deadline: UInt64, times: inout ScoringTimes
  ) throws(ScoringError) -> [UInt8] {
    let decoded = clock.now()
    times.decode = decoded &- started
    if decoded >= deadline { throw .executor(.deadlinePassed) }
    scratch.executor.deadline = deadline
    let values = try predict(
      prepared.inputs, outputs: prepared.outputs, scratch: scratch.executor)
    let executed = clock.now()
    times.execute = executed &- decoded
    times.rows = rowCount(prepared.inputs)
    if executed >= deadline { throw .executor(.deadlinePassed) }
    let answer = try encode(values, prepared, form: form, deadline: deadline)
    times.encode = clock.now() &- executed
    return answer
  }

  func note(_ ignored: [String]) {
    if !ignored.isEmpty { ignoredParameters?.note(ignored) }
  }

  func decode(
    _ body: Span<UInt8>, _ form: AnswerForm
  ) throws(ScoringError) -> DecodedRequest {
    switch form {
    case .inference(let call): try decoder.decodeInference(body, call)
    case .predict: try decoder.decodePredict(body)
    case .invocationsCSV: try decoder.decodeCSV(body)
    case .invocations: try decoder.decodeInvocations(body)
    case .score: try decoder.decode(body)
    }
  }
}
