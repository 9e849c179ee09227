internal import Documents
internal import Executors
internal import Tensors

/// A body that was read: what the model is to be given, and what the answer has to look like.
struct PreparedRequest {
  var inputs: [Tensor?]
  /// Indices into the signature's outputs, and their names in the answer.
  var outputs: [Int]
  var names: [String]
  var isFrame = false
  /// nil where the body was plain rows.
  var request: DecodedRequest?
}

/// A request's way in three steps, where others' steps come between.
extension Scorer {
  func prepare(
    _ body: Span<UInt8>, form: AnswerForm
  ) throws(ScoringError) -> PreparedRequest {
    switch form {
    case .score, .invocations:
      var inputs: [Tensor?] = []
      if let isFrame = decoder.plainTable?.read(body, into: &inputs) {
        return PreparedRequest(
          inputs: inputs, outputs: outputs, names: outputNames, isFrame: isFrame)
      }
    case .inference, .predict, .invocationsCSV: break
    }
    let request = try decode(body, form)
    note(request.ignoredParameters)
    let (outputs, names) =
      switch form {
      case .inference: protocolOutputs(request)
      case .score, .invocations: chosen(request.outputs)
      case .predict, .invocationsCSV: (self.outputs, outputNames)
      }
    return PreparedRequest(
      inputs: request.inputs, outputs: outputs, names: names, isFrame: request.isFrame,
      request: request)
  }

  func encode(
    _ values: [ModelValue], _ prepared: PreparedRequest, form: AnswerForm, deadline: UInt64
  ) throws(ScoringError) -> [UInt8] {
    var writer = JSONWriter()
    switch form {
    case .inference: break
    case .score, .invocations, .invocationsCSV:
      try AnswerBudget.check(
        values, names: prepared.names,
        recordCount: ScoringAnswer.recordCount(values, answerShape, isFrame: prepared.isFrame))
      try AnswerText.check(values, names: prepared.names)
    case .predict:
      try AnswerBudget.check(
        values, names: prepared.names,
        recordCount: PredictAnswer.recordCount(
          values, isColumnar: prepared.request?.isColumnar ?? false))
      try AnswerText.check(values, names: prepared.names, isBase64: PredictAnswer.isBase64)
    }
    switch form {
    case .score:
      ScoringAnswer.write(
        values, names: prepared.names, answerShape, isFrame: prepared.isFrame, to: &writer)
    case .invocations, .invocationsCSV:
      ScoringAnswer.writePredictions(
        values, names: prepared.names, answerShape, isFrame: prepared.isFrame, to: &writer)
    case .predict:
      try PredictAnswer.write(
        values, names: prepared.names, isColumnar: prepared.request?.isColumnar ?? false,
        to: &writer)
    case .inference(let call):
      guard let request = prepared.request else {
        preconditionFailure("a request of the Open Inference Protocol was read as plain rows")
      }
      try writeInference(
        values, names: prepared.names, request, call, deadline: deadline, to: &writer)
    }
    return writer.bytes
  }
}
