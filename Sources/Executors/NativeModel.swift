/// The models that this module runs: the native formats of XGBoost and LightGBM.
package enum NativeModel {
  /// Reads and checks the model in the file at `path`.
  package static func load(
    path: String, rounds: TreeRounds = .asSaved, kernels: TreeKernels = .best
  ) throws(ModelFormatError) -> any ModelExecutor {
    try load(try ModelFile(path: path), rounds: rounds, kernels: kernels)
  }

  /// Reads and checks the model in `file`; nothing of the file is needed afterwards.
  package static func load(
    _ file: ModelFile, rounds: TreeRounds = .asSaved, kernels: TreeKernels = .best
  ) throws(ModelFormatError) -> any ModelExecutor {
    try load(bytes: file.bytes, path: file.path, rounds: rounds, file: file, kernels: kernels)
  }

  /// - Parameters:
  ///   - kernels: Those that trees may use; tests look at others than the fastest.
  ///   - path: What errors call the file.
  ///   - file: Where `bytes` lie, if they do in one, so that what has been read can be let go.
  package static func load(
    bytes: RawSpan, path: String, rounds: TreeRounds = .asSaved, file: ModelFile? = nil,
    kernels: TreeKernels = .best
  ) throws(ModelFormatError) -> any ModelExecutor {
    switch ModelFormat.detect(bytes: bytes, path: path) {
    case .xgboostJSON:
      return try loadXGBoostJSON(bytes, rounds: rounds, file: file, kernels: kernels)
    case .xgboostUBJSON:
      return try loadXGBoostUBJSON(bytes, rounds: rounds, file: file, kernels: kernels)
    case .lightGBMText: return try loadLightGBM(bytes, file: file, kernels: kernels)
    case .xgboostBinary, .onnx, .unknown:
      throw ForeignFormat.refusal(bytes: bytes, path: path)
    }
  }

  /// Reads an XGBoost model that is JSON, whatever its first bytes say.
  package static func loadXGBoostJSON(
    _ bytes: RawSpan, rounds: TreeRounds = .asSaved, file: ModelFile? = nil,
    kernels: TreeKernels = .best
  ) throws(ModelFormatError) -> any ModelExecutor {
    var reader = JSONDocumentReader(format: "XGBoost JSON", bytes: bytes, file: file)
    return try XGBoostReader.read(
      from: &reader, byteCount: bytes.byteCount, rounds: rounds, kernels: kernels)
  }

  /// Reads an XGBoost model that is UBJSON, whatever its first bytes say.
  package static func loadXGBoostUBJSON(
    _ bytes: RawSpan, rounds: TreeRounds = .asSaved, file: ModelFile? = nil,
    kernels: TreeKernels = .best
  ) throws(ModelFormatError) -> any ModelExecutor {
    var reader = UBJSONDocumentReader(format: "XGBoost UBJSON", bytes: bytes, file: file)
    return try XGBoostReader.read(
      from: &reader, byteCount: bytes.byteCount, rounds: rounds, kernels: kernels)
  }

  /// Reads a LightGBM text model.
  package static func loadLightGBM(
    _ bytes: RawSpan, file: ModelFile? = nil, kernels: TreeKernels = .best
  ) throws(ModelFormatError) -> any ModelExecutor {
    TreeExecutor(try LightGBMReader.read(bytes, file: file), kernels)
  }
}
