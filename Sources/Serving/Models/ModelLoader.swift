package import Documents
package import Executors

/// A model in memory, ready to score.
package struct LoadedModel: Sendable {
  package var executor: any ModelExecutor
  /// `xgboost-json`, `xgboost-ubj`, `lightgbm-text`, `onnx`.
  package var format: String
  /// Indices into the signature's outputs that a `/score` answer carries.
  package var defaultOutputs: [Int]
  /// What `model show` prints: `{"format", "summary", "inputs": […], "outputs": […]}`.
  package var inspection: DocumentValue
}

/// Reads any model that we run. The one place that knows all formats.
package enum ModelLoader {
  /// - Parameters:
  ///   - path: A file, or a folder (an MLflow directory, or one that holds one model file).
  ///   - properties: The model's own; `swerve.columns` and `swerve.response.outputs` (JSON
  ///     texts) name columns and choose outputs.
  package static func load(
    path: String, type: String = "custom_model", properties: [String: String] = [:]
  ) throws(ModelFormatError) -> LoadedModel { fatalError("skeleton") }
}
