import Compression
import Digest
import HTTP
import Telemetry
import Testing

@testable import Gateway
@testable import Serving

#if canImport(Glibc)
  import Glibc
#endif

/// Client keys over real HTTP: what a quota lets through, and what it is told.
@Suite(.serialized)
struct ClientKeyTests {
  private let sample = repository + "/models/breast-cancer/1/sample-request.json"
  private let key = ClientKeyText.make()

  private func fixture(
    _ set: (inout ClientQuota) -> Void
  ) throws -> (fixture: DataPlaneFixture, client: ClientKey) {
    let fixture = try DataPlaneFixture()
    var quota = ClientQuota()
    set(&quota)
    let client = ClientKey(
      ClientKeyRecord(
        name: "shop", endpoint: "breast-cancer", quota: quota, createdAt: 0, createdBy: "test"),
      hash: ClientKeyText.hash(key.utf8), metrics: fixture.metrics)
    let blue = try fixture.deployment(
      "blue", of: "breast-cancer", model: "breast-cancer/1/model.json")
    func route(_ name: String, clients: [ClientKey]) -> EndpointRoute {
      EndpointRoute(
        name: name, split: TrafficSplit(["blue": 100]), deployments: [blue], unavailable: [:],
        keys: [Array(DataPlaneFixture.key.utf8)], isOpen: false, clients: clients)
    }
    fixture.service.install(
      RoutingTable(endpoints: [
        route("breast-cancer", clients: [client]), route("other", clients: []),
      ]))
    return (fixture, client)
  }

  private func authorization(_ key: String) -> [(name: String, value: String)] {
    [("Authorization", "Bearer \(key)")]
  }

  @Test func `a client's requests are taken up to its burst, the endpoint's own beyond it`() throws
  {
    let (fixture, client) = try fixture {
      $0.requestsPerSecond = 0.01
      $0.burst = 2
    }
    let body = try fileText(sample)
    for _ in 0..<2 {
      #expect(try fixture.post(body, headers: authorization(key)).status == 200)
    }
    let refused = try fixture.post(body, headers: authorization(key))
    #expect(refused.status == 429)
    #expect(Int(refused.header("retry-after") ?? "") ?? 0 >= 90)
    #expect(refused.header("ms-azureml-model-error-reason") == "rate_limit_exceeded")
    #expect(refused.text.contains("client key 'shop'"))
    // Every scoring route counts.
    for (path, body) in [
      ("/v2/models/breast-cancer/infer", "{\"inputs\": []}"),
      ("/v1/models/breast-cancer:predict", "{\"instances\": []}"),
      ("/endpoints/breast-cancer/invocations", body),
    ] {
      let answer = try fixture.post(body, to: path, headers: authorization(key))
      #expect(answer.status == 429, "\(path): \(answer.text)")
    }
    #expect(try fixture.post(body).status == 200, "the endpoint's own key has no quota")
    #expect(
      try fixture.post(body, to: "/endpoints/other/score", headers: authorization(key)).status
        == 401, "a key scores its own endpoint only")
    #expect(client.requestsInFlight == 0)
    let metrics = String(decoding: fixture.metrics.prometheusText(), as: UTF8.self)
    #expect(
      metrics.contains(
        #"swerve_client_requests_total{client="shop",code="200",endpoint="breast-cancer"} 2"#)
        || metrics.contains(
          #"swerve_client_requests_total{endpoint="breast-cancer",client="shop",code="200"} 2"#)
    )
    let lines = try fixture.logLines()
    #expect(lines.filter { $0.contains(#""client":"shop""#) }.count == 6)
    #expect(lines.allSatisfy { !$0.contains(key) })
  }

  @Test func `bytes of bodies are a quota, and a wrong key is still wrong`() throws {
    let (fixture, client) = try fixture { $0.bodyBytesPerSecond = 10 }
    let body = try fileText(sample)
    #expect(try fixture.post(body, headers: authorization(key)).status == 200)
    // The request is over a moment after its answer.
    for _ in 0..<200 where client.requestsInFlight > 0 { usleep(5000) }
    let refused = try fixture.post(body, headers: authorization(key))
    #expect(refused.status == 429)
    #expect(refused.header("ms-azureml-model-error-reason") == "bandwidth_limit_exceeded")
    #expect(try fixture.post(body, headers: authorization(key + "x")).status == 401)
    #expect(try fixture.post(body, headers: authorization("swc_")).status == 401)
  }

  @Test func `a compressed body counts as what it holds`() throws {
    let (fixture, client) = try fixture { $0.bodyBytesPerSecond = 1000 }
    let body = try fileText(sample) + String(repeating: " ", count: 34_000)
    let packed = try #require(ContentCoding.gzip.compressed(Array(body.utf8)))
    #expect(packed.count < 1000)
    func post() throws -> HTTPClient.Response {
      try fixture.client().send(
        method: "POST", path: "/endpoints/breast-cancer/score",
        headers: authorization(key) + [("Content-Encoding", "gzip")], body: packed)
    }
    #expect(try post().status == 200)
    for _ in 0..<200 where client.requestsInFlight > 0 { usleep(5000) }
    let refused = try post()
    #expect(refused.status == 429)
    #expect(refused.header("ms-azureml-model-error-reason") == "bandwidth_limit_exceeded")
    #expect(Int(refused.header("retry-after") ?? "") ?? 0 > 25)
  }

  @Test func `what is answered without scoring takes its token too`() throws {
    for path in [
      "/endpoints/breast-cancer/swagger.json", "/v2/models", "/v2/models/stats",
      "/v2/models/breast-cancer", "/v2/models/breast-cancer/config", "/v1/models",
      "/v1/models/breast-cancer", "/v1/models/breast-cancer/metadata",
    ] {
      let (fixture, client) = try fixture {
        $0.requestsPerSecond = 0.01
        $0.burst = 2
      }
      let statuses = try (0..<3).map { _ in
        try fixture.client().send(method: "GET", path: path, headers: authorization(key)).status
      }
      #expect(statuses == [200, 200, 429], "\(path)")
      #expect(client.requestsInFlight == 0)
    }
  }

  @Test func `metrics that name clients are not for everybody`() throws {
    let (fixture, _) = try fixture { $0.requestsPerSecond = 5 }
    _ = try fixture.post(try fileText(sample), headers: authorization(key))
    let text = try fixture.client().send(method: "GET", path: "/metrics").text
    #expect(text.contains("swerve_requests_total"))
    #expect(!text.contains("swerve_client_") && !text.contains("shop"))
    let all = String(decoding: fixture.metrics.prometheusText(), as: UTF8.self)
    #expect(all.contains("swerve_client_requests_total") && all.contains("shop"))
  }
}
