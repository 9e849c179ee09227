import Documents
import Executors
import TestFolders
import Testing

@testable import Serving

#if canImport(Glibc)
  import Glibc
#endif

struct ModelLoaderTests {
  private let models = packageRoot + "/models"

  @Test(arguments: [
    ("breast-cancer/1/model.json", "xgboost-json"), ("diabetes/1/model.txt", "lightgbm-text"),
    ("iris/1/model.onnx", "onnx"), ("digits/1/model.onnx", "onnx"),
  ])
  func `a model's format is told from its content`(path: String, format: String) throws {
    let model = try ModelLoader.load(path: models + "/" + path)
    #expect(model.format == format)
    guard case .object(let inspection) = model.inspection else {
      Issue.record("the inspection is no object")
      return
    }
    #expect(inspection.keys == ["format", "summary", "inputs", "outputs"])
    #expect(inspection["format"] == .string(format))
  }

  @Test(arguments: ["breast-cancer/1", "diabetes/1", "iris/1"])
  func `a folder with one model is that model`(folder: String) throws {
    #expect(try ModelLoader.load(path: models + "/" + folder).signature.inputs.count == 1)
  }

  @Test func `properties name the columns and choose the outputs`() throws {
    let model = try ModelLoader.load(
      path: models + "/iris/1/model.onnx",
      properties: [
        "swerve.columns": #"["a", "b", "c", "d"]"#,
        "swerve.response.outputs": #"["probabilities"]"#,
      ])
    #expect(model.signature.inputs[0].columns == ["a", "b", "c", "d"])
    #expect(model.defaultOutputs.map { model.signature.outputs[$0].name } == ["probabilities"])
  }

  @Test(arguments: [
    (["swerve.columns": #"["a"]"#], "1 columns are named"),
    (["swerve.columns": #"["a", "a", "b", "c"]"#], "different names"),
    (["swerve.columns": "a, b"], "swerve.columns"),
    (["swerve.response.outputs": #"["nothing"]"#], "the model has no output 'nothing'"),
  ])
  func `properties that do not fit the model are refused`(
    properties: [String: String], reason: String
  ) {
    let error = #expect(throws: ModelFormatError.self) {
      try ModelLoader.load(path: models + "/iris/1/model.onnx", properties: properties)
    }
    #expect("\(error.map(\.description) ?? "")".contains(reason))
  }

  @Test func `a Triton repository is its highest version`() throws {
    let folder = TemporaryFolder(for: "models")
    for version in ["1", "2", "10"] {
      try folder.makeFolder("model/\(version)")
      try folder.copy(models + "/iris/1/model.onnx", to: "model/\(version)/model.onnx")
    }
    try folder.write("name: \"model\"", to: "model/config.pbtxt")
    #expect(
      try ModelArtifact(path: folder.path, type: "triton_model").file
        == folder.path + "/model/10/model.onnx")
  }

  @Test func `a folder with two models is refused with their names`() throws {
    let folder = TemporaryFolder(for: "models")
    try folder.copy(models + "/iris/1/model.onnx", to: "a.onnx")
    try folder.copy(models + "/diabetes/1/model.txt", to: "b.txt")
    let error = #expect(throws: ModelFormatError.self) {
      try ModelLoader.load(path: folder.path)
    }
    #expect("\(error.map(\.description) ?? "")".contains("a.onnx, b.txt"))
  }

  @Test func `an MLflow directory gives its model and its columns`() throws {
    let folder = TemporaryFolder(for: "models")
    try folder.copy(models + "/iris/1/model.onnx", to: "model.onnx")
    try folder.write(
      """
      flavors:
        onnx:
          data: model.onnx
        python_function:
          loader_module: mlflow.onnx
      signature:
        inputs: '[{"type": "double", "name": "w"}, {"type": "double", "name": "x"},
          {"type": "double", "name": "y"}, {"type": "double", "name": "z"}]'
      """, to: "MLmodel")
    let model = try ModelLoader.load(path: folder.path, type: "mlflow_model")
    #expect(model.format == "onnx")
    #expect(model.signature.inputs[0].columns == ["w", "x", "y", "z"])
  }

  @Test(arguments: [
    ("sklearn:\n    pickled_model: model.pkl", "skl2onnx.to_onnx(model, X[:1])"),
    ("lightgbm:\n    data: model.pkl", "mlflow.lightgbm.save_model("),
    ("onnx:\n    data: ../../etc/passwd", "leads out of the folder"),
    ("python_function:\n    loader_module: x", "only the python_function flavor"),
  ])
  func `an MLflow model that needs Python is refused with what to do`(
    flavor: String, reason: String
  ) throws {
    let folder = TemporaryFolder(for: "models")
    try folder.write("flavors:\n  \(flavor)\n", to: "MLmodel")
    let error = #expect(throws: ModelFormatError.self) {
      try ModelLoader.load(path: folder.path, type: "mlflow_model")
    }
    #expect("\(error.map(\.description) ?? "")".contains(reason))
  }

  @Test func `a pickle is refused with what to do`() throws {
    let folder = TemporaryFolder(for: "models")
    try folder.write("\u{0}", to: "model.pkl", bytes: [0x80, 0x04, 0x95, 0x00])
    let error = #expect(throws: ModelFormatError.self) {
      try ModelLoader.load(path: folder.path + "/model.pkl")
    }
    #expect("\(error.map(\.description) ?? "")".contains("skl2onnx"))
  }
}

/// The repository's folder, from this file's own place in it; the build may go through a link.
let packageRoot: String = {
  var path = #filePath
  if let real = realpath(path, nil) {
    path = String(cString: real)
    free(real)
  }
  for _ in 0..<4 { path = path[..<(path.lastIndex(of: "/") ?? path.startIndex)].description }
  return path
}()

extension TemporaryFolder {
  func makeFolder(_ name: String) throws {
    var folder = path
    for part in name.split(separator: "/") {
      folder += "/" + part
      mkdir(folder, 0o700)
    }
  }

  func write(_ text: String, to name: String, bytes: [UInt8]? = nil) throws {
    let file = try #require(fopen(path + "/" + name, "w"))
    let content = bytes ?? Array(text.utf8)
    fwrite(content, 1, content.count, file)
    fclose(file)
  }

  func copy(_ source: String, to name: String) throws {
    let file = try ModelFile(path: source)
    try write("", to: name, bytes: file.bytes.withUnsafeBytes { Array($0) })
  }
}
