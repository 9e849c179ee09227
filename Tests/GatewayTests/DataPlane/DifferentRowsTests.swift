import Executors
import HTTP
import Tensors
import Testing

@testable import Gateway
@testable import Serving

/// A model that fails on inputs with different numbers of rows, whose file says nothing of them.
struct DifferentRowsTests {
  private final class ConcatExecutor: ModelExecutor {
    let summary = "concat"
    let signature = ModelSignature(
      inputs: ["a", "b"].map { ModelInput(name: $0, elementType: .float32, shape: [nil, 2]) },
      outputs: [ModelOutput(name: "y", kind: .tensor(.float32, shape: [nil]))])

    func makeScratch() -> Scratch { Scratch() }

    func predict(
      _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
    ) throws(ExecutorError) -> [ModelValue] {
      let rows = inputs.compactMap { $0?.rowCount }
      // Nine rows are what it does not like for reasons of its own.
      guard Set(rows).count == 1, rows.first != 9 else {
        throw .failed(node: "node 'join' (Concat)", reason: "sizes \(rows)")
      }
      return [.tensor(Tensor([Float](repeating: 1, count: rows[0]), shape: Shape(rows[0])))]
    }
  }

  private func fixture(
    _ set: (inout DeploymentSpecification) -> Void
  ) throws -> DataPlaneFixture {
    let fixture = try DataPlaneFixture()
    var specification = DeploymentSpecification(name: "blue", endpointName: "join")
    set(&specification)
    let deployment = LiveDeployment(
      specification, generation: 1, modelName: "join", modelVersion: "1",
      model: LoadedModel(executor: ConcatExecutor(), format: "onnx"), metrics: fixture.metrics,
      cost: CostEstimate(nanoseconds: 1000, bodyByteCount: 1000))
    fixture.service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: "join", split: TrafficSplit(["blue": 100]), deployments: [deployment],
          unavailable: [:], keys: [], isOpen: true)
      ]))
    return fixture
  }

  private func rows(_ count: Int) -> String {
    "[" + [String](repeating: "[1,2]", count: count).joined(separator: ",") + "]"
  }

  private func bodies(_ first: Int, _ second: Int) -> [(path: String, body: String)] {
    let object = #"{"a":\#(rows(first)),"b":\#(rows(second))}"#
    let tensors = [("a", first), ("b", second)].map { name, count in
      #"{"name":"\#(name)","shape":[\#(count),2],"datatype":"FP32","data":\#(rows(count))}"#
    }
    return [
      ("/v2/models/join/infer", #"{"inputs":[\#(tensors.joined(separator: ","))]}"#),
      ("/v1/models/join:predict", #"{"inputs":\#(object)}"#),
      ("/endpoints/join/invocations", #"{"inputs":\#(object)}"#),
      ("/endpoints/join/score", #"{"input_data":\#(object)}"#),
    ]
  }

  enum Way: CaseIterable { case inline, queued, joined }

  @Test(arguments: Way.allCases)
  func `they are the request's fault in every protocol`(way: Way) throws {
    let fixture = try fixture { specification in
      switch way {
      case .inline: specification.execution = .inline
      case .queued: specification.execution = .queued
      case .joined: specification.batching = DeploymentSpecification.Batching()
      }
    }
    for (path, body) in bodies(3, 2) {
      let response = try fixture.post(body, to: path, headers: [])
      #expect(response.status == 400, "\(path): \(response.text)")
      for part in ["input 'b' has 2 rows; expected 3, as input 'a' has", "node 'join' (Concat)"] {
        #expect(response.text.contains(part), "\(path): \(response.text)")
      }
    }
    for (path, body) in bodies(3, 3) {
      #expect(try fixture.post(body, to: path, headers: []).status == 200, "\(path)")
    }
    // What it fails with on equal rows is its own fault, as before.
    let statuses = try bodies(9, 9).map {
      try fixture.post($0.body, to: $0.path, headers: []).status
    }
    #expect(statuses == [500, 500, 424, 424])
  }
}
