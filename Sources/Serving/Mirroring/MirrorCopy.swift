/// A request's bytes, held by whoever has this.
package protocol MirrorBody: AnyObject, Sendable {
  var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get
  }
}

/// A request that has been answered, to be scored once more by the mirror: nothing in it belongs
/// to the caller.
package struct MirrorCopy: Sendable {
  package typealias Unpack = @Sendable (Span<UInt8>) throws(ScoringError) -> [UInt8]

  package var body: any MirrorBody
  package var form: AnswerForm
  /// The live request's identifier, for the log.
  package var requestID: String
  /// Takes a content coding off the body; nil: it has none.
  package var unpack: Unpack?

  package init(
    body: any MirrorBody, form: AnswerForm, requestID: String, unpack: Unpack? = nil
  ) {
    self.body = body
    self.form = form.own
    self.requestID = requestID
    self.unpack = unpack
  }
}

/// A small body, which is copied sooner than handed over.
package final class CopiedBody: MirrorBody {
  private let array: [UInt8]
  package init(_ array: [UInt8]) { self.array = array }

  package var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let array = array
      return _overrideLifetime(array.span, borrowing: self)
    }
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
