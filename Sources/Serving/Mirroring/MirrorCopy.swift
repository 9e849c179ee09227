/// A request that has been answered, to be scored once more by the mirror: nothing in it belongs
/// to the caller.
package struct MirrorCopy: Sendable {
  package typealias Unpack = @Sendable ([UInt8]) throws(ScoringError) -> [UInt8]

  package var body: [UInt8]
  package var form: AnswerForm
  /// The live request's identifier, for the log.
  package var requestID: String
  /// Takes a content coding off the body; nil: it has none.
  package var unpack: Unpack?

  package init(body: [UInt8], form: AnswerForm, requestID: String, unpack: Unpack? = nil) {
    self.body = body
    self.form = form.own
    self.requestID = requestID
    self.unpack = unpack
  }
}

extension AnswerForm {
  /// The same without anything that the live answer writes into.
  fileprivate var own: AnswerForm {
    guard case .inference(let call) = self else { return self }
    return .inference(
      InferenceCall(
        modelName: call.modelName, version: call.version,
        usesModelVersions: call.usesModelVersions, headerByteCount: call.headerByteCount))
  }
}
