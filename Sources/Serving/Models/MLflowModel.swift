internal import Documents
internal import Executors

/// What an MLflow directory's `MLmodel` says about the model in it.
///
/// Flavours whose payload is a file of the library's own (XGBoost, LightGBM, ONNX) are served;
/// pickles and Python code are not. Source: `FORMATS.md` §6.
struct MLflowModel {
  var file: String
  /// The signature's input columns, in order; nil when it has none or is of tensors.
  var columns: [String]?

  init(folder: String) throws(ModelFormatError) {
    let path = folder + "/MLmodel"
    let root = try MLflowModel.readObject(path)
    guard case .object(let flavors)? = root["flavors"] else {
      throw .malformed(format: "MLflow", at: path, reason: "it has no flavors")
    }
    file = try MLflowModel.file(flavors, folder: folder)
    columns = try MLflowModel.columns(root["signature"], path: path)
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

  private static func file(
    _ flavors: DocumentObject, folder: String
  ) throws(ModelFormatError) -> String {
    for name in ["onnx", "xgboost", "lightgbm"] {
      guard case .object(let flavor)? = flavors[name] else { continue }
      guard case .string(let data)? = flavor["data"] else {
        throw .malformed(
          format: "MLflow", at: "\(folder)/MLmodel", reason: "flavor \(name) names no data file")
      }
      guard data.split(separator: "/").allSatisfy({ $0 != ".." }), !data.hasPrefix("/") else {
        throw .malformed(
          format: "MLflow", at: "\(folder)/MLmodel",
          reason: "data file '\(data)' leads out of the folder")
      }
      guard !isPickle(data) else {
        throw .unsupported(
          format: "MLflow", what: "flavor \(name) keeps the model as a pickle ('\(data)')",
          advice: saveAgain(name))
      }
      return folder + "/" + data
    }
    let names = flavors.keys.filter { $0 != "python_function" }
    let what =
      names.isEmpty
      ? "only the python_function flavor" : "flavor \(names.joined(separator: ", "))"
    throw .unsupported(
      format: "MLflow", what: "the model has \(what), which needs Python to run",
      advice: "log it with mlflow.onnx (for scikit-learn: skl2onnx), mlflow.xgboost or "
        + "mlflow.lightgbm")
  }

  private static func isPickle(_ file: String) -> Bool {
    [".pkl", ".pickle", ".joblib", ".cloudpickle"].contains { file.hasSuffix($0) }
  }

  private static func saveAgain(_ flavor: String) -> String {
    switch flavor {
    case "lightgbm":
      "log the booster itself: mlflow.lightgbm.log_model(model.booster_, …) writes model.lgb"
    case "xgboost":
      "log it with model_format=\"ubj\" or \"json\""
    default: "log it in the library's own format"
    }
  }

  private static func columns(
    _ signature: DocumentValue?, path: String
  ) throws(ModelFormatError) -> [String]? {
    guard case .object(let members)? = signature, case .string(let text)? = members["inputs"]
    else { return nil }
    let value: DocumentValue
    do {
      value = try JSONReader.read(text, source: "signature.inputs")
    } catch {
      throw .malformed(format: "MLflow", at: path, reason: "\(error)")
    }
    guard case .array(let inputs) = value else {
      throw .malformed(
        format: "MLflow", at: path, reason: "signature.inputs: expected a list of columns")
    }
    var names: [String] = []
    for input in inputs {
      // A tensor, or a column without a name: the model's own order counts.
      guard case .object(let column) = input, column["tensor-spec"] == nil,
        case .string(let name)? = column["name"]
      else { return nil }
      names.append(name)
    }
    return names.isEmpty ? nil : names
  }
}
