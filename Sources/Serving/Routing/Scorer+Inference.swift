internal import Documents
internal import Executors
internal import Telemetry
internal import Tensors

// What is the Open Inference Protocol's own between decoding and the answer's last byte.

extension Scorer {
  /// What the model is asked for: each output once, also where a request names both parts of its
  /// maps.
  func protocolOutputs(_ request: DecodedRequest) -> (outputs: [Int], names: [String]) {
    guard let asked = request.outputRequests else {
      // The protocol's own rule: a request that names no output gets all the usual ones.
      let usual = signature.defaultOutputs
      return (usual, usual.map { signature.outputs[$0].name })
    }
    var outputs: [Int] = []
    for output in asked {
      guard let found = signature.protocolOutput(named: output.name),
        !outputs.contains(found.index)
      else { continue }
      outputs.append(found.index)
    }
    return (outputs, outputs.map { signature.outputs[$0].name })
  }

  func writeInference(
    _ values: [ModelValue], names: [String], _ request: DecodedRequest, _ call: InferenceCall,
    deadline: UInt64, to writer: inout JSONWriter
  ) throws(ScoringError) {
    var outputs = InferenceAnswer.outputs(values, names: names)
    if let asked = request.outputRequests {
      outputs = try InferenceAnswer.arranged(
        outputs, as: asked, binaryByDefault: request.binaryByDefault, hasRows: hasRows,
        isOver: { clock.now() >= deadline })
    } else if request.binaryByDefault {
      for index in outputs.indices { outputs[index].isBinary = true }
    }
    try AnswerBudget.check(outputs)
    try AnswerText.check(outputs)
    let headerByteCount = InferenceAnswer.write(
      outputs, id: request.id, model: call.modelName,
      version: call.usesModelVersions ? modelVersion : deploymentName, to: &writer)
    call.answers(withHeaderOf: headerByteCount)
  }

  /// Whether the model scores rows: the first dimension of each input is theirs.
  private var hasRows: Bool { signature.takesRows }
}

extension ModelSignature {
  /// Whether the first dimension of each input is a number of rows.
  package var takesRows: Bool {
    !inputs.isEmpty
      && inputs.allSatisfy { input in
        guard let first = input.shape.first else { return false }
        return first == nil
      }
  }
}

extension InferenceAnswer {
  /// The outputs in the order and the form in which a request asks for them.
  static func arranged(
    _ outputs: [Output], as asked: [OutputRequest], binaryByDefault: Bool, hasRows: Bool,
    maxBytes: Int = AnswerBudget.maxBytes, isOver: () -> Bool = { false }
  ) throws(ScoringError) -> [Output] {
    var arranged: [Output] = []
    // Texts are long work: what is sure to be too large is not begun.
    var byteCount = 0
    for request in asked {
      // A request for maps by their own name gets both parts, but for those it names besides.
      let parts =
        [request.name]
        + MapPart.allCases.map { request.name + $0.suffix }
        .filter { part in !asked.contains { $0.name == part } }
      for var output in outputs where parts.contains(output.name) {
        output.isBinary = request.isBinary ?? binaryByDefault
        if let count = request.classCount {
          byteCount = byteCount.addingSaturating(
            Classification.minByteCount(count, of: output.tensor, hasRows: hasRows))
          guard byteCount <= maxBytes else {
            throw .answerTooLarge(byteCount: byteCount, limit: maxBytes)
          }
          guard
            let best = try Classification.best(
              count, of: output.tensor, hasRows: hasRows, labels: output.labels,
              maxBytes: maxBytes, isOver: isOver)
          else {
            throw .badInput(
              "class result not available for output '\(output.name)' due to unsupported type "
                + "'\(output.tensor.elementType.wireName)'")
          }
          output.tensor = best
        }
        arranged.append(output)
      }
    }
    return arranged
  }
}
