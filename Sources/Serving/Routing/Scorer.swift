internal import Documents
internal import Executors
internal import Telemetry
internal import Tensors

/// A body's bytes to an answer's bytes: decode, predict, encode, each measured where it ends.
struct Scorer: Sendable {
  let executor: any ModelExecutor
  let signature: ModelSignature
  /// Indices into the signature's outputs that an answer carries.
  let outputs: [Int]
  let decoder: PayloadDecoder
  /// The deployment's name and its model's version: what an answer may name.
  var deploymentName = ""
  var modelVersion = ""
  /// Told once of each parameter that requests send in vain; nil: nobody.
  var ignoredParameters: IgnoredParameters?
  let outputNames: [String]
  let answerShape: AnswerShape
  let clock = MonotonicClock.system

  init(_ model: LoadedModel) {
    executor = model.executor
    signature = model.signature
    outputs = model.defaultOutputs
    decoder = PayloadDecoder(model.signature)
    answerShape = model.answerShape
    outputNames = model.defaultOutputs.map { model.signature.outputs[$0].name }
  }

  private static let maxKeptBodyBytes = 64 << 10

  func score(
    _ body: Span<UInt8>, form: AnswerForm, scratch: ScoringScratch, started: UInt64,
    deadline: UInt64 = .max, times: inout ScoringTimes
  ) throws(ScoringError) -> [UInt8] {
    switch form {
    case .score, .invocations: break
    case .inference, .predict, .invocationsCSV:
      return try scoreProtocol(
        body, form: form, scratch: scratch, started: started, deadline: deadline, times: &times)
    }
    var isFrame = false
    var asked: [String]?
    if let plain = decoder.plainTable?.read(body, into: &scratch.inputs) {
      isFrame = plain
    } else {
      let request = try decode(body, form)
      note(request.ignoredParameters)
      isFrame = request.isFrame
      asked = request.outputs
      scratch.inputs = request.inputs
    }
    // What a large body was read into goes with it.
    defer { if body.count > Scorer.maxKeptBodyBytes { scratch.inputs = [] } }
    let (outputs, outputNames) = chosen(asked)
    let decoded = clock.now()
    times.decode = decoded &- started
    if decoded >= deadline { throw .executor(.deadlinePassed) }
    scratch.executor.deadline = deadline
    let values = try predict(scratch.inputs, outputs: outputs, scratch: scratch.executor)
    let executed = clock.now()
    times.execute = executed &- decoded
    times.rows = rowCount(scratch.inputs)
    if executed >= deadline { throw .executor(.deadlinePassed) }
    try AnswerBudget.check(
      values, names: outputNames,
      recordCount: ScoringAnswer.recordCount(values, answerShape, isFrame: isFrame))
    try AnswerText.check(values, names: outputNames)
    var writer = JSONWriter()
    switch form {
    case .score:
      ScoringAnswer.write(
        values, names: outputNames, answerShape, isFrame: isFrame, to: &writer)
    case .invocations:
      ScoringAnswer.writePredictions(
        values, names: outputNames, answerShape, isFrame: isFrame, to: &writer)
    case .inference, .predict, .invocationsCSV:
      preconditionFailure("\(form) has been scored elsewhere")
    }
    times.encode = clock.now() &- executed
    return writer.bytes
  }

  func rowCount(_ inputs: [Tensor?]) -> UInt64 {
    for input in inputs {
      if let input { return UInt64(input.rowCount) }
    }
    return 0
  }

  /// The outputs that a request names; the usual ones when it names none.
  func chosen(
    _ asked: [String]?
  ) -> (outputs: [Int], names: [String]) {
    guard let asked else { return (outputs, outputNames) }
    // The decoder has refused names that the model does not have.
    let chosen = asked.compactMap { signature.outputIndex(named: $0) }
    return (chosen, chosen.map { signature.outputs[$0].name })
  }
}
