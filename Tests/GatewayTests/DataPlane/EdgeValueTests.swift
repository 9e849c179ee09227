import Documents
import Executors
import HTTP
import Tensors
import Testing

@testable import Gateway
@testable import Serving

/// Values at the ends of their types come back from every protocol as they went in.
struct EdgeValueTests {
  /// Gives back what it is given.
  private final class EchoExecutor: ModelExecutor {
    static let types: [(name: String, type: ElementType)] = [
      ("S", .string), ("I", .int64), ("U", .uint64),
    ]
    let summary = "echo"
    let signature = ModelSignature(
      inputs: types.map { ModelInput(name: $0.name, elementType: $0.type, shape: [nil]) },
      outputs: types.map { ModelOutput(name: $0.name, kind: .tensor($0.type, shape: [nil])) })

    func makeScratch() -> Scratch { Scratch() }

    func predict(
      _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
    ) throws(ExecutorError) -> [ModelValue] {
      outputs.compactMap { index in inputs[index].map { .tensor($0) } }
    }
  }

  private static let strings = #"["a\u0000b","","\u0001\"\\😀"]"#
  private static let integers = "[-9223372036854775808,9223372036854775807,0]"
  private static let unsigned = "[18446744073709551615,9223372036854775808,0]"

  private func fixture() throws -> DataPlaneFixture {
    let fixture = try DataPlaneFixture()
    let deployment = LiveDeployment(
      DeploymentSpecification(name: "blue", endpointName: "echo"), generation: 1,
      modelName: "echo", modelVersion: "1",
      model: LoadedModel(executor: EchoExecutor(), format: "onnx"), metrics: fixture.metrics,
      cost: CostEstimate(nanoseconds: 1000, bodyByteCount: 1000))
    fixture.service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: "echo", split: TrafficSplit(["blue": 100]), deployments: [deployment],
          unavailable: [:], keys: [], isOpen: true)
      ]))
    return fixture
  }

  private func check(_ text: String, _ form: String) {
    for part in [
      #""a\u0000b","","\u0001\"\\😀""#, Self.integers.dropFirst().dropLast().description,
      Self.unsigned.dropFirst().dropLast().description,
    ] {
      #expect(text.contains(part), "\(form): \(part) is not in \(text)")
    }
  }

  @Test func `strings with NUL and the ends of 64 bits survive JSON of every protocol`() throws {
    let fixture = try fixture()
    let tensors = """
      {"inputs":[{"name":"S","datatype":"BYTES","shape":[3],"data":\(Self.strings)},\
      {"name":"I","datatype":"INT64","shape":[3],"data":\(Self.integers)},\
      {"name":"U","datatype":"UINT64","shape":[3],"data":\(Self.unsigned)}]}
      """
    let columns =
      #"{"inputs":{"S":\#(Self.strings),"I":\#(Self.integers),"U":\#(Self.unsigned)}}"#
    for (path, body) in [
      ("/v2/models/echo/infer", tensors), ("/v1/models/echo:predict", columns),
      ("/endpoints/echo/invocations", columns),
    ] {
      let response = try fixture.post(body, to: path, headers: [])
      #expect(response.status == 200, "\(path): \(response.text)")
      check(response.text, path)
    }
  }

  @Test func `bytes that are no UTF-8 are refused where JSON was asked for, not replaced`() throws {
    let fixture = try fixture()
    let bytes: [UInt8] = [2, 0, 0, 0, 0xC3, 0xA4, 1, 0, 0, 0, 0xC3]
    func post(_ outputs: String) throws -> HTTPClient.Response {
      let head = Array(
        (#"{"inputs":[{"name":"S","datatype":"BYTES","shape":[2],"#
          + #""parameters":{"binary_data_size":\#(bytes.count)}},"#
          + #"{"name":"I","datatype":"INT64","shape":[1],"data":[1]},"#
          + #"{"name":"U","datatype":"UINT64","shape":[1],"data":[1]}],"outputs":[\#(outputs)]}"#)
          .utf8)
      return try fixture.client().send(
        method: "POST", path: "/v2/models/echo/infer",
        headers: [("Inference-Header-Content-Length", String(head.count))], body: head + bytes)
    }
    let refused = try post(#"{"name":"I"},{"name":"S"}"#)
    #expect(refused.status == 400)
    #expect(
      refused.text.contains("element 1 of output 'S' is not UTF-8, which JSON cannot carry"),
      "\(refused.text)")
    #expect(refused.text.contains(#"\"binary_data\": true"#), "\(refused.text)")
    let binary = try post(#"{"name":"S","parameters":{"binary_data":true}}"#)
    #expect(binary.status == 200 && Array(binary.body.suffix(bytes.count)) == bytes)
    #expect(try post(#"{"name":"I"}"#).status == 200)
    // The same bytes by the other protocols, which have no binary form.
    let texts = #"{"inputs":{"S":[{"b64":"w6Q="},{"b64":"ww=="}],"I":[1,2],"U":[1,2]}}"#
    for path in ["/v1/models/echo:predict", "/endpoints/echo/invocations", "/endpoints/echo/score"]
    {
      let response = try fixture.post(texts, to: path, headers: [])
      #expect(response.status == 400, "\(path): \(response.text)")
      #expect(response.text.contains("element 1 of output 'S'"), "\(path): \(response.text)")
    }
    // Where the name says that it is bytes, they are base64.
    let values: [ModelValue] = [
      .tensor(
        Tensor(
          strings: {
            var s = ByteStrings()
            s.append([0xC3])
            return s
          }(), shape: Shape(1)))
    ]
    try AnswerText.check(values, names: ["t_bytes"], isBase64: PredictAnswer.isBase64)
    #expect(throws: ScoringError.self) {
      try AnswerText.check(values, names: ["t"], isBase64: PredictAnswer.isBase64)
    }
  }

  @Test func `they survive binary tensors`() throws {
    let fixture = try fixture()
    func bytes<Value: FixedWidthInteger>(_ values: [Value]) -> [UInt8] {
      values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    }
    let texts: [[UInt8]] = [[97, 0, 98], [], [0xFF, 0, 0xC3]]
    let strings = texts.flatMap { text in
      (0..<4).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) } + text
    }
    let tensors = [
      ("S", "BYTES", strings), ("I", "INT64", bytes([Int64.min, .max, -1])),
      ("U", "UINT64", bytes([UInt64.max, 1 << 63, 1])),
    ]
    let inputs = tensors.map { name, type, bytes in
      #"{"name":"\#(name)","datatype":"\#(type)","shape":[3],"#
        + #""parameters":{"binary_data_size":\#(bytes.count)}}"#
    }.joined(separator: ",")
    let head = Array(
      #"{"parameters":{"binary_data_output":true},"inputs":[\#(inputs)]}"#.utf8)
    let response = try fixture.client().send(
      method: "POST", path: "/v2/models/echo/infer",
      headers: [("Inference-Header-Content-Length", String(head.count))],
      body: head + tensors.flatMap(\.2))
    #expect(response.status == 200, "\(response.text)")
    let length = try #require(
      response.header("inference-header-content-length").flatMap { Int($0) })
    #expect(Array(response.body[length...]) == tensors.flatMap(\.2))
  }
}
