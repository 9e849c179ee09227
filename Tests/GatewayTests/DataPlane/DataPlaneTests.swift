import Compression
import HTTP
import Telemetry
import TestTimes
import Testing

@testable import Gateway
@testable import Serving

/// The data plane over real HTTP with a real model.
@Suite(.serialized)
struct DataPlaneTests {
  private let sample = repository + "/models/breast-cancer/1/sample-request.json"

  @Test func `a good request gets what the training library answered`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(try fileText(sample))
    #expect(response.status == 200)
    let expected = try fileBytes(
      repository + "/models/breast-cancer/1/sample-response.json", maxBytes: 1 << 20)
    #expect(
      firstDifference(expected: expected, received: response.body, tolerance: .exact) == nil)
    #expect(response.header("content-type") == "application/json")
    #expect(response.header("azureml-model-deployment") == "blue")
    #expect(response.header("x-request-id")?.utf8.count == 36)
    #expect(response.header("x-ms-request-id") == response.header("x-request-id"))
    #expect(response.header("ms-azureml-model-time") != nil)
    #expect(response.header("x-ms-client-request-id") == nil)
  }

  @Test func `the queue gives the same answer as the inline path`() throws {
    let fixture = try DataPlaneFixture()
    let body = try fileText(sample)
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let inline = try fixture.post(body)
    fixture.service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: "breast-cancer", split: TrafficSplit(["blue": 100]),
          deployments: [
            try fixture.deployment(
              "blue", of: "breast-cancer", model: "breast-cancer/1/model.json",
              execution: .queued)
          ], unavailable: [:], keys: [], isOpen: true)
      ]))
    let queued = try fixture.post(body, headers: [])
    #expect(queued.status == 200)
    #expect(queued.body == inline.body)
  }

  @Test func `the mirror gets copies behind the answer, packed ones too, and logs their ids`()
    throws
  {
    let fixture = try DataPlaneFixture()
    let body = try fileText(sample)
    let green = try fixture.deployment(
      "green", of: "breast-cancer", model: "breast-cancer/2/model.json")
    fixture.service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: "breast-cancer", split: TrafficSplit(["blue": 100]),
          deployments: [
            try fixture.deployment(
              "blue", of: "breast-cancer", model: "breast-cancer/1/model.json"), green,
          ], unavailable: [:], keys: [], isOpen: true,
          mirror: fixture.service.mirrorShare(percent: 50, to: green))
      ]))
    let packed = try #require(ContentCoding(headerValue: "gzip")?.compressed(Array(body.utf8)))
    var identifiers: Set<String> = []
    for _ in 0..<20 {
      let plain = try fixture.post(body, headers: [])
      let response = try fixture.client().send(
        method: "POST", path: "/endpoints/breast-cancer/score",
        headers: [("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
        body: packed)
      for response in [plain, response] {
        #expect(response.status == 200)
        #expect(response.header("azureml-model-deployment") == "blue")
        identifiers.insert(response.header("x-request-id") ?? "")
      }
    }
    #expect(fixture.service.mirrorsAreIdle(within: 10))
    let lines = try fixture.logLines().filter { $0.contains("\"mirrored request\"") }
    #expect(lines.count > 5)
    #expect(lines.allSatisfy { $0.contains("\"outcome\":\"scored\"") })
    #expect(
      lines.allSatisfy { line in identifiers.contains { line.contains($0) } },
      "each names the live request")
  }

  @Test func `the caller's own id comes back, made safe`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(
      try fileText(sample),
      headers: [
        ("Authorization", "bearer \(DataPlaneFixture.key)"),
        ("x-ms-client-request-id", "my id/42"), ("x-request-id", "mine"),
      ])
    #expect(response.header("x-ms-client-request-id") == "myid42")
    #expect(response.header("x-ms-request-id") == "myid42")
    #expect(response.header("x-request-id") != "mine")
  }

  @Test func `a header picks the deployment past the weights`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(
      try fileText(repository + "/models/breast-cancer/2/sample-request.json"),
      headers: [
        ("Authorization", "Bearer second"), ("azureml-model-deployment", "GREEN"),
      ])
    #expect(response.status == 200)
    #expect(response.header("azureml-model-deployment") == "green")
  }

  @Test func `requests land by weight`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 90, "green": 10])
    let client = fixture.client()
    let body = Array(try fileText(sample).utf8)
    var green = 0
    for _ in 0..<1000 {
      let response = try client.send(
        method: "POST", path: "/endpoints/breast-cancer/score",
        headers: [("Authorization", "Bearer \(DataPlaneFixture.key)")], body: body)
      #expect(response.status == 200)
      if response.header("azureml-model-deployment") == "green" { green += 1 }
    }
    // Three standard deviations are 28; five, so that one run in a million fails.
    #expect((53...147).contains(green), "\(green) of 1000")
  }

  @Test(arguments: [
    ("", 400), ("{\"input_data\": [[1, 2", 400), ("{\"input_data\": [[1, 2, 3]]}", 400),
    ("{\"input_data\": [[\"x\"]]}", 400), ("{\"wrong\": 1}", 400), ("[]", 400),
    (String(repeating: "[", count: 65) + String(repeating: "]", count: 65), 400),
    ("{\"input_data\": {\"columns\": [\"mean radius\"], \"data\": [[1]]}}", 400),
  ])
  func `a bad body is refused, and its connection stays usable`(body: String, status: Int) throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let client = fixture.client()
    let headers = [(name: "Authorization", value: "Bearer \(DataPlaneFixture.key)")]
    let bad = try client.send(
      method: "POST", path: "/endpoints/breast-cancer/score", headers: headers,
      body: Array(body.utf8))
    #expect(bad.status == status)
    #expect(bad.text.hasPrefix("{\"error\": {\"code\": \"BadRequest\", \"message\": \""))
    #expect(bad.header("x-request-id") != nil)
    let good = try client.send(
      method: "POST", path: "/endpoints/breast-cancer/score", headers: headers,
      body: Array(try fileText(sample).utf8))
    #expect(good.status == 200)
  }

  @Test func `no key and a wrong key are refused`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let wrong =
      [
        [], [("Authorization", "Bearer ")], [("Authorization", "Bearer swk_test_kez")],
        [("Authorization", "Basic swk_test_key")],
        [("Authorization", "Bearer swk_test_ke")], [("authorization", "swk_test_key")],
      ] as [[(name: String, value: String)]]
    for headers in wrong {
      let response = try fixture.post(try fileText(sample), headers: headers)
      #expect(response.status == 401, "\(headers)")
      #expect(response.header("www-authenticate") == "Bearer")
      #expect(response.text.contains("Authorization: Bearer KEY"))
    }
    let lines = try fixture.logLines()
    #expect(!lines.contains { $0.contains("swk_test") }, "no secret in the log")
  }

  @Test(arguments: [" ", "\t", " \t  "])
  func `space behind a header's value is none of it`(space: String) throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let body = Array(try fileText(sample).utf8)
    let response = try fixture.client().send(
      method: "POST", path: "/endpoints/breast-cancer/score",
      headers: [
        ("Authorization", "Bearer \(DataPlaneFixture.key)\(space)"),
        ("azureml-model-deployment", "blue\(space)"), ("Content-Encoding", "gzip\(space)"),
        ("Content-Type", "application/json\(space)"),
      ], body: try #require(ContentCoding.gzip.compressed(body)))
    #expect(response.status == 200, "\(response.text)")
    #expect(response.header("azureml-model-deployment") == "blue")
  }

  @Test func `the header that cuts a body in two is given once`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let key = (name: "Authorization", value: "Bearer \(DataPlaneFixture.key)")
    func post(_ lengths: String...) throws -> HTTPClient.Response {
      try fixture.post(
        "{\"inputs\": []}", to: "/v2/models/breast-cancer/infer",
        headers: [key] + lengths.map { ("Inference-Header-Content-Length", $0) })
    }
    let twice = try post("14", "13")
    #expect(twice.status == 400)
    #expect(twice.text.contains("Inference-Header-Content-Length is given 2 times"))
    let spaced = try post("14 ")
    #expect(!spaced.text.contains("Inference-Header-Content-Length"), "\(spaced.text)")
  }

  @Test func `an unknown endpoint is told, and names no other`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post("{}", to: "/endpoints/nobody/score")
    #expect(response.status == 404)
    #expect(response.text.contains("there is no endpoint 'nobody'"))
    #expect(!response.text.contains("breast-cancer"))
  }

  @Test func `a version that nobody serves is told in TensorFlow Serving's form`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100], unavailable: ["red": "rotten"])
    func status(_ version: String) throws -> HTTPClient.Response {
      try fixture.client().send(
        method: "GET", path: "/v1/models/breast-cancer/versions/\(version)",
        headers: [("Authorization", "Bearer \(DataPlaneFixture.key)")])
    }
    let absent = try status("7")
    #expect(absent.status == 404)
    #expect(
      absent.text.hasPrefix("{\"error\":") && absent.text.contains("Specific(breast-cancer, 7)"))
    for (version, state) in [("blue", "AVAILABLE"), ("BLUE", "AVAILABLE"), ("red", "END")] {
      let known = try status(version)
      #expect(known.status == 200 && known.text.contains(state), "\(known.text)")
    }
  }

  @Test func `an unknown deployment is told with those that exist`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(
      "{}",
      headers: [
        ("Authorization", "Bearer \(DataPlaneFixture.key)"), ("azureml-model-deployment", "red"),
      ])
    #expect(response.status == 404)
    #expect(
      response.text.contains("endpoint 'breast-cancer' has no deployment 'red'; it has blue, green")
    )
  }

  @Test func `a deployment that failed tells why`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(
      traffic: ["blue": 100], unavailable: ["red": "node 'n': operator Foo", "grey": "loading"])
    for (name, status) in [("red", 424), ("grey", 503)] {
      let response = try fixture.post(
        "{}",
        headers: [
          ("Authorization", "Bearer \(DataPlaneFixture.key)"),
          ("azureml-model-deployment", name),
        ])
      #expect(response.status == status)
      #expect(response.header("ms-azureml-model-error-reason") == "model_not_ready")
    }
  }

  @Test func `without traffic nobody answers`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: [:])
    let response = try fixture.post("{}")
    #expect(response.status == 404)
    #expect(response.text.contains("has any traffic"))
  }

  @Test(arguments: ["GET", "PUT", "DELETE"])
  func `a wrong method is told the right one`(method: String) throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.client().send(
      method: method, path: "/endpoints/breast-cancer/score")
    #expect(response.status == 405)
    #expect(response.header("allow") == "POST")
    let health = try fixture.client().send(method: "POST", path: "/livez")
    #expect(health.status == 405)
    #expect(health.header("allow") == "GET, HEAD")
  }

  @Test func `too large a body is refused before it is read`() throws {
    let fixture = try DataPlaneFixture(maxBodyBytes: 1024)
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(String(repeating: "x", count: 1025))
    #expect(response.status == 413)
    #expect(response.text.contains("1024"))
  }

  @Test(arguments: [
    ("/v2/models/breast-cancer/infer", "{\"error\":", true),
    ("/v2/repository/index", "{\"error\":", true),
    ("/endpoints/breast-cancer/v2/models/breast-cancer/infer", "{\"error\":", true),
    ("/v1/models/breast-cancer:predict", "{\"error\":", true),
    ("/invocations", "{\"error_code\":", true),
    ("/endpoints/breast-cancer/invocations", "{\"error_code\":", true),
    ("/endpoints/breast-cancer/score", "{\"error\": {\"code\":", false),
  ])
  func `each protocol is refused too large a body in its own form`(
    path: String, start: String, isFlat: Bool
  ) throws {
    let fixture = try DataPlaneFixture(maxBodyBytes: 1024)
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(
      String(repeating: "x", count: 1025), to: path,
      headers: [
        ("Authorization", "Bearer \(DataPlaneFixture.key)"), ("x-ms-client-request-id", "mine"),
      ])
    #expect(response.status == 413)
    #expect(response.text.hasPrefix(start), "\(response.text)")
    #expect(response.text.contains("{\"code\"") != isFlat)
    #expect(response.text.contains("1025") && response.text.contains("1024"))
    #expect(response.header("x-ms-client-request-id") == "mine")
    let id = try #require(response.header("x-request-id"))
    guard path != "/v2/repository/index" else { return }
    // The line follows the answer.
    var isLogged = false
    for _ in 0..<100 where !isLogged {
      isLogged = try fixture.logLines().contains { $0.contains(id) }
      if !isLogged { pause(milliseconds: 10) }
    }
    #expect(isLogged, "the log has another id")
  }

  @Test(arguments: [(20 << 20, "100 times as large"), (70 << 20, "67108864")])
  func `what a compressed body grows to beyond the limits is 413`(
    byteCount: Int, says: String
  ) throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let bomb = try #require(
      ContentCoding.gzip.compressed([UInt8](repeating: 0x20, count: byteCount)))
    // So much that the limit of all bodies is the first that it meets.
    let sent = byteCount > 64 << 20 ? bomb + randomGzip() : bomb
    let response = try fixture.client().send(
      method: "POST", path: "/v2/models/breast-cancer/infer",
      headers: [
        ("Authorization", "Bearer \(DataPlaneFixture.key)"), ("Content-Encoding", "gzip"),
      ], body: sent)
    #expect(response.status == 413)
    #expect(response.text.hasPrefix("{\"error\":") && response.text.contains(says))
  }

  /// A member of gzip that hardly packs.
  private func randomGzip() -> [UInt8] {
    var state: UInt64 = 1
    // Letters, since bytes of any kind do not become smaller at all.
    let bytes = (0..<2 << 20).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(ascii: "a") + UInt8(truncatingIfNeeded: state >> 60)
    }
    return ContentCoding.gzip.compressed(bytes) ?? []
  }

  @Test func `the limit of another body is told as it is`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(
      String(repeating: " ", count: 2 << 20), to: "/v2/repository/index")
    #expect(response.status == 413)
    #expect(response.text.contains("1048576") && !response.text.contains("67108864"))
  }

  @Test(arguments: ["text/csv", "multipart/form-data; boundary=x"])
  func `a body of another kind is refused`(type: String) throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.client().send(
      method: "POST", path: "/endpoints/breast-cancer/score",
      headers: [("Authorization", "Bearer \(DataPlaneFixture.key)"), ("Content-Type", type)],
      body: Array("1,2".utf8))
    #expect(response.status == 415)
  }

  @Test func `MLflow's route answers in MLflow's form, at the root too`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let body = try fileText(sample)
    for path in ["/invocations", "/endpoints/breast-cancer/invocations"] {
      let response = try fixture.post(body, to: path)
      #expect(response.status == 200)
      #expect(response.text.hasPrefix("{\"predictions\":"))
      let bad = try fixture.post("{", to: path)
      #expect(bad.status == 400)
      #expect(bad.text.hasPrefix("{\"error_code\": \"BAD_REQUEST\", \"message\": \""))
    }
  }

  @Test func `health routes say how it stands`() throws {
    let fixture = try DataPlaneFixture()
    let client = fixture.client()
    #expect(try client.send(method: "GET", path: "/livez").status == 200)
    #expect(try client.send(method: "GET", path: "/readyz").status == 200)
    let root = try client.send(method: "GET", path: "/")
    #expect(root.status == 200 && root.text == "Healthy")
    fixture.readiness.beginDraining()
    let draining = try client.send(method: "GET", path: "/readyz")
    #expect(draining.status == 503)
    #expect(draining.text == "{\"status\": \"draining\"}")
    #expect(try client.send(method: "GET", path: "/livez").status == 200)
    #expect(try client.send(method: "GET", path: "/nothing").status == 404)
  }

  @Test func `metrics count every request by how it ended`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let body = try fileText(sample)
    for _ in 0..<3 { #expect(try fixture.post(body).status == 200) }
    #expect(try fixture.post("{").status == 400)
    #expect(try fixture.post(body, headers: []).status == 401)
    #expect(try fixture.post(body, to: "/endpoints/nobody/score").status == 404)
    let text = try fixture.client().send(method: "GET", path: "/metrics").text
    for line in [
      #"swerve_requests_total{endpoint="breast-cancer",deployment="blue",generation="7",code="200"} 3"#,
      #"swerve_requests_total{endpoint="breast-cancer",deployment="blue",generation="7",code="400"} 1"#,
      #"swerve_requests_total{endpoint="breast-cancer",deployment="",generation="",code="401"} 1"#,
      #"swerve_requests_total{endpoint="",deployment="",generation="",code="404"} 1"#,
    ] {
      #expect(text.contains(sorted(line) + "\n") || text.contains(line + "\n"), "\(line)")
    }
    #expect(!text.contains("nobody"), "label values come only from known names")
    #expect(
      text.split(separator: "\n").contains {
        $0.hasPrefix("swerve_request_duration_seconds_count") && $0.contains(#"stage="execute""#)
          && $0.contains(#"deployment="blue""#) && $0.hasSuffix(" 3")
      })
  }

  /// The exposition writes labels in alphabetical order.
  private func sorted(_ line: String) -> String {
    guard let open = line.firstIndex(of: "{"), let close = line.firstIndex(of: "}") else {
      return line
    }
    let labels = line[line.index(after: open)..<close].split(separator: ",").sorted()
    return line[...open] + labels.joined(separator: ",") + line[close...]
  }

  @Test func `one line in the log for each request, with its times`() throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let response = try fixture.post(
      try fileText(sample),
      headers: [
        ("Authorization", "Bearer \(DataPlaneFixture.key)"),
        ("User-Agent", "tester/1 \"é\" " + String(repeating: "x", count: 200)),
      ])
    let id = try #require(response.header("x-request-id"))
    // The line follows the answer.
    var line = ""
    for _ in 0..<100 where line.isEmpty {
      line = try fixture.logLines().first { $0.contains(id) } ?? ""
      if line.isEmpty { pause(milliseconds: 10) }
    }
    for part in [
      "\"message\":\"request\"", "\"endpoint\":\"breast-cancer\"", "\"deployment\":\"blue\"",
      "\"generation\":7", "\"code\":200", "\"bytes_in\":", "\"decode_ms\":", "\"queue_ms\":0.000",
      "\"execute_ms\":", "\"encode_ms\":", "\"total_ms\":", "\"peer\":\"127.0.0.1:",
      "\"user_agent\":\"tester/1 \\\"",
    ] {
      #expect(line.contains(part), "\(part) in \(line)")
    }
    #expect(!line.contains(String(repeating: "x", count: 70)))
    #expect(!line.contains(DataPlaneFixture.key))
  }

  @Test(arguments: [
    ScoringError.queueFull(deployment: "d", depth: 1), .tooLate(deployment: "d", waitMs: 1),
    .waitedTooLong(deployment: "d", limitMs: 1), .tooManyAtOnce(deployment: "d", limit: 1),
    .deadlinePassed(deployment: "d", timeoutMs: 1), .draining, .callerLeft, .badInput("no JSON"),
  ])
  func `the mirror gets nothing that was refused before it was read`(error: ScoringError) {
    var times = ScoringTimes()
    times.queue = 5
    let refused = ScoringOutcome(deployment: nil, result: .failure(error), times: times)
    #expect(!ScoringExchange.isMirrored(refused))
    times.decode = 1
    let failed = ScoringOutcome(deployment: nil, result: .failure(error), times: times)
    #expect(ScoringExchange.isMirrored(failed))
    #expect(
      ScoringExchange.isMirrored(
        ScoringOutcome(deployment: nil, result: .success([]), times: ScoringTimes())))
  }
}
