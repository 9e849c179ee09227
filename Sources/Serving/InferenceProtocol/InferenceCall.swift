/// What one request of the Open Inference Protocol has besides its body, and what its answer's
/// header will say.
///
/// Made by who takes the request; `answer…` is written by the thread that scores, before it
/// answers, and read after that.
package final class InferenceCall: @unchecked Sendable {
  // `@unchecked`: see the type's promise about writers.

  /// The name that the caller has for the model.
  package let modelName: String
  /// The version in the path; nil when the traffic split decides.
  package let version: String?
  /// Whether versions are the model's, not the deployments': below an endpoint, by its name.
  package let usesModelVersions: Bool
  /// `Inference-Header-Content-Length`: bytes of JSON before the tensors. 0: no JSON at all.
  /// nil: nothing but JSON.
  package let headerByteCount: Int?

  /// Bytes of JSON before the answer's tensors; nil: nothing but JSON.
  package fileprivate(set) var answerHeaderByteCount: Int?

  package init(
    modelName: String, version: String?, usesModelVersions: Bool = false, headerByteCount: Int?
  ) {
    self.modelName = modelName
    self.version = version
    self.usesModelVersions = usesModelVersions
    self.headerByteCount = headerByteCount
  }

  func answers(withHeaderOf byteCount: Int?) { answerHeaderByteCount = byteCount }
}
