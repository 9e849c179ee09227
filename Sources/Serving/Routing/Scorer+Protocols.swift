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
    let request = try decode(body, form)
    note(request.ignoredParameters)
    let (outputs, names) =
      if case .inference = form { protocolOutputs(request) } else { (self.outputs, outputNames) }
    let decoded = clock.now()
    times.decode = decoded &- started
    if decoded >= deadline { throw .executor(.deadlinePassed) }
    scratch.executor.deadline = deadline
    let values: [ModelValue]
    do {
      values = try executor.predict(request.inputs, outputs: outputs, scratch: scratch.executor)
    } catch {
      throw .executor(error)
    }
    let executed = clock.now()
    times.execute = executed &- decoded
    times.rows = rowCount(request.inputs)
    if executed >= deadline { throw .executor(.deadlinePassed) }
    var writer = JSONWriter()
    switch form {
    case .inference(let call):
      try writeInference(
        values, names: names, request, call, deadline: deadline, to: &writer)
    case .predict:
      try AnswerBudget.check(values)
      try PredictAnswer.write(values, names: names, isColumnar: request.isColumnar, to: &writer)
    case .invocationsCSV, .invocations, .score:
      try AnswerBudget.check(values)
      ScoringAnswer.writePredictions(
        values, names: names, answerShape, isFrame: request.isFrame, to: &writer)
    }
    times.encode = clock.now() &- executed
    return writer.bytes
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
