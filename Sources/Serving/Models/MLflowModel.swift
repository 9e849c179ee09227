internal import Documents
internal import Executors
internal import Store

/// What an MLflow directory's `MLmodel` says about the model in it.
///
/// Flavours whose payload is a file of the library's own (XGBoost, LightGBM, ONNX) are served;
/// pickles and Python code are not. Source: `FORMATS.md` §6.
struct MLflowModel {
  enum Flavor: String, CaseIterable {
    case onnx, xgboost, lightgbm
  }

  var file: String
  var flavor: Flavor
  /// The Python class that MLflow would make, such as `xgboost.sklearn.XGBClassifier`.
  var modelClass: String
  var signature: MLflowSignature

  init(folder: String) throws(ModelFormatError) {
    let path = folder + "/MLmodel"
    let root = try MLflowModel.readObject(path)
    guard case .object(let flavors)? = root["flavors"] else {
      throw .malformed(format: "MLflow", at: path, reason: "it has no flavors")
    }
    (flavor, file, modelClass) = try MLflowModel.payload(flavors, folder: folder)
    signature = try MLflowSignature(root["signature"], path: path)
  }

  private static func readObject(_ path: String) throws(ModelFormatError) -> DocumentObject {
    let bytes = try ModelFile(path: path)
    guard bytes.count <= 4 << 20 else {
      throw .malformed(format: "MLflow", at: path, reason: "it is larger than 4 MiB")
    }
    let text = bytes.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    do {
      if case .object(let root) = try YAMLReader.read(text, source: path) { return root }
    } catch {
      throw .malformed(format: "MLflow", at: path, reason: "\(error)")
    }
    throw .malformed(format: "MLflow", at: path, reason: "expected a mapping")
  }

  private static func payload(
    _ flavors: DocumentObject, folder: String
  ) throws(ModelFormatError) -> (Flavor, file: String, modelClass: String) {
    for known in Flavor.allCases {
      let name = known.rawValue
      guard case .object(let flavor)? = flavors[name] else { continue }
      guard case .string(let data)? = flavor["data"] else {
        throw .malformed(
          format: "MLflow", at: "\(folder)/MLmodel", reason: "flavor \(name) names no data file")
      }
      guard !pathParts(data).contains(".."), data.utf8.first != UInt8(ascii: "/") else {
        throw .malformed(
          format: "MLflow", at: "\(folder)/MLmodel",
          reason: "data file '\(data)' leads out of the folder")
      }
      guard !isPickle(data) else {
        throw .unsupported(
          format: "MLflow", what: "flavor \(name) keeps the model as a pickle ('\(data)')",
          advice: saveAgain(known))
      }
      var modelClass = ""
      if case .string(let text)? = flavor["model_class"] { modelClass = text }
      return (known, folder + "/" + data, modelClass)
    }
    let names = flavors.keys.filter { $0 != "python_function" }
    let what =
      names.isEmpty
      ? "only the python_function flavor" : "flavor \(names.joined(separator: ", "))"
    throw .unsupported(
      format: "MLflow", what: "the model has \(what), which needs Python to run",
      advice: convert(names))
  }

  /// What to run, in Python, to get a model that is served.
  private static func convert(_ flavors: [String]) -> String {
    if flavors.contains("sklearn") {
      return "convert it once, in Python: model = mlflow.sklearn.load_model(PATH); "
        + "mlflow.onnx.save_model(skl2onnx.to_onnx(model, X[:1]), NEW_PATH)"
    }
    if flavors.contains("pytorch") {
      return "convert it once, in Python: torch.onnx.export(mlflow.pytorch.load_model(PATH), "
        + "example, \"model.onnx\")"
    }
    if flavors.contains("keras") || flavors.contains("tensorflow") {
      return "convert it once: python -m tf2onnx.convert --saved-model PATH --output model.onnx"
    }
    return "log the model itself with mlflow.onnx (scikit-learn: skl2onnx), mlflow.xgboost or "
      + "mlflow.lightgbm"
  }

  private static func isPickle(_ file: String) -> Bool {
    [".pkl", ".pickle", ".joblib", ".cloudpickle"].contains { file.hasSuffix($0) }
  }

  private static func saveAgain(_ flavor: Flavor) -> String {
    switch flavor {
    case .lightgbm:
      "save the booster itself, in Python: "
        + "mlflow.lightgbm.save_model(mlflow.lightgbm.load_model(PATH).booster_, NEW_PATH) "
        + "writes model.lgb"
    case .xgboost:
      "save it again, in Python: mlflow.xgboost.save_model(mlflow.xgboost.load_model(PATH), "
        + "NEW_PATH, model_format=\"ubj\")"
    case .onnx: "save it again with mlflow.onnx.save_model"
    }
  }
}
