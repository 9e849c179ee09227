import Foundation
import TestTimes
import Testing

/// `RELIABILITY.md` O2: packages that are broken, each its own way, deployed below live traffic.
@Suite(.serialized) struct BadPackageTests {
  private struct Package {
    var name: String
    /// Below the package's folder; the first is what `path` names, when that is no folder.
    var files: [(path: String, bytes: Data)]
    var isFolder = false
    var type = "custom_model"
    /// The first file is damaged where it is kept, once it is registered.
    var isDamagedLater = false
  }

  private static func model(_ path: String) throws -> Data {
    try Data(contentsOf: GatewayProcess.models.appendingPathComponent(path))
  }

  private static func replacing(_ old: String, with new: String, in data: Data) throws -> Data {
    let range = try #require(data.range(of: Data(old.utf8)), "\(old)")
    var changed = data
    changed.replaceSubrange(range, with: Data(new.utf8))
    return changed
  }

  private static func packages() throws -> [Package] {
    let xgboost = try model("breast-cancer/1/model.json")
    let lightGBM = try model("diabetes/1/model.txt")
    let onnx = try model("digits/1/model.onnx")
    func changed(_ data: Data, _ old: String, _ new: String) throws -> Data {
      try replacing(old, with: new, in: data)
    }
    func everywhere(_ data: Data, _ old: String, _ new: String) throws -> Data {
      var data = try changed(data, old, new)
      while data.range(of: Data(old.utf8)) != nil { data = try changed(data, old, new) }
      return data
    }
    func sampled(_ name: String, _ request: String, _ response: String) -> Package {
      Package(
        name: name,
        files: [
          ("model.json", xgboost), ("sample-request.json", Data(request.utf8)),
          ("sample-response.json", Data(response.utf8)),
        ])
    }
    func mlflow(_ name: String, _ document: String) -> Package {
      Package(
        name: name, files: [("MLmodel", Data(document.utf8))], isFolder: true, type: "mlflow_model")
    }
    let request = String(decoding: try model("breast-cancer/1/sample-request.json"), as: UTF8.self)
    var all: [Package] = []
    for part in 0..<5 {
      all.append(
        Package(
          name: "XGBoost cut at \(part) of 5",
          files: [("model.json", xgboost.prefix(xgboost.count * part / 5))]))
    }
    for part in 1..<4 {
      all.append(
        Package(
          name: "LightGBM cut at \(part) of 4",
          files: [("model.txt", lightGBM.prefix(lightGBM.count * part / 4))]))
      all.append(
        Package(
          name: "ONNX cut at \(part) of 4",
          files: [("model.onnx", onnx.prefix(onnx.count * part / 4))]))
    }
    all += [
      Package(name: "an empty ONNX file", files: [("model.onnx", Data())]),
      Package(name: "an empty LightGBM file", files: [("model.txt", Data())]),
      Package(
        name: "an unknown objective",
        files: [("model.json", try changed(xgboost, "binary:logistic", "binary:nonsense"))]),
      Package(
        name: "a child that is not there",
        files: [
          ("model.json", try changed(xgboost, "\"left_children\":[1", "\"left_children\":[999"))
        ]
      ),
      Package(
        name: "an unknown operator", files: [("model.onnx", try everywhere(onnx, "Relu", "Rely"))]),
      Package(
        name: "fewer leaves than there are",
        files: [("model.txt", try changed(lightGBM, "num_leaves=", "num_leaves=1"))]),
      Package(name: "JSON of something else", files: [("model.json", Data("{\"a\": [1]}".utf8))]),
      Package(name: "a picture", files: [("model.onnx", Data("\u{89}PNG\r\n\u{1A}\n....".utf8))]),
      Package(
        name: "UBJSON that lies about its lengths",
        files: [("model.ubj", Data("{L\u{7F}\u{7F}\u{7F}\u{7F}\u{7F}\u{7F}\u{7F}\u{7F}".utf8))]),
      Package(name: "a pickle", files: [("model.pkl", Data([0x80, 0x04, 0x95, 0x2E]))]),
      Package(
        name: "a folder without a model", files: [("notes.txt", Data("x".utf8))], isFolder: true),
      mlflow("an MLflow model of Python code", "flavors:\n  python_function: {loader_module: x}\n"),
      mlflow(
        "an MLflow model whose file is missing",
        "flavors:\n  xgboost: {data: model.ubj, model_class: xgboost.core.Booster}\n"),
      mlflow("an MLmodel that is no YAML", "flavors: [\n"),
      sampled("an answer that the model does not give", request, "[0.5]"),
      sampled("a sample of another width", "{\"data\": [[1]]}", "[0.5]"),
      sampled("a sample that is no JSON", "{\"data\": [[", "[0.5]"),
      sampled("an answer that is no JSON", request, "[0.5"),
      Package(
        name: "a file that is changed after it was hashed", files: [("model.json", xgboost)],
        isDamagedLater: true),
    ]
    return all
  }

  private func write(_ package: Package, version: Int, to folder: URL) throws {
    try? FileManager.default.removeItem(at: folder)
    // A sample lies beside the document, as in `models`.
    let content = package.isFolder ? folder.appendingPathComponent("package") : folder
    try FileManager.default.createDirectory(at: content, withIntermediateDirectories: true)
    for file in package.files {
      try file.bytes.write(to: content.appendingPathComponent(file.path))
    }
    try """
    $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
    name: bad
    version: \(version)
    type: \(package.type)
    path: \(package.isFolder ? "package" : package.files[0].path)
    """.write(to: folder.appendingPathComponent("model.yml"), atomically: true, encoding: .utf8)
    try """
    $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
    name: green
    endpoint_name: breast-cancer
    model: azureml:bad:\(version)
    """.write(
      to: folder.appendingPathComponent("deployment.yml"), atomically: true, encoding: .utf8)
  }

  @Test func `O2 · a bad version never takes traffic`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let load = LoadGenerator(
      port: gateway.port, path: "/endpoints/breast-cancer/score",
      key: try gateway.key(of: "breast-cancer"), body: try SampleModels.request("breast-cancer/1"))
    load.start(clients: 4)
    let packages = try Self.packages()
    #expect(packages.count >= 30)
    let wanted = Campaign.count(0, full: 100_000)
    var slowest = 0.0
    for (index, package) in packages.enumerated() {
      try write(package, version: index + 1, to: folder)
      if package.isDamagedLater {
        let made = try gateway.swerve(
          "model", "create", "-f", folder.appendingPathComponent("model.yml").path)
        #expect(made.status == 0, "\(made.error)")
        let stored = try #require(
          FileManager.default.enumerator(
            at: gateway.workspace.appendingPathComponent("models/bad/\(index + 1)"),
            includingPropertiesForKeys: nil)?.compactMap { $0 as? URL }
            .first { $0.lastPathComponent == package.files[0].path })
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: stored.path)
        var bytes = try Data(contentsOf: stored)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: stored)
      }
      let start = Date()
      let result = try gateway.swerve("apply", "-f", folder.path)
      slowest = max(slowest, Date().timeIntervalSince(start))
      #expect(result.status == 1, "\(package.name) was taken: \(result.output)")
      #expect(
        result.error.contains("model.yml: ") || result.error.contains("deployment.yml: "),
        "\(package.name): \(result.error)")
      let shown = try gateway.swerve(
        "online-endpoint", "show", "-n", "breast-cancer", "--query", "traffic.green", "-o", "tsv")
      #expect(shown.output == "10\n", "\(package.name)")
    }
    #expect(slowest < 30)
    // Requests go on beside what the refused ones left.
    while load.sentSoFar < wanted { pause(milliseconds: 100) }
    let tally = load.stop()
    #expect(tally.notOK == 0, "\(tally.answers) \(tally.failures.prefix(3))")
    print(
      "O2: \(packages.count) bad packages refused, the slowest after \(Int(slowest * 1000)) ms, "
        + "\(tally.sent) requests beside, \(tally.notOK) failed")
    #expect(gateway.terminate() == 0)
  }
}
