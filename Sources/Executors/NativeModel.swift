/// The models that this module runs: the native formats of XGBoost and LightGBM.
package enum NativeModel {
  /// Reads and checks the model in the file at `path`.
  package static func load(path: String) throws(ModelFormatError) -> any ModelExecutor {
    try load(try ModelFile(path: path))
  }

  /// Reads and checks the model in `file`; nothing of the file is needed afterwards.
  package static func load(_ file: ModelFile) throws(ModelFormatError) -> any ModelExecutor {
    try load(bytes: file.bytes, path: file.path)
  }

  static func load(bytes: RawSpan, path: String) throws(ModelFormatError) -> any ModelExecutor {
    switch ModelFormat.detect(bytes: bytes, path: path) {
    case .xgboostJSON:
      var reader = JSONDocumentReader(format: "XGBoost JSON", bytes: bytes)
      return TreeExecutor(try XGBoostReader.read(from: &reader))
    case .xgboostUBJSON:
      var reader = UBJSONDocumentReader(format: "XGBoost UBJSON", bytes: bytes)
      return TreeExecutor(try XGBoostReader.read(from: &reader))
    case .lightGBMText:
      return TreeExecutor(try LightGBMReader.read(bytes))
    case .xgboostBinary:
      throw .unsupported(
        format: "XGBoost", what: "the old binary format, which XGBoost removed in 3.1",
        advice: "load it with XGBoost 3.0 or older and save it again as model.json or model.ubj")
    case .onnx, .unknown:
      throw .unsupported(
        format: "model file", what: "\(path) is no XGBoost JSON or UBJSON nor LightGBM text",
        advice: "save an XGBoost model as .json or .ubj, a LightGBM model with save_model")
    }
  }
}
