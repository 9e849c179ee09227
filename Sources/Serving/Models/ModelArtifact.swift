internal import Executors

#if canImport(Glibc)
  internal import Glibc
#endif

/// Finds the model file in what was registered: a file, an MLflow directory, a Triton
/// repository, or a folder that holds one model file.
struct ModelArtifact {
  var file: String
  /// What an MLflow folder says of its model; nil for any other.
  var mlflow: MLflowModel?

  init(path: String, type: String) throws(ModelFormatError) {
    guard let kind = FileKind(path: path) else {
      throw .unreadable(path: path, reason: "no file or folder")
    }
    switch kind {
    case .file:
      guard type != "mlflow_model" else {
        throw .unsupported(
          format: "MLflow", what: "\(path) is a file",
          advice: "an mlflow_model is the folder that holds MLmodel")
      }
      file = path
    case .folder:
      if FileKind(path: path + "/MLmodel") == .file {
        let description = try MLflowModel(folder: path)
        file = description.file
        mlflow = description
      } else if type == "mlflow_model" {
        throw .malformed(format: "MLflow", at: path, reason: "the folder has no file MLmodel")
      } else {
        file = try ModelArtifact.onlyModel(below: path)
      }
    }
  }

  /// Files that lie beside a model and are none.
  private static let companions: Set<String> = [
    "sample-request.json", "sample-response.json", "model.yml", "model.yaml", "manifest.json",
    "config.pbtxt",
  ]

  private static func onlyModel(below folder: String) throws(ModelFormatError) -> String {
    let names = try folderNames(folder)
    let files = names.filter { FileKind(path: folder + "/" + $0) == .file }
      .filter { !companions.contains($0) }
    let folders = names.filter { FileKind(path: folder + "/" + $0) == .folder }
    var models: [String] = []
    for name in files where try holdsModel(folder + "/" + name) { models.append(name) }
    if models.count > 1 {
      throw .unsupported(
        format: "folder", what: "\(folder) holds several models: \(listed(models))",
        advice: "register the one file to be served, or one folder for each")
    }
    if let model = models.first { return folder + "/" + model }
    // Triton: `<model>/<version>/model.onnx`, of which the highest version is served.
    let versions = folders.compactMap { Int($0) }.filter { $0 >= 0 }
    if let version = versions.max(), let name = folders.first(where: { Int($0) == version }) {
      return try onlyModel(below: folder + "/" + name)
    }
    if folders.count == 1 { return try onlyModel(below: folder + "/" + folders[0]) }
    if folders.count > 1 {
      throw .unsupported(
        format: "folder", what: "\(folder) holds several folders: \(listed(folders))",
        advice: "register the one that holds the model")
    }
    throw .unsupported(
      format: "folder",
      what: "\(folder) holds no model file"
        + (files.isEmpty ? "" : "; it has \(listed(files))"),
      advice: "XGBoost (JSON, UBJSON), LightGBM (text) and ONNX files, and MLflow directories "
        + "of these, can be served")
  }

  private static func holdsModel(_ path: String) throws(ModelFormatError) -> Bool {
    var status = stat()
    // An empty one (`__init__.py`) cannot be mapped, and is no model.
    if stat(path, &status) == 0, status.st_size == 0 { return false }
    let file = try ModelFile(path: path)
    switch ModelFormat.detect(file) {
    case .xgboostJSON: return namesLearner(file)
    case .xgboostUBJSON, .xgboostBinary, .lightGBMText, .onnx: return true
    case .unknown: return false
    }
  }

  /// Any JSON document looks like XGBoost's from its first byte: a model begins with a learner.
  private static func namesLearner(_ file: ModelFile) -> Bool {
    let word = Array("\"learner\"".utf8)
    return file.bytes.withUnsafeBytes { $0.prefix(4096).firstRange(of: word) != nil }
  }

  private static func listed(_ names: [String]) -> String {
    let shown = names.sorted().prefix(8).joined(separator: ", ")
    return names.count > 8 ? shown + ", …" : shown
  }
}

/// What lies at a path.
enum FileKind: Equatable {
  case file
  case folder

  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: return nil
    }
  }
}

/// The names in a folder that do not begin with a dot, sorted.
func folderNames(_ path: String) throws(ModelFormatError) -> [String] {
  guard let folder = opendir(path) else {
    throw .system(errno, path: path)
  }
  defer { closedir(folder) }
  var names: [String] = []
  while let entry = readdir(folder) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if !name.hasPrefix(".") { names.append(name) }
  }
  return names.sorted()
}
