import Foundation
import HTTP
import TestTimes
import Testing

/// Bad input gets a clear error that names the thing and what was expected, and nothing is lost.
@Suite(.serialized) struct BadInputTests {
  let gateway: GatewayProcess

  init() throws {
    gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
  }
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var endpoint = "breast-cancer"
    var method = "POST"
    var key: String? = "right"
    var headers: [(name: String, value: String)] = []
    var body: @Sendable () throws -> [UInt8]
    var status: Int
    /// Words that the answer must hold.
    var says: [String]
    var testDescription: String { name }
  }

  static func bytes(_ text: String) -> @Sendable () -> [UInt8] { { Array(text.utf8) } }
  static let good: @Sendable () throws -> [UInt8] = { try SampleModels.request("breast-cancer/1") }

  static let cases: [Case] = [
    Case(
      name: "wrong column", endpoint: "iris",
      body: bytes(
        #"{"input_data":{"columns":["sepal length (cm)","sepal width (cm)","petal length (cm)","petal wdth (cm)"],"data":[[1,2,3,4]]}}"#
      ), status: 400, says: ["petal width (cm)"]),
    Case(
      name: "missing column", endpoint: "iris",
      body: bytes(
        #"{"input_data":{"columns":["sepal length (cm)","sepal width (cm)","petal length (cm)"],"data":[[1,2,3]]}}"#
      ), status: 400, says: ["petal width (cm)"]),
    Case(
      name: "wrong number of columns", endpoint: "iris", body: bytes(#"{"data":[[1,2,3]]}"#),
      status: 400, says: ["3", "4"]),
    Case(
      name: "text for a number", endpoint: "iris", body: bytes(#"{"data":[[1,2,"three",4]]}"#),
      status: 400, says: ["$.data[0][2]", "three"]),
    Case(name: "empty body", body: bytes(""), status: 400, says: ["empty"]),
    Case(
      name: "truncated JSON", endpoint: "iris", body: bytes(#"{"data":[[1,2,"#), status: 400,
      says: []),
    Case(
      name: "65-deep JSON", endpoint: "iris",
      body: bytes(
        #"{"params":"# + String(repeating: "[", count: 64) + "1"
          + String(repeating: "]", count: 64) + #","data":[[1,2,3,4]]}"#), status: 400,
      says: ["64"]),
    Case(
      name: "100 MB body", endpoint: "iris",
      body: { [UInt8](repeating: 0x20, count: 100_000_000) }, status: 413, says: ["67108864"]),
    Case(name: "unknown endpoint", endpoint: "nowhere", body: good, status: 404, says: ["nowhere"]),
    Case(
      name: "unknown deployment", headers: [("azureml-model-deployment", "purple")], body: good,
      status: 404, says: ["purple", "blue", "green"]),
    Case(name: "no key", key: nil, body: good, status: 401, says: ["Authorization"]),
    Case(name: "wrong key", key: "swk_wrong", body: good, status: 401, says: ["key"]),
    Case(name: "wrong method", method: "PUT", body: good, status: 405, says: ["POST"]),
  ]

  @Test(arguments: cases)
  func `the answer names the thing and the connection stays usable`(bad: Case) throws {
    let known = bad.endpoint == "nowhere" ? "iris" : bad.endpoint
    let right = try gateway.key(of: known)
    var headers = bad.headers
    if let key = bad.key {
      headers.append(("Authorization", "Bearer \(key == "right" ? right : key)"))
    }
    let client = gateway.client()
    let response = try client.send(
      method: bad.method, path: "/endpoints/\(bad.endpoint)/score", headers: headers,
      body: try bad.body())
    let text = String(decoding: response.body, as: UTF8.self)
    #expect(response.status == bad.status, "\(text)")
    for word in bad.says { #expect(text.contains(word), "\(text) does not say '\(word)'") }
    #expect(!text.contains(right), "an answer must not hold a key")

    let after = try client.send(
      method: "POST", path: "/endpoints/breast-cancer/score",
      headers: [("Authorization", "Bearer \(try gateway.key(of: "breast-cancer"))")],
      body: try BadInputTests.good())
    #expect(after.status == 200)
  }

  @Test func `a traffic sum of 90 is refused and nothing changes`() throws {
    let result = try gateway.swerve(
      "online-endpoint", "update", "-n", "breast-cancer", "--traffic", "blue=80 green=10")
    #expect(result.status == 1)
    #expect(result.error.contains("90"), "\(result.error)")
    let share = try gateway.swerve(
      "online-endpoint", "show", "-n", "breast-cancer", "--query", "traffic.blue", "-o", "tsv")
    #expect(share.output == "90\n")
  }

  @Test func `traffic for an unknown deployment is refused`() throws {
    let result = try gateway.swerve(
      "online-endpoint", "update", "-n", "breast-cancer", "--traffic", "purple=100")
    #expect(result.status == 1)
    #expect(result.error.contains("purple"), "\(result.error)")
  }

  @Test func `an ONNX file with an unknown operator is refused with its name`() throws {
    var model = Array(
      try Data(contentsOf: GatewayProcess.models.appendingPathComponent("iris/1/model.onnx")))
    // The node's name and its operator: each is that word.
    let name = Array("LinearClassifier".utf8)
    for place in 0...(model.count - name.count)
    where Array(model[place..<place + name.count]) == name {
      model.replaceSubrange(place..<place + name.count, with: Array("LinearClassifieX".utf8))
    }
    try refused(model, suffix: "onnx", says: "LinearClassifieX", gateway)
  }

  @Test func `a truncated XGBoost file is refused`() throws {
    let model = Array(
      try Data(
        contentsOf: GatewayProcess.models.appendingPathComponent("breast-cancer/1/model.json")))
    try refused(Array(model[..<(model.count / 2)]), suffix: "json", says: "XGBoost", gateway)
  }

  private func refused(
    _ model: [UInt8], suffix: String, says word: String, _ gateway: GatewayProcess
  ) throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("model.\(suffix)")
    try Data(model).write(to: file)
    let result = try gateway.swerve("model", "create", "-n", "rotten", "-p", file.path)
    #expect(result.status == 1)
    #expect(result.error.contains(word), "\(result.error)")
    #expect(try gateway.swerve("model", "show", "-n", "rotten").status == 1)
  }

  @Test func `a YAML with an unknown field is refused with the nearest name`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("endpoint.yml")
    try """
    $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
    name: fresh
    trafic: {blue: 100}
    """.write(to: file, atomically: true, encoding: .utf8)
    let result = try gateway.swerve("apply", "-f", file.path)
    #expect(result.status == 1)
    #expect(result.error.contains("trafic") && result.error.contains("traffic"), "\(result.error)")
  }

  @Test func `a bad document on SIGHUP leaves everything as it was`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let models = folder.appendingPathComponent("models")
    try FileManager.default.copyItem(at: GatewayProcess.models, to: models)
    let gateway = try GatewayProcess(arguments: ["--apply", models.path])
    let file = models.appendingPathComponent("endpoints/breast-cancer.yml")
    let text = try String(contentsOf: file, encoding: .utf8)
    try text.replacingOccurrences(of: "90", with: "80")
      .write(to: file, atomically: true, encoding: .utf8)
    gateway.signal(SIGHUP)
    var log = ""
    for _ in 0..<100 where !log.contains("breast-cancer.yml") {
      pause(milliseconds: 50)
      log = gateway.log()
    }
    #expect(log.contains("breast-cancer.yml"), "the log names the file")
    #expect(log.contains("traffic"), "and the field")
    let share = try gateway.swerve(
      "online-endpoint", "show", "-n", "breast-cancer", "--query", "traffic.blue", "-o", "tsv")
    #expect(share.output == "90\n")
    let metrics = try gateway.client().send(method: "GET", path: "/metrics")
    let metricsText = String(decoding: metrics.body, as: UTF8.self)
    #expect(metricsText.contains("swerve_reload_failures_total 1"))
  }

  @Test func `one rotten model among four leaves the other three serving`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let models = folder.appendingPathComponent("models")
    try FileManager.default.copyItem(at: GatewayProcess.models, to: models)
    let rotten = models.appendingPathComponent("diabetes/1/model.txt")
    let bytes = try Data(contentsOf: rotten)
    try bytes.prefix(bytes.count / 2).write(to: rotten)
    let gateway = try GatewayProcess(arguments: ["--apply", models.path])
    for name in ["iris", "breast-cancer", "digits"] {
      let response = try gateway.client().send(
        method: "POST", path: "/endpoints/\(name)/score",
        headers: [("Authorization", "Bearer \(try gateway.key(of: name))")],
        body: try SampleModels.request("\(name)/1"))
      #expect(response.status == 200, "\(name)")
    }
    #expect(gateway.log().contains("diabetes"))
    #expect(try gateway.client().send(method: "GET", path: "/readyz").status == 200)
  }

  @Test func `a port in use is said before anything is done`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let result = try CommandResult.run([
      "serve", "--workspace", folder.path, "--port", "\(gateway.port)",
    ])
    #expect(result.status == 1)
    #expect(result.error.contains("127.0.0.1:\(gateway.port)"), "\(result.error)")
    #expect(result.error.contains("in use"))
  }

  @Test func `a second gateway on one workspace is told who holds it`() throws {
    let start = Date()
    let result = try CommandResult.run([
      "serve", "--workspace", gateway.workspace.path, "--port", "0",
    ])
    #expect(result.status == 1)
    #expect(result.error.contains("\(gateway.process.processIdentifier)"), "\(result.error)")
    #expect(Date().timeIntervalSince(start) < 1)
  }

  @Test func `off loopback without TLS it refuses to listen`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let result = try CommandResult.run([
      "serve", "--workspace", folder.path, "--host", "0.0.0.0", "--port", "0",
    ])
    #expect(result.status == 1)
    #expect(result.error.contains("--tls-upstream"), "\(result.error)")
  }
}
