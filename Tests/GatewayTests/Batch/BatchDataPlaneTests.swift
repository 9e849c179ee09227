import BatchScoring
import Documents
import Foundation
import HTTP
import Serving
import Telemetry
import Testing

@testable import Gateway

/// `POST /batch-endpoints/{ep}/jobs` over real HTTP; jobs are taken and none is run.
@Suite struct BatchDataPlaneTests {
  private final class Bench {
    let admin: AdminBench
    let calls: BatchCalls
    let server: HTTPServer
    let key: String

    init() throws {
      admin = try AdminBench()
      let documents = try AdminBench.samples().filter { $0.path.contains("diabetes") }
      _ = try admin.control.apply(
        documents, prune: false, dryRun: false, unit: .everything, by: Actor(name: "test"))
      calls = BatchCalls(desk: admin.desk, adminKeys: admin.adminKeys)
      let readiness = Readiness()
      readiness.becomeReady()
      let handler = DataPlaneHandler(
        DataPlaneHandler.Settings(
          maxBodyBytes: 1 << 20, defaultEndpoint: nil, allowsOpenEndpoints: true),
        service: admin.service, readiness: readiness, metrics: MetricRegistry(),
        log: Log(descriptor: 2, level: .error), batchCalls: calls)
      server = try HTTPServer(
        HTTPServerConfiguration(address: .tcp(host: "127.0.0.1", port: 0)), handler: handler)
      key = try admin.control.keys(of: "diabetes-batch", .batch).primary
      let folder = admin.desk.datastore + "/in"
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      try "age\n1\n".write(toFile: folder + "/a.csv", atomically: true, encoding: .utf8)
    }

    deinit {
      server.stop(deadline: MonotonicClock.system.now() + 1_000_000_000)
      calls.stop()
    }

    func send(
      _ method: String, _ path: String, body: String = "", key: String?,
      headers: [(name: String, value: String)] = []
    ) throws -> (status: Int, body: DocumentValue, response: HTTPClient.Response) {
      let authorization = key.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
      let response = try HTTPClient(.tcp(host: "127.0.0.1", port: server.port ?? 0)).send(
        method: method, path: path, headers: headers + authorization, body: Array(body.utf8))
      let value = try? JSONReader.read(
        String(decoding: response.body, as: UTF8.self), source: path)
      return (response.status, value ?? .null, response)
    }
  }

  private static let body = """
    {"properties": {"InputData": {"heart": {"JobInputType": "UriFolder",
      "Uri": "azureml://datastores/workspaceblobstore/paths/in/"}}}}
    """

  @Test func `a job is made, told and listed with the endpoint's key or an admin key`() throws {
    let bench = try Bench()
    let path = "/batch-endpoints/Diabetes-Batch/jobs"
    let made = try bench.send("POST", path, body: Self.body, key: bench.key)
    #expect(made.status == 201, "\(made.body)")
    #expect(made.body.value(at: "properties.status") == "Queued")
    #expect(
      made.body.value(at: "type")
        == "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs")
    #expect(made.response.header("x-request-id") != nil)
    let shown = try bench.send("GET", path + "/job-1", key: bench.key)
    #expect(shown.status == 200)
    #expect(shown.body.value(at: "name") == "job-1")
    let admin = try bench.admin.adminKeys.create("remote", by: Actor(name: "test")).key
    #expect(try bench.send("GET", path, key: admin).status == 200)
    #expect(try bench.send("GET", path + "/job-2", key: bench.key).status == 404)
    let order = try #require(try bench.admin.jobs.job("job-1")).order
    #expect(order.actor.hasPrefix("key of batch endpoint diabetes-batch"))
  }

  @Test func `without a key of its own, nobody makes or sees a job`() throws {
    let bench = try Bench()
    let online = try bench.admin.control.keys(of: "diabetes").primary
    for key in [nil, "swk_wrong", online] {
      for (method, path) in [
        ("POST", "/batch-endpoints/diabetes-batch/jobs"),
        ("GET", "/batch-endpoints/diabetes-batch/jobs"),
        ("GET", "/batch-endpoints/diabetes-batch/jobs/job-1"),
      ] {
        let refused = try bench.send(
          method, path, body: method == "POST" ? Self.body : "", key: key)
        #expect(refused.status == 401)
        #expect(refused.body.value(at: "error.code") == "Unauthorized")
      }
    }
    // And the batch endpoint's key scores nothing.
    #expect(
      try bench.send("POST", "/endpoints/diabetes/score", body: "{}", key: bench.key).status
        == 401)
    #expect(try bench.admin.jobs.jobs(endpoint: nil, deployment: nil, limit: 1).isEmpty)
  }

  @Test func `errors have the form of the gateway's others`() throws {
    let bench = try Bench()
    let path = "/batch-endpoints/diabetes-batch/jobs"
    for (method, target, body, headers, status, words) in [
      ("POST", "/batch-endpoints/nobody/jobs", Self.body, [], 404, "no endpoint 'nobody'"),
      ("DELETE", path, "", [], 405, "POST, GET"), ("PUT", path + "/job-1", "", [], 405, "GET"),
      ("GET", "/batch-endpoints/diabetes-batch/score", "", [], 404, "nothing at"),
      ("POST", path, "{", [], 400, "request body"),
      (
        "POST", path,
        Self.body.replacing("azureml://datastores/workspaceblobstore/paths/in/", with: "/etc"),
        [], 400, "only its owner may name"
      ),
      (
        "POST", path, Self.body.replacing("UriFolder", with: "Literal"), [], 400,
        "takes no literals"
      ),
      (
        "POST", path, Self.body, [(name: "azureml-model-deployment", value: "green")], 404,
        "the header azureml-model-deployment names deployment 'green'"
      ),
      (
        "POST", path, Self.body, [(name: "Content-Type", value: "text/csv")], 415,
        "expected application/json"
      ),
    ] as [(String, String, String, [(name: String, value: String)], Int, String)] {
      let answer = try bench.send(
        method, target, body: body, key: bench.key, headers: headers)
      #expect(answer.status == status, "\(method) \(target): \(answer.body)")
      let text = String(decoding: answer.response.body, as: UTF8.self)
      #expect(text.contains(words), "\(method) \(target): \(text)")
      #expect(answer.body.value(at: "error.request_id") != nil)
    }
    #expect(try bench.admin.jobs.jobs(endpoint: nil, deployment: nil, limit: 1).isEmpty)
  }

  @Test func `a repeated request with one id is one job`() throws {
    let bench = try Bench()
    let header = [(name: "repeatability_request-id", value: "9b1c")]
    for _ in 0..<5 {
      let answer = try bench.send(
        "POST", "/batch-endpoints/diabetes-batch/jobs", body: Self.body, key: bench.key,
        headers: header)
      #expect(answer.body.value(at: "name") == "job-1")
    }
    #expect(try bench.admin.jobs.jobs(endpoint: nil, deployment: nil, limit: 9).count == 1)
  }

  @Test func `jobs that cannot be had now are 503 and to be asked for again`() throws {
    let bench = try Bench()
    let path = "/batch-endpoints/diabetes-batch/jobs"
    #expect(try bench.send("POST", path, body: Self.body, key: bench.key).status == 201)
    bench.admin.jobs.fail(.busy("closed"))
    for (method, target, body) in [
      ("GET", path, ""), ("GET", path + "/job-1", ""), ("POST", path, Self.body),
    ] {
      let answer = try bench.send(method, target, body: body, key: bench.key)
      #expect(answer.status == 503, "\(answer.body)")
      #expect(answer.response.header("Retry-After") == "1")
      #expect(answer.body.value(at: "error.code") == "ServiceUnavailable")
    }
    bench.admin.jobs.fail(.unreadable("of a later version"))
    #expect(try bench.send("GET", path + "/job-1", key: bench.key).status == 500)
    bench.admin.jobs.fail(nil)
    try bench.admin.control.pause()
    let refused = try bench.send("POST", path, body: Self.body, key: bench.key)
    #expect(refused.status == 503 && refused.response.header("Retry-After") == "1")
    #expect(try bench.send("GET", path + "/job-1", key: bench.key).status == 200)
  }
}
