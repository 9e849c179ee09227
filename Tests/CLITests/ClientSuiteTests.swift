import Foundation
import Testing

/// The clients that exist, unmodified, against a gateway of their own: `Tests/Clients`.
@Suite(.serialized) struct ClientSuiteTests {
  static let folder = GatewayProcess.packageRoot.appendingPathComponent("Tests/Clients")

  /// Where `.ci/setup test` installs the clients; nil where it has not.
  static var python: URL? {
    let python = GatewayProcess.packageRoot
      .appendingPathComponent(".build/clients-venv/bin/python")
    if FileManager.default.isExecutableFile(atPath: python.path) { return python }
    print("skipped: the clients are not installed; .ci/setup test does it")
    if ProcessInfo.processInfo.environment["CI"] == "true" {
      Issue.record("in CI the clients must be installed: \(python.path)")
    }
    return nil
  }

  /// MLflow's client has no place for a key: it gets an endpoint that wants none.
  private static func modelsWithAnOpenEndpoint() throws -> URL {
    let folder = GatewayProcess.temporaryFolder().appendingPathComponent("models")
    try FileManager.default.copyItem(at: GatewayProcess.models, to: folder)
    let schema = "https://azuremlschemas.azureedge.net/latest/managedOnline"
    try """
    $schema: \(schema)Endpoint.schema.json
    name: open
    auth_mode: key
    traffic: {blue: 100}
    swerve: {auth: none}
    """.write(
      to: folder.appendingPathComponent("endpoints/open.yml"), atomically: true, encoding: .utf8)
    try """
    $schema: \(schema)Deployment.schema.json
    name: blue
    endpoint_name: open
    model: azureml:breast-cancer:1
    """.write(
      to: folder.appendingPathComponent("endpoints/open-blue.yml"), atomically: true,
      encoding: .utf8)
    return folder
  }

  @Test(arguments: ["test_triton", "test_mlflow", "test_rest", "test_kserve", "test_openapi"])
  func `the client suite passes`(suite: String) throws {
    guard let python = Self.python else { return }
    let identity = Self.folder.appendingPathComponent("identity.onnx").path
    let models = try Self.modelsWithAnOpenEndpoint()
    defer { try? FileManager.default.removeItem(at: models) }
    // Schemathesis tries wrong keys with most of its requests, and expects 401 each time.
    let gateway = try GatewayProcess(arguments: [
      "--apply", models.path, "--model", "identity=\(identity)", "--default-endpoint", "open",
      "--server-name", "triton", "--model-control", "explicit", "--max-key-failures", "0",
    ])
    var keys: [String: String] = [:]
    for endpoint in ["breast-cancer", "diabetes", "digits", "iris", "identity"] {
      keys[endpoint] = try gateway.key(of: endpoint)
    }
    let made = try gateway.swerve("admin-key", "create", "-n", "clients", "-o", "json")
    let words = made.output.split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "-" }
    let admin = try #require(words.first { $0.hasPrefix("swa_") })

    let process = Process()
    process.executableURL = python
    process.arguments = ["-m", "unittest", "-v", suite]
    process.currentDirectoryURL = Self.folder
    process.environment = ProcessInfo.processInfo.environment.merging([
      "SWERVE_URL": gateway.address, "SWERVE_ADMIN_KEY": String(admin),
      "SWERVE_KEYS": String(decoding: try JSONEncoder().encode(keys), as: UTF8.self),
      "SWERVE_MODELS": GatewayProcess.models.path, "PYTHONDONTWRITEBYTECODE": "1",
    ]) { $1 }
    let logPath = gateway.workspace.appendingPathComponent("clients.log")
    _ = FileManager.default.createFile(atPath: logPath.path, contents: nil)
    let log = try FileHandle(forWritingTo: logPath)
    process.standardOutput = log
    process.standardError = log
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let text = try String(contentsOf: logPath, encoding: .utf8)
    let isGreen = process.terminationStatus == 0
    #expect(isGreen, "\(text)")
    let summary = text.split(separator: "\n").suffix(3).joined(separator: " ")
    print("clients \(suite): \(summary)")
    #expect(gateway.terminate() == 0)
  }
}
