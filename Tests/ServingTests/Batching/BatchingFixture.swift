import Executors
import Telemetry
import TestExecutors

@testable import Serving

extension ServiceFixture {
  /// A deployment of the test executor, by default with batching.
  func deployment(
    _ executor: TestExecutor, name: String = "blue", maxBatchRows: Int? = 8,
    maxQueueDelayMs: Int = 0, timeoutMs: Int = 60_000, maxQueueWaitMs: Int? = nil,
    cost: CostEstimate = CostEstimate(nanoseconds: 1000, bodyByteCount: 100),
    execution: DeploymentSpecification.Execution = .queued
  ) -> LiveDeployment {
    var specification = DeploymentSpecification(name: name, endpointName: "churn")
    specification.execution = execution
    specification.requestTimeoutMs = timeoutMs
    specification.maxQueueWaitMs = maxQueueWaitMs
    if let maxBatchRows {
      var batching = DeploymentSpecification.Batching()
      batching.maxBatchRows = maxBatchRows
      batching.maxQueueDelayMs = maxQueueDelayMs
      specification.batching = batching
    }
    return LiveDeployment(
      specification, generation: 1, modelName: "churn", modelVersion: "1",
      model: LoadedModel(executor: executor, format: "onnx"), metrics: metrics, cost: cost)
  }

  func metric(_ line: String) -> Bool {
    String(decoding: metrics.prometheusText(), as: UTF8.self)
      .split(separator: "\n").contains { $0.hasPrefix(line) }
  }
}

extension FakeCaller {
  convenience init(rows: [[Int]]) { self.init("{\"input_data\": \(rows)}") }

  /// What the test executor answers to `rows`.
  static func answer(to rows: [[Int]]) -> String {
    let echo = rows.map { row in "[" + row.map { "\($0).0" }.joined(separator: ",") + "]" }
    let sums = rows.map { "\($0.reduce(0, +)).0" }.joined(separator: ",")
    return "{\"echo\":[\(echo.joined(separator: ","))],\"sum\":[\(sums)]}"
  }
}
