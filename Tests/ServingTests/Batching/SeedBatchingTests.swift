import Executors
import Tensors
import Testing

@testable import Serving

/// Batching with real models: what they answer does not depend on who came along.
struct SeedBatchingTests {
  @Test(arguments: [
    "breast-cancer/1/model.json", "digits/1/model.onnx", "iris/1/model.onnx",
  ])
  func `a real model gives each request of a batch the bytes that it gives it alone`(
    path: String
  ) throws {
    let folder = packageRoot + "/models/" + path
    let model = try ModelLoader.load(path: folder)
    let package = folder.split(separator: "/").dropLast().joined(separator: "/")
    let sample = try WarmUp.Sample(package: "/" + package)
    #expect(WarmUp.joinFault(Scorer(model), sample: sample) == nil)

    let width = try #require(model.signature.inputs[0].shape.last ?? nil)
    let bodies = (0..<40).map { number -> String in
      let rows = (0...(number % 3)).map { row in
        "["
          + (0..<width).map { "\(Double(($0 * 7 + row * 3 + number * 5) % 17) / 2)" }
          .joined(separator: ", ") + "]"
      }
      return "{\"input_data\": [" + rows.joined(separator: ", ") + "]}"
    }
    let scorer = Scorer(model)
    let scratch = ScoringScratch(model.executor.makeScratch())
    let alone = try bodies.map { body in
      var times = ScoringTimes()
      let bytes = Array(body.utf8)
      return String(
        decoding: try scorer.score(
          bytes.span, form: .score, scratch: scratch, started: 0, times: &times), as: UTF8.self)
    }

    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    var specification = DeploymentSpecification(name: "blue", endpointName: "churn")
    specification.requestTimeoutMs = 60_000
    specification.batching = DeploymentSpecification.Batching()
    specification.batching?.maxQueueDelayMs = 20
    let blue = LiveDeployment(
      specification, generation: 1, modelName: "churn", modelVersion: "1", model: model,
      metrics: fixture.metrics, cost: CostEstimate(nanoseconds: 1000, bodyByteCount: 100))
    fixture.install([blue], traffic: ["blue": 100])
    let callers = bodies.map { FakeCaller($0) }
    for caller in callers { fixture.score(caller) }
    for (caller, expected) in zip(callers, alone) { #expect(caller.answer == expected) }
    #expect(callers.contains { ($0.outcome()?.times.batchRows ?? 0) > 3 })
  }
}
