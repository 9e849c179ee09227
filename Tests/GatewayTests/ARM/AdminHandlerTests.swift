import Digest
import Documents
import Executors
import Foundation
import HTTP
import Registry
import Store
import Synchronization
import Telemetry
import Testing

@testable import Gateway
@testable import Serving

/// The admin API over a real socket, with the sample packages of `models/`.
@Suite struct AdminHandlerTests {
  @Test func `the sample packages are applied, shown and changed over the socket`() throws {
    let bench = try AdminBench()
    let workspace = AdminBench.workspace
    let documents = DocumentValue.array(
      try AdminBench.samples().map { ["path": .string($0.path), "text": .string($0.text)] })
    let applied = try bench.send("POST", "\(workspace)/apply", ["documents": documents])
    #expect(applied.status == 200, "\(applied.body)")
    let again = try bench.send("POST", "\(workspace)/apply", ["documents": documents])
    guard case .array(let changes)? = again.body.value(at: "changes") else {
      Issue.record("\(again.body)")
      return
    }
    #expect(changes.allSatisfy { $0.value(at: "action") == "unchanged" })

    let base = "\(workspace)/onlineEndpoints/breast-cancer"
    let shown = try bench.send("GET", base.replacing("onlineEndpoints", with: "ONLINEENDPOINTS"))
    #expect(shown.status == 200)
    #expect(shown.body.value(at: "properties.traffic.blue") == 90)
    #expect(
      shown.body.value(at: "properties.scoringUri")
        == "http://127.0.0.1:1/endpoints/breast-cancer/score")
    let keys = try bench.send("POST", "\(base)/listKeys")
    guard case .string(let key)? = keys.body.value(at: "primaryKey") else {
      Issue.record("\(keys.body)")
      return
    }
    #expect(EndpointKey.isWellFormed(key))

    let wrong = try bench.send("PATCH", base, ["properties": ["traffic": ["blue": 90]]])
    #expect(wrong.status == 400)
    let moved = try bench.send(
      "PATCH", base, ["properties": ["traffic": ["blue": 50, "green": 50]]])
    #expect(moved.status == 200, "\(moved.body)")

    let deployment = try bench.send("GET", "\(base)/deployments/green")
    #expect(deployment.body.value(at: "properties.provisioningState") == "Succeeded")
    let put = try bench.send("PUT", "\(base)/deployments/third", deployment.body)
    #expect(put.status == 201, "\(put.body)")
    let operation = try #require(put.response.header("Azure-AsyncOperation"))
    var status: DocumentValue? = "InProgress"
    for _ in 0..<400 where status == "InProgress" {
      status = try bench.send("GET", operation).body.value(at: "status")
      usleep(10_000)
    }
    #expect(status == "Succeeded")
    #expect(try bench.send("DELETE", "\(base)/deployments/green").status == 409)
    let deleted = try bench.send("DELETE", "\(base)/deployments/third")
    #expect(deleted.status == 202)
    let location = try #require(deleted.response.header("Location"))
    #expect(try bench.send("GET", location).status == 204)

    let version = try bench.send("GET", "\(workspace)/models/breast-cancer/versions/2")
    #expect(version.body.value(at: "properties.usedBy") == ["breast-cancer/green"])
    let file = try bench.send(
      "GET", "\(workspace)/models/breast-cancer/versions/2/package/model.json")
    #expect(file.status == 200 && file.response.body.count > 1000)
    let escaping = try bench.send(
      "GET", "\(workspace)/models/breast-cancer/versions/2/package/..%2F..%2Fswerve.db")
    #expect(escaping.status == 404 || escaping.status == 400)
    #expect(
      try bench.send("DELETE", "\(workspace)/models/breast-cancer/versions/2").status == 409)
    let state = try bench.send("GET", "\(workspace)/swerve/status")
    #expect(state.body.value(at: "ready") == true)
    guard case .array(let deployments)? = state.body.value(at: "deployments") else {
      Issue.record("\(state.body)")
      return
    }
    #expect(deployments.count == 5)
    #expect(deployments.allSatisfy { $0.value(at: "state") == "Succeeded" })
  }

  @Test func `registrations without a version at the same time get one each`() throws {
    let bench = try AdminBench()
    let path = "\(AdminBench.workspace)/models/cancer/versions/1"
    func register(_ version: Int) throws -> DocumentValue {
      let file = "\(repository)/models/breast-cancer/\(version)/model.json"
      return ARM.body(of: ModelRegistration(name: "cancer", version: nil, path: file))
    }
    // Each had asked for the next version when there was none.
    let bodies = [try register(1), try register(2), try register(1)]
    let answers = Mutex<[String]>([])
    let socket = bench.folder + "/swerve.sock"
    DispatchQueue.concurrentPerform(iterations: bodies.count) { index in
      var writer = JSONWriter()
      writer.document(bodies[index])
      let client = HTTPClient(.unix(path: socket))
      let answer = try? client.send(method: "PUT", path: path, body: writer.bytes)
      let text = String(decoding: answer?.body ?? [], as: UTF8.self)
      let name = try? JSONReader.read(text, source: path).value(at: "name")
      answers.withLock { $0.append("\(answer?.status ?? 0) \(name.map { "\($0)" } ?? text)") }
    }
    #expect(
      answers.withLock { $0.sorted() } == ["1", "2", "3"].map { "201 \(DocumentValue.string($0))" })
    let first = try bench.registry.find(name: "cancer", version: "1")
    #expect(first.properties.isEmpty)
    // One that names its version is refused, as before.
    let named = ModelRegistration(
      name: "cancer", version: "1", path: "\(repository)/models/diabetes/1/model.txt")
    #expect(try bench.send("PUT", path, ARM.body(of: named)).status == 409)
  }

  @Test func `errors have Azure's form`() throws {
    let bench = try AdminBench()
    let missing = try bench.send("GET", "\(AdminBench.workspace)/onlineEndpoints/nope")
    #expect(missing.status == 404)
    #expect(missing.body.value(at: "error.code") == "ResourceNotFound")
    #expect(try bench.send("GET", "/nothing").status == 404)
    #expect(try bench.send("DELETE", "\(AdminBench.workspace)/models").status == 405)
    let bad = try bench.client.send(
      method: "PUT", path: "\(AdminBench.workspace)/onlineEndpoints/churn", body: Array("{".utf8))
    #expect(bad.status == 400)
  }
}
