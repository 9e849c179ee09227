package import Tensors

/// A body as tensors, ready for the model.
package struct DecodedRequest: Sendable {
  /// The family of bodies it belongs to: an answer is given in kind.
  package enum Form: Sendable, Equatable {
    /// `input_data`, `data`: a bare answer.
    case azure
    /// `dataframe_split`, `dataframe_records`, `instances`, `inputs`.
    case mlflow
    /// The Open Inference Protocol's named tensors.
    case inferenceProtocol
    /// `instances`, or `inputs` as columns.
    case tensorFlow
  }

  package var form: Form
  /// Whether the rows came as a table with names, as a data frame does.
  package var isFrame = false
  /// Whether TensorFlow Serving's `inputs` came, not `instances`.
  package var isColumnar = false
  /// MLflow's parameters that the model's signature does not name: passed over.
  package var ignoredParameters: [String] = []
  /// Whether it has a member `signature_name`.
  package var namesSignature = false
  /// One for each of the signature's inputs; nil where the body has none and needs none.
  package var inputs: [Tensor?]
  /// The outputs asked for by name; nil: the usual ones.
  package var outputs: [String]?
  /// The same with how each is to be given, from the Open Inference Protocol's own routes.
  package var outputRequests: [OutputRequest]?
  /// Whether outputs are given as bytes that do not say otherwise.
  package var binaryByDefault = false
  /// The request's own id, echoed back.
  package var id: String?
}
