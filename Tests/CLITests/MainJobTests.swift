import Documents
import Foundation
import HTTP
import TestTimes
import Testing

/// What a new user does first: the four sample models, a request to each, a split, a change of it.
@Suite(.serialized) struct MainJobTests {
  @Test func `each sample model answers what its training library said`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    for (endpoint, package) in SampleModels.all {
      let folder = GatewayProcess.models.appendingPathComponent(package)
      let request = try Data(contentsOf: folder.appendingPathComponent("sample-request.json"))
      let expected = try Data(contentsOf: folder.appendingPathComponent("sample-response.json"))
      let response = try gateway.client().send(
        method: "POST", path: "/endpoints/\(endpoint)/score",
        headers: [
          ("Authorization", "Bearer \(try gateway.key(of: endpoint))"),
          ("azureml-model-deployment", "blue"),
        ], body: Array(request))
      #expect(response.status == 200)
      #expect(response.header("azureml-model-deployment") == "blue")
      let got = try JSONReader.read(response.body.span, source: "answer")
      let want = try JSONReader.read(Array(expected).span, source: "sample")
      let isTree = ["breast-cancer", "diabetes"].contains(endpoint)
      #expect(
        SampleModels.isClose(got, want, relative: isTree ? 0 : 1e-4, absolute: isTree ? 0 : 1e-5),
        "\(endpoint): \(String(decoding: response.body, as: UTF8.self))")
    }
    #expect(gateway.terminate() == 0)
  }

  @Test func `ten thousand requests land 90 to 10 within three standard deviations`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let load = LoadGenerator(
      port: gateway.port, path: "/endpoints/breast-cancer/score",
      key: try gateway.key(of: "breast-cancer"), body: try SampleModels.request("breast-cancer/1"))
    let count = Campaign.count(10_000, full: 20_000)
    load.start(clients: 8, maxRequestsEach: count / 8, reconnecting: false)
    let tally = load.finish()
    #expect(tally.failures.isEmpty)
    #expect(tally.answers == [200: count])
    let green = tally.deployments["green"] ?? 0
    let deviation = (Double(count) * 0.1 * 0.9).squareRoot()
    #expect(
      abs(Double(green - count / 10)) <= 3 * deviation, "green answered \(green) of \(count)")
    print("split: green answered \(green) of \(count) at 10 %")
  }

  @Test(arguments: ["apply", "SIGHUP"])
  func `changing the YAML shifts the traffic without a failed request`(way: String) throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let models = folder.appendingPathComponent("models")
    try FileManager.default.copyItem(at: GatewayProcess.models, to: models)
    let gateway = try GatewayProcess(arguments: ["--apply", models.path])
    let load = LoadGenerator(
      port: gateway.port, path: "/endpoints/breast-cancer/score",
      key: try gateway.key(of: "breast-cancer"), body: try SampleModels.request("breast-cancer/1"))
    load.start(clients: 8)

    let file = models.appendingPathComponent("endpoints/breast-cancer.yml")
    let text = try String(contentsOf: file, encoding: .utf8)
      .replacingOccurrences(of: "90", with: "50").replacingOccurrences(of: "10", with: "50")
    try text.write(to: file, atomically: true, encoding: .utf8)
    if way == "apply" {
      let result = try gateway.swerve("apply", "-f", file.path)
      #expect(result.status == 0, "\(result.error)")
    } else {
      gateway.signal(SIGHUP)
    }
    let query = ["online-endpoint", "show", "-n", "breast-cancer", "--query", "traffic.blue"]
    var share = ""
    for _ in 0..<100 where share != "50" {
      share = try CommandResult.run(
        query + ["-o", "tsv", "--workspace", gateway.workspace.path]
      ).output.trimmingCharacters(in: .whitespacesAndNewlines)
      pause(milliseconds: 50)
    }
    #expect(share == "50")
    let during = load.stop()
    #expect(during.notOK == 0, "\(during.answers) \(during.failures.prefix(3))")

    let after = LoadGenerator(
      port: gateway.port, path: "/endpoints/breast-cancer/score",
      key: try gateway.key(of: "breast-cancer"), body: try SampleModels.request("breast-cancer/1"))
    after.start(clients: 4, maxRequestsEach: 500, reconnecting: false)
    let tally = after.finish()
    let green = tally.deployments["green"] ?? 0
    // Five standard deviations: by chance alone, once in two million runs.
    #expect(abs(green - 1000) <= 112, "green answered \(green) of 2,000 at 50 %")
    print("\(way): \(during.sent) requests during the change, 0 failed; then green \(green)/2000")
  }

  @Test func `a second start finds the workspace as it was left`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    #expect(
      try gateway.swerve(
        "online-endpoint", "update", "-n", "breast-cancer", "--traffic", "blue=70 green=30"
      ).status == 0)
    gateway.terminate()
    try gateway.start(arguments: ["--apply", GatewayProcess.models.path])
    #expect(try gateway.key(of: "iris") == key)
    // An unchanged document does not undo what somebody changed by hand.
    let share = try gateway.swerve(
      "online-endpoint", "show", "-n", "breast-cancer", "--query", "traffic.green", "-o", "tsv")
    #expect(share.output == "30\n")
  }

  @Test func `a model file is served without any YAML`() throws {
    let path = GatewayProcess.models.appendingPathComponent("breast-cancer/1/model.json").path
    let gateway = try GatewayProcess(arguments: ["--model", "churn=\(path)"])
    #expect(gateway.readyLine.contains("/endpoints/churn/score"))
    let response = try gateway.client().send(
      method: "POST", path: "/endpoints/churn/score",
      headers: [("Authorization", "Bearer \(try gateway.key(of: "churn"))")],
      body: try SampleModels.request("breast-cancer/1"))
    #expect(response.status == 200)
    gateway.terminate()
    try gateway.start(arguments: ["--model", "churn=\(path)"])
    let versions = try gateway.swerve("model", "list", "-n", "churn", "--query", "[].version")
    #expect(versions.output.filter(\.isNumber) == "1", "the same file is no new version")
  }

  @Test func `what has no effect here is told on standard error, once`() throws {
    let gateway = try GatewayProcess(arguments: [])
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ name: String, _ text: String) throws -> String {
      let path = folder.appendingPathComponent(name).path
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }
    let endpoint = try gateway.swerve(
      "online-endpoint", "create", "--query", "name", "-o", "tsv", "-f",
      try write("endpoint.yml", "name: churn\nauth_mode: key\npublic_network_access: disabled\n"))
    #expect(endpoint.status == 0 && endpoint.output == "churn\n")
    #expect(
      endpoint.error
        == "swerve: warning: endpoint churn: public_network_access is kept and has no effect on "
        + "this gateway\n")
    let model = GatewayProcess.models.appendingPathComponent("breast-cancer/1/model.json").path
    let text = """
      name: blue
      endpoint_name: churn
      type: managed
      model: {path: "\(model)"}
      instance_type: Standard_DS3_v2
      instance_count: 1
      scale_settings: {type: target_utilization}
      egress_public_network_access: disabled
      """
    let deployment = try gateway.swerve(
      "online-deployment", "create", "--all-traffic", "--query", "name", "-o", "tsv", "-f",
      try write("blue.yml", text))
    #expect(deployment.status == 0 && deployment.output == "blue\n")
    #expect(deployment.error.hasPrefix("swerve: warning: deployment churn/blue: "))
    for field in ["instance_type", "scale_settings", "egress_public_network_access"] {
      #expect(deployment.error.contains(field), "\(deployment.error)")
    }
    #expect(!deployment.error.contains("instance_count") && !deployment.error.contains(": type"))
    let change = try gateway.swerve(
      "online-deployment", "update", "-n", "blue", "-e", "churn", "--set", "description=first")
    #expect(change.status == 0 && change.error.isEmpty, "\(change.error)")
  }
}

enum SampleModels {
  static let all = [
    ("iris", "iris/1"), ("breast-cancer", "breast-cancer/1"), ("diabetes", "diabetes/1"),
    ("digits", "digits/1"),
  ]

  static func request(_ package: String) throws -> [UInt8] {
    Array(
      try Data(
        contentsOf: GatewayProcess.models.appendingPathComponent("\(package)/sample-request.json")))
  }

  static func isClose(
    _ got: DocumentValue, _ want: DocumentValue, relative: Double, absolute: Double
  ) -> Bool {
    if case .array(let left) = got, case .array(let right) = want {
      return left.count == right.count
        && zip(left, right).allSatisfy {
          isClose($0, $1, relative: relative, absolute: absolute)
        }
    }
    guard let left = number(got), let right = number(want) else { return got == want }
    return abs(left - right) <= absolute + relative * abs(right)
  }

  private static func number(_ value: DocumentValue) -> Double? {
    switch value {
    case .integer(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}
