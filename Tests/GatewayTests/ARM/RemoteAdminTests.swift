import Digest
import Documents
import Foundation
import HTTP
import Registry
import Store
import Testing

@testable import Gateway
@testable import Serving

/// The admin API over TCP: who gets in, what they may name, what is written down of it.
@Suite struct RemoteAdminTests {
  private let workspace = AdminBench.workspace

  @Test func `no key, a wrong one and a deleted one are refused before a body byte is read`() throws
  {
    let bench = try AdminBench()
    let made = try bench.send("PUT", "\(workspace)/swerve/adminKeys/ci")
    #expect(made.status == 201, "\(made.body)")
    guard case .string(let key)? = made.body.value(at: "key") else {
      Issue.record("\(made.body)")
      return
    }
    #expect(AdminKey.isWellFormed(key))
    #expect(try bench.send("GET", "\(workspace)/models", key: key).status == 200)
    for header in [nil, "Bearer \(AdminKey.make())", "Bearer", "Basic \(key)", "Bearer  \(key)"] {
      let client = RawClient(port: bench.remoteServer.port ?? 0)
      // A megabyte is announced and never sent: an answer proves that nobody waits for it.
      client.send(
        "POST \(workspace)/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
          + (header.map { "Authorization: \($0)\r\n" } ?? "") + "\r\n")
      let answer = client.receiveAnswer()
      #expect(answer.hasPrefix("HTTP/1.1 401"), "\(answer)")
      #expect(answer.lowercased().contains("www-authenticate: bearer"))
      #expect(answer.contains(#""code":"Unauthorized""#))
    }
    // What is not there is not told to strangers.
    #expect(try bench.send("GET", "/nothing", key: "wrong").status == 401)
    #expect(try bench.send("GET", "/nothing", key: key).status == 404)
    #expect(try bench.send("DELETE", "\(workspace)/swerve/adminKeys/CI").status == 200)
    #expect(try bench.send("GET", "\(workspace)/models", key: key).status == 401)
    #expect(try bench.send("DELETE", "\(workspace)/swerve/adminKeys/ci").status == 404)
  }

  @Test func `a key cannot make keys`() throws {
    let bench = try AdminBench()
    let key = try bench.adminKeys.create("ci", by: Actor(name: "test")).key
    for method in ["GET", "PUT", "DELETE"] {
      let answer = try bench.send(method, "\(workspace)/swerve/adminKeys/other", key: key)
      #expect(answer.status == 403, "\(method)")
    }
    #expect(bench.adminKeys.records.map(\.name) == ["ci"])
    #expect(try bench.send("PUT", "\(workspace)/swerve/adminKeys/ci").status == 409)
    #expect(try bench.send("PUT", "\(workspace)/swerve/adminKeys/a%20b").status == 400)
  }

  @Test func `each write over TCP is in the log with the key's name and the peer, not the key`()
    throws
  {
    let bench = try AdminBench()
    let key = try bench.adminKeys.create("deployer", by: Actor(name: "test")).key
    let put = try bench.send(
      "PUT", "\(workspace)/onlineEndpoints/churn", ["properties": ["authMode": "Key"]], key: key)
    #expect(put.status == 201, "\(put.body)")
    _ = try bench.send("GET", "\(workspace)/onlineEndpoints", key: "nonsense")
    // A line is written once the answer is on its way.
    let refusal = #""status":401,"actor":"nobody","peer":"127.0.0.1:"#
    for _ in 0..<200 where try !bench.logText().contains(refusal) { usleep(10_000) }
    let log = try bench.logText()
    let line = try #require(
      log.split(separator: "\n").first { $0.contains("/onlineEndpoints/churn") })
    #expect(line.contains(#""actor":"admin key deployer""#), "\(line)")
    #expect(line.contains(#""peer":"127.0.0.1:"#))
    #expect(log.contains(refusal))
    #expect(!log.contains(key) && !log.contains("nonsense"))
    let audit = try bench.database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT actor FROM audit WHERE resource LIKE 'endpoint%'", [])
    }
    #expect(audit.first?.text("actor").hasPrefix("admin key deployer from 127.0.0.1:") == true)
  }

  @Test func `over TCP only what was uploaded can be registered`() throws {
    let bench = try AdminBench()
    let key = try bench.adminKeys.create("ci", by: Actor(name: "test")).key
    let file = repository + "/models/breast-cancer/1/model.json"
    let body = DocumentValue(modelAt: file)
    let refused = try bench.send("PUT", "\(workspace)/models/churn/versions/1", body, key: key)
    #expect(refused.status == 400, "\(refused.body)")
    #expect(try bench.send("PUT", "\(workspace)/models/churn/versions/1", body).status == 201)
    // What the gateway itself has said may be sent back.
    let shown = try bench.send("GET", "\(workspace)/models/churn/versions/1", key: key)
    #expect(
      try bench.send("PUT", "\(workspace)/models/churn/versions/1", shown.body, key: key).status
        == 200)

    _ = try bench.send(
      "PUT", "\(workspace)/onlineEndpoints/churn", ["properties": ["authMode": "Key"]], key: key)
    let inline = try bench.send(
      "PUT", "\(workspace)/onlineEndpoints/churn/deployments/blue",
      ["properties": ["properties": ["swerve.model.path": .string(file)]]], key: key)
    #expect(inline.status == 400, "\(inline.body)")
    let model = "name: churn\npath: \(file)\nversion: 2\n"
    let applied = try bench.send(
      "POST", "\(workspace)/apply",
      ["documents": [["path": "/elsewhere/model.yml", "text": .string(model)]]], key: key)
    #expect(applied.status == 400, "\(applied.body)")
    let smuggled = try bench.send(
      "POST", "\(workspace)/apply",
      [
        "documents": [
          [
            "path": "/elsewhere/model.yml", "text": .string(model),
            "upload": ["path": .string(file), "files": [:]],
          ]
        ]
      ], key: key)
    #expect(smuggled.status == 400, "\(smuggled.body)")
  }

  @Test func `an uploaded package is registered, and a deployment names it by its version`() throws
  {
    let bench = try AdminBench()
    let key = try bench.adminKeys.create("ci", by: Actor(name: "test")).key
    let bytes = try fileBytes(repository + "/models/breast-cancer/1/model.json", maxBytes: 1 << 24)
    let folder = try upload(["a/model.json": bytes], to: bench, key: key)
    let path = folder + "/a/model.json"
    let put = try bench.send(
      "PUT", "\(workspace)/models/churn/versions/1", DocumentValue(modelAt: path), key: key)
    #expect(put.status == 201, "\(put.body)")
    #expect(
      put.body.value(at: "properties.files[0].sha256") == .string(SHA256.hex(of: bytes)))
    for wrong in [
      folder + "/a/../../../swerve.db", folder + "/../files/a/model.json",
      folder + "/a//model.json",
    ] {
      let escaped = try bench.send(
        "PUT", "\(workspace)/models/churn/versions/9", DocumentValue(modelAt: wrong), key: key)
      #expect(escaped.status == 400, "\(escaped.body)")
    }
    _ = try bench.send(
      "PUT", "\(workspace)/onlineEndpoints/churn", ["properties": ["authMode": "Key"]], key: key)
    let deployment = try bench.send(
      "PUT", "\(workspace)/onlineEndpoints/churn/deployments/blue",
      [
        "properties": [
          "properties": ["swerve.model.path": .string(path), "swerve.model.name": "inline"]
        ]
      ], key: key)
    #expect(deployment.status == 201, "\(deployment.body)")
    #expect(deployment.body.value(at: "properties.model") == "azureml:inline:1")
  }

  private func upload(
    _ files: [String: [UInt8]], to bench: AdminBench, key: String
  ) throws -> String {
    let order = files.keys.sorted()
    let begun = try bench.send(
      "POST", "\(workspace)/swerve/uploads",
      [
        "files": .array(
          order.map { ["path": .string($0), "bytes": .integer(Int64(files[$0]?.count ?? 0))] })
      ], key: key)
    #expect(begun.status == 201, "\(begun.body)")
    guard case .string(let id)? = begun.body.value(at: "id"),
      case .string(let path)? = begun.body.value(at: "path")
    else { return "" }
    for (index, name) in order.enumerated() {
      let response = try bench.remote.send(
        method: "PUT", path: "\(workspace)/swerve/uploads/\(id)/files/\(index)/blocks/0?of=1",
        headers: [
          ("Authorization", "Bearer \(key)"),
          ("x-swerve-sha256", SHA256.hex(of: files[name] ?? [])),
        ], body: files[name] ?? [])
      #expect(response.status == 201, "\(String(decoding: response.body, as: UTF8.self))")
    }
    let committed = try bench.send(
      "POST", "\(workspace)/swerve/uploads/\(id)/commit",
      [
        "files": .array(
          order.map {
            [
              "path": .string($0), "bytes": .integer(Int64(files[$0]?.count ?? 0)),
              "sha256": .string(SHA256.hex(of: files[$0] ?? [])),
            ]
          })
      ], key: key)
    #expect(committed.status == 200, "\(committed.body)")
    return path
  }

  @Test func `a block larger than its cap is refused at its head`() throws {
    let bench = try AdminBench()
    let key = try bench.adminKeys.create("ci", by: Actor(name: "test")).key
    let client = RawClient(port: bench.remoteServer.port ?? 0)
    client.send(
      "PUT \(workspace)/swerve/uploads/x/files/0/blocks/0?of=1 HTTP/1.1\r\nHost: x\r\n"
        + "Authorization: Bearer \(key)\r\n"
        + "Content-Length: \(UploadStore.blockByteCount + 1)\r\n\r\n")
    #expect(client.receiveAnswer().hasPrefix("HTTP/1.1 413"))
  }
}

extension DocumentValue {
  fileprivate init(modelAt path: String) {
    self = ["properties": ["modelUri": .string(path), "modelType": "custom_model"]]
  }
}

/// A socket for requests whose body never comes.
private final class RawClient {
  private let descriptor: Int32

  init(port: UInt16) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    _ = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    var timeout = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// What comes until the other side closes, which it does after a refusal.
  func receiveAnswer() -> String {
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &block, block.count, 0)
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += block[..<count]
    }
  }
}
