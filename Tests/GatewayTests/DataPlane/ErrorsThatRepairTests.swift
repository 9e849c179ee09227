import Documents
import HTTP
import Testing

@testable import Gateway
@testable import Serving

/// One answer tells everything that is wrong with a body.
struct ErrorsThatRepairTests {
  private let fixture: DataPlaneFixture

  init() throws {
    fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
  }

  private func row(_ first: String, count: Int = 30) -> String {
    "[" + ([first] + [String](repeating: "1", count: count - 1)).joined(separator: ",") + "]"
  }

  @Test func `each wrong value and row is told with its place`() throws {
    let rows = [row("\"high\""), row("1", count: 29), row("true"), row("{}"), row("2")]
    let response = try fixture.post("{\"input_data\": [\(rows.joined(separator: ", "))]}")
    #expect(response.status == 400)
    let answer = try JSONReader.read(response.body.span, source: "answer")
    guard case .object(let body) = answer, case .object(let error)? = body["error"],
      case .array(let details)? = error["details"], case .string(let message)? = error["message"]
    else {
      Issue.record("\(response.text)")
      return
    }
    let places = details.map { detail -> String in
      guard case .object(let members) = detail, case .string(let place)? = members["target"] else {
        return ""
      }
      return place
    }
    #expect(places == ["$.input_data[0][0]", "$.input_data[1]", "$.input_data[3][0]"])
    #expect(message.hasPrefix("3 problems: "), "\(message)")
    #expect(message.contains("is the string 'high'; expected a number"), "\(message)")
    #expect(message.contains("has 29 values; expected 30"), "\(message)")
  }

  @Test func `twenty are told at most`() throws {
    let rows = (0..<100).map { _ in row("null,[]", count: 29) }
    let response = try fixture.post("{\"data\": [\(rows.joined(separator: ","))]}")
    #expect(response.status == 400)
    #expect(response.text.contains("20 problems: "))
  }

  @Test func `each wrong input of the inference protocol is told`() throws {
    let body = """
      {"inputs": [{"name": "Y", "shape": [1, 30], "datatype": "FP32", "data": []},
      {"name": "X", "shape": [1, 29], "datatype": "FP32", "data": []}],
      "outputs": [{"name": "predictt"}, {"name": "predict"}]}
      """
    let response = try fixture.post(body, to: "/v2/models/breast-cancer/infer")
    #expect(response.status == 400)
    for part in [
      "unexpected inference input 'Y'", "unexpected shape for input 'X'", "$.inputs[1].shape",
      "unexpected inference output 'predictt'", "did you mean 'predict'?",
    ] { #expect(response.text.contains(part), "\(response.text)") }
  }

  @Test func `a hidden error keeps the code and the request id`() throws {
    let open = try #require(fixture.service.table.endpoints["breast-cancer"])
    fixture.service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: open.name, split: open.split, deployments: Array(open.deployments.values),
          unavailable: [:], keys: open.keys, isOpen: false, hidesErrors: true)
      ]))
    for path in [
      "/endpoints/breast-cancer/score", "/endpoints/breast-cancer/invocations",
      "/v2/models/breast-cancer/infer", "/v1/models/breast-cancer:predict",
    ] {
      let response = try fixture.post("{\"data\": [[\"secret\"]]}", to: path)
      #expect(response.status == 400)
      let id = try #require(response.header("x-request-id"))
      #expect(response.text.contains(id), "\(path): \(response.text)")
      // An id may hold any two digits.
      let rest = response.text.replacing(id, with: "")
      #expect(!rest.contains("secret") && !rest.contains("30"), "\(path)")
      #expect(response.text.contains("BadRequest"), "\(path): \(response.text)")
    }
    #expect(try fixture.logLines().contains { $0.contains("secret") })
    let type = try fixture.client().send(
      method: "POST", path: "/endpoints/breast-cancer/invocations",
      headers: [
        ("Authorization", "Bearer \(DataPlaneFixture.key)"), ("Content-Type", "text/secret"),
      ], body: [])
    #expect(type.status == 415)
    #expect(!type.text.contains("secret") && !type.text.contains("predictor"))
    #expect(type.text.contains(type.header("x-request-id") ?? "none"))
  }
}
