import Documents
import Testing

@testable import Gateway
@testable import Serving

@Suite struct ModelDescriptionTests {
  private func describe(
    _ set: (inout DeploymentSpecification) -> Void = { _ in }
  ) throws -> (deployment: LiveDeployment, description: ModelDescription) {
    let fixture = try DataPlaneFixture()
    let deployment = try fixture.deployment(
      "blue", of: "iris", model: "iris/1/model.onnx", set: set)
    return (
      deployment,
      ModelDescription(name: "iris", deployment: deployment, versions: [], version: "blue")
    )
  }

  @Test func `a configuration has dynamic batching where requests are joined`() throws {
    #expect(try describe().description.config.value(at: "dynamic_batching") == nil)
    var batching = DeploymentSpecification.Batching()
    batching.maxQueueDelayMs = 3
    let (_, description) = try describe { $0.batching = batching }
    #expect(
      description.config.value(at: "dynamic_batching.max_queue_delay_microseconds") == 3000)
  }

  @Test func `each request of a batch counts in each stage, the run once`() throws {
    let (deployment, description) = try describe()
    var times = ScoringTimes()
    times.queue = 5
    times.decode = 10
    times.execute = 1000
    times.encode = 20
    times.rows = 1
    deployment.metrics.record(status: 200, times: times, ended: 1)
    times.batchRows = 16
    for _ in 0..<16 { deployment.metrics.record(status: 200, times: times, ended: 1) }
    deployment.metrics.countBatch(rows: 16, decode: 160, execute: 1000, encode: 320)
    let value = description.statistics
    func number(_ path: String) -> DocumentValue? { value.value(at: path) }
    #expect(number("inference_count") == 17)
    #expect(number("execution_count") == 2)
    for (stage, nanoseconds) in [
      ("success", 17 * 1035), ("queue", 17 * 5), ("compute_input", 17 * 10),
      ("compute_infer", 17 * 1000), ("compute_output", 17 * 20),
    ] {
      #expect(number("inference_stats.\(stage).count") == 17, "\(stage)")
      #expect(number("inference_stats.\(stage).ns") == .integer(Int64(nanoseconds)), "\(stage)")
    }
    // By run, as they were.
    #expect(number("batch_stats[0].compute_infer.count") == 1)
    #expect(number("batch_stats[1].batch_size") == 16)
    #expect(number("batch_stats[1].compute_infer.count") == 1)
    #expect(number("batch_stats[1].compute_infer.ns") == 1000)
  }
}
