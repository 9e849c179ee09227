import Digest
import Documents
import Foundation
import HTTP
import Testing

/// The same commands from another machine: over TLS, with an admin key, on a workspace that the
/// client cannot see.
@Suite(.serialized) struct RemoteTests {
  /// A gateway with a certificate of its own, and a key to it.
  private final class Bench {
    let folder = GatewayProcess.temporaryFolder()
    let gateway: GatewayProcess
    let url: String
    let key: String

    init() throws {
      let certificate = folder.appendingPathComponent("cert.pem").path
      let privateKey = folder.appendingPathComponent("key.pem").path
      try Certificate.make(certificate, key: privateKey)
      gateway = try GatewayProcess(arguments: [
        "--admin-listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", privateKey,
      ])
      guard case .object(let ready) = try JSONReader.read(gateway.readyLine, source: "ready"),
        case .string(let address)? = ready["admin_address"]
      else { throw GatewayProcess.StartFailure(description: gateway.readyLine) }
      url = address
      let made = try gateway.swerve(
        "admin-key", "create", "-n", "ci", "--query", "key", "-o", "tsv")
      key = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var caFile: String { folder.appendingPathComponent("cert.pem").path }

    /// Runs `swerve … --url`, in a folder without a workspace.
    func swerve(_ arguments: [String], key: String? = nil) throws -> CommandResult {
      try CommandResult.run(
        arguments + ["--url", url, "--ca-cert", caFile],
        environment: ["SWERVE_ADMIN_KEY": key ?? self.key, "SWERVE_WORKSPACE": "/nonexistent"],
        folder: folder)
    }

    func client() throws -> HTTPClient {
      HTTPClient(
        .tls(
          host: "127.0.0.1", port: UInt16(url.split(separator: ":").last ?? "") ?? 0, caFile: caFile
        ),
        timeout: .seconds(30))
    }

    static let workspace =
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"

    func send(
      _ method: String, _ path: String, _ body: DocumentValue? = nil
    ) throws -> (status: Int, body: DocumentValue) {
      var writer = JSONWriter()
      if let body { writer.document(body) }
      let response = try client().send(
        method: method, path: Self.workspace + path, headers: [("Authorization", "Bearer \(key)")],
        body: writer.bytes)
      let value = try? JSONReader.read(response.body.span, source: path)
      return (response.status, value ?? .null)
    }

    /// The names in the folder where uploads wait.
    var uploads: [String] {
      (try? FileManager.default.contentsOfDirectory(
        atPath: gateway.workspace.appendingPathComponent("uploads").path)) ?? []
    }
  }

  @Test func `models are created, shown and downloaded, endpoints applied and called`() throws {
    let bench = try Bench()
    let models = GatewayProcess.models
    let create = try bench.swerve([
      "model", "create", "-f", models.appendingPathComponent("iris/1/model.yml").path,
    ])
    #expect(create.status == 0, "\(create.error)")
    let local = try CommandResult.run(
      ["model", "show", "-n", "iris", "--workspace", bench.gateway.workspace.path])
    #expect(local.output == (try bench.swerve(["model", "show", "-n", "iris"])).output)

    let plan = try bench.swerve(["plan", "-f", models.path, "--query", "changes[0].action"])
    #expect(plan.output == "\"create\"\n", "\(plan.output) \(plan.error)")
    let apply = try bench.swerve(["apply", "-f", models.path])
    #expect(apply.status == 0, "\(apply.error)")
    let again = try bench.swerve([
      "apply", "-f", models.path, "--query", "changes[].action", "-o", "tsv",
    ])
    #expect(Set(again.output.split(whereSeparator: \.isWhitespace)) == ["unchanged"])
    #expect(bench.uploads.isEmpty, "an upload is removed once it is used")
    let begun = bench.gateway.log().components(separatedBy: "/swerve/uploads\",").count - 1
    #expect(begun == 3, "create, plan and the first apply have something to send")

    let request = models.appendingPathComponent("iris/1/sample-request.json").path
    let invoke = try bench.swerve([
      "online-endpoint", "invoke", "-n", "iris", "--request-file", request,
    ])
    let expected = try Data(
      contentsOf: models.appendingPathComponent("iris/1/sample-response.json"))
    #expect(
      SampleModels.isClose(
        try JSONReader.read(invoke.output, source: "answer"),
        try JSONReader.read(Array(expected).span, source: "sample"), relative: 1e-4,
        absolute: 1e-5), "\(invoke.output) \(invoke.error)")

    let download = try bench.swerve(["model", "download", "-n", "digits", "--version", "1"])
    #expect(download.status == 0, "\(download.error)")
    for file in ["model.onnx", "model.yml", "sample-request.json", "sample-response.json"] {
      let copy = try Data(contentsOf: bench.folder.appendingPathComponent("digits/\(file)"))
      #expect(copy == (try Data(contentsOf: models.appendingPathComponent("digits/1/\(file)"))))
    }

    let logs = try bench.swerve([
      "online-deployment", "get-logs", "-e", "iris", "-n", "blue", "--lines", "1",
    ])
    #expect(logs.output.contains(" INFO ready: generation "), "\(logs.output) \(logs.error)")
    #expect(logs.output.split(separator: "\n").count == 1)

    let traffic = try bench.swerve([
      "online-endpoint", "update", "-n", "breast-cancer", "--traffic", "blue=50 green=50",
    ])
    #expect(traffic.status == 0, "\(traffic.error)")
    #expect(try bench.swerve(["health"]).output == "ready\n")
    #expect(try bench.swerve(["doctor"]).status == 0)
    // What it prints as openapi_uri is there.
    let uri = try bench.swerve([
      "online-endpoint", "show", "-n", "iris", "--query", "openapi_uri", "-o", "tsv",
    ]).output.trimmingCharacters(in: .whitespacesAndNewlines)
    let described = try HTTPClient(
      .tls(host: "127.0.0.1", port: bench.gateway.port, caFile: bench.caFile)
    ).send(
      method: "GET", path: String(uri.dropFirst(bench.gateway.address.count)),
      headers: [("Authorization", "Bearer \(try bench.gateway.key(of: "iris"))")])
    #expect(uri.hasPrefix(bench.gateway.address))
    #expect(described.status == 200)
    #expect(bench.gateway.terminate() == 0)
  }

  @Test func `a deployment's own model is sent from beside its file`() throws {
    let bench = try Bench()
    let folder = bench.folder.appendingPathComponent("yaml")
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("model"), withIntermediateDirectories: true)
    let model = GatewayProcess.models.appendingPathComponent("breast-cancer/1/model.json")
    try FileManager.default.copyItem(
      at: model, to: folder.appendingPathComponent("model/model.json"))
    try Data("name: churn\nauth_mode: key\n".utf8)
      .write(to: folder.appendingPathComponent("endpoint.yml"))
    let deployment = folder.appendingPathComponent("blue.yml").path
    try "name: blue\nendpoint_name: churn\nmodel:\n  path: model\n"
      .write(toFile: deployment, atomically: true, encoding: .utf8)
    for arguments in [
      ["online-endpoint", "create", "-f", folder.appendingPathComponent("endpoint.yml").path],
      ["online-deployment", "create", "-f", deployment, "--all-traffic"],
      // Not sent again: the gateway has it.
      ["online-deployment", "update", "-n", "blue", "-e", "churn", "--set", "description=first"],
      ["apply", "-f", deployment],
    ] {
      let result = try bench.swerve(arguments)
      #expect(result.status == 0, "\(arguments): \(result.error)")
    }
    let invoke = try bench.swerve([
      "online-endpoint", "invoke", "-n", "churn", "--request-file",
      GatewayProcess.models.appendingPathComponent("breast-cancer/1/sample-request.json").path,
    ])
    #expect(invoke.status == 0, "\(invoke.error)")
    // A restart finds the model in the registry, and no upload.
    bench.gateway.terminate()
    try bench.gateway.start(arguments: [])
    let state = try bench.gateway.swerve(
      "online-deployment", "show", "-n", "blue", "-e", "churn", "--query", "provisioning_state")
    #expect(state.output == "\"Succeeded\"\n")
  }

  @Test func `without the right key, or encryption, nothing is done`() throws {
    let bench = try Bench()
    let wrong = try bench.swerve(["model", "list"], key: "swa_wrong")
    #expect(wrong.status == 1)
    #expect(wrong.error.contains("the admin key is missing or wrong"))
    #expect(!wrong.error.contains("swa_wrong"))
    let none = try bench.swerve(["model", "list"], key: "")
    #expect(none.status == 1)
    #expect(none.error.contains("SWERVE_ADMIN_KEY"))
    let file = bench.folder.appendingPathComponent("key").path
    try (bench.key + "\n").write(toFile: file, atomically: true, encoding: .utf8)
    #expect(
      try bench.swerve(["model", "list", "--admin-key-file", file], key: "").output == "[]\n")
    let plain = try CommandResult.run(
      ["model", "list", "--url", "http://gateway.example:8081"],
      environment: ["SWERVE_ADMIN_KEY": bench.key])
    #expect(plain.status == 1)
    #expect(plain.error.contains("use https"))
    let untrusted = try CommandResult.run(
      ["model", "list", "--url", bench.url], environment: ["SWERVE_ADMIN_KEY": bench.key])
    #expect(untrusted.status == 1)
    #expect(untrusted.error.contains("TLS"))
    let both = try bench.swerve(["model", "list", "--workspace", "."])
    #expect(both.status == 2)
    let keys = try bench.swerve(["admin-key", "create", "-n", "other"])
    #expect(keys.status == 1 && keys.error.contains("own machine"))
    #expect(try bench.gateway.swerve("admin-key", "delete", "-n", "ci", "--yes").status == 0)
    #expect(try bench.swerve(["model", "list"]).status == 1)
    #expect(!bench.gateway.log().contains(bench.key))
  }

  @Test func `an upload that is cut, leads out or differs is refused and registers nothing`() throws
  {
    let bench = try Bench()
    for path in ["../x", "/etc/x", "a/../../x"] {
      let escaping = try bench.send(
        "POST", "/swerve/uploads",
        ["files": [["path": .string(path), "bytes": 1]]])
      #expect(escaping.status == 400, "\(path): \(escaping.body)")
    }
    let bytes = Array("not the model that was meant".utf8)
    let hash = SHA256.hex(of: bytes)
    let file = DocumentValue.object(
      DocumentObject([
        "path": "model.json", "bytes": .integer(Int64(bytes.count)), "sha256": .string(hash),
      ]))
    let begun = try bench.send("POST", "/swerve/uploads", ["files": [file]])
    #expect(begun.status == 201, "\(begun.body)")
    guard case .string(let id)? = begun.body.value(at: "id"),
      case .string(let path)? = begun.body.value(at: "path")
    else { return }
    func put(_ block: [UInt8], sha256: String) throws -> Int {
      try bench.client().send(
        method: "PUT", path: Bench.workspace + "/swerve/uploads/\(id)/files/0/blocks/0?of=1",
        headers: [("Authorization", "Bearer \(bench.key)"), ("x-swerve-sha256", sha256)],
        body: block
      ).status
    }
    let commit = "/swerve/uploads/\(id)/commit"
    let missing = try bench.send("POST", commit, ["files": [file]])
    #expect(missing.status == 400 && missing.body.value(at: "error.code") == "UploadIncomplete")
    let cut = Array(bytes.dropLast(3))
    #expect(try put(cut, sha256: SHA256.hex(of: cut)) == 400)
    #expect(try put(bytes, sha256: SHA256.hex(of: cut)) == 400)
    #expect(try put(bytes, sha256: hash) == 201)
    let other = DocumentValue.object(
      DocumentObject([
        "path": "model.json", "bytes": .integer(Int64(bytes.count)),
        "sha256": .string(SHA256.hex(of: cut)),
      ]))
    let differs = try bench.send("POST", commit, ["files": [other]])
    #expect(differs.status == 400 && differs.body.value(at: "error.code") == "HashMismatch")
    let model = DocumentValue(
      dictionaryLiteral: ("properties", ["modelUri": .string(path + "/model.json")]))
    #expect(try bench.send("PUT", "/models/churn/versions/1", model).status == 400)
    #expect(try bench.send("POST", commit, ["files": [file]]).status == 200)
    // Whole, and still no model: refused by what it is.
    #expect(try bench.send("PUT", "/models/churn/versions/1", model).status == 400)
    #expect(try bench.swerve(["model", "list"]).output == "[]\n")
    #expect(bench.uploads == [id])
    #expect(try bench.send("DELETE", "/swerve/uploads/\(id)").status == 200)
    #expect(bench.uploads.isEmpty)
    // A model that cannot run leaves nothing behind either.
    let refused = try bench.swerve(["model", "create", "-n", "x", "--path", bench.caFile])
    #expect(refused.status == 1)
    #expect(bench.uploads.isEmpty)
  }
}
