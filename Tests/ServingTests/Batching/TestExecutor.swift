import Executors
import Synchronization
import Telemetry
import Tensors

@testable import Serving

#if canImport(Glibc)
  import Glibc
#endif

/// Gives back each row's numbers and their sum, after it has slept or spun; fails on demand.
///
/// The first number of a row is what it asks for: -1 fails the run, everything else is scored.
final class TestExecutor: ModelExecutor {
  struct Run: Sendable {
    var started: UInt64
    var rows: Int
    var values: [Float]
  }

  static let width = 4
  let signature: ModelSignature
  let summary = "test"
  let batchDependentNodes: [String]
  /// Microseconds that each run sleeps, or spins.
  private let sleepMicroseconds: UInt32
  private let spinMicroseconds: UInt64
  private let keepsRuns: Bool
  /// Adds to each row the mean of its batch, as a model does whose rows are not independent.
  private let mixesRows: Bool
  private let runs = Mutex<[Run]>([])
  private let runCounter = Atomic(0)
  private let rowCounter = Atomic(0)
  private let gate = Monitor(true)

  init(
    sleepMicroseconds: UInt32 = 0, spinMicroseconds: UInt64 = 0, keepsRuns: Bool = false,
    mixesRows: Bool = false, batchDependentNodes: [String] = []
  ) {
    self.sleepMicroseconds = sleepMicroseconds
    self.spinMicroseconds = spinMicroseconds
    self.keepsRuns = keepsRuns
    self.mixesRows = mixesRows
    self.batchDependentNodes = batchDependentNodes
    signature = ModelSignature(
      inputs: [ModelInput(name: "X", elementType: .float32, shape: [nil, Self.width])],
      outputs: [
        ModelOutput(name: "echo", kind: .tensor(.float32, shape: [nil, Self.width])),
        ModelOutput(name: "sum", kind: .tensor(.float32, shape: [nil])),
      ])
  }

  var runCount: Int { runCounter.load(ordering: .relaxed) }
  var rowCount: Int { rowCounter.load(ordering: .relaxed) }
  var allRuns: [Run] { runs.withLock { $0 } }

  /// Runs wait until `release`.
  func hold() { gate.withLock { $0 = false } }
  func release() {
    gate.withLock { $0 = true }
    gate.broadcast()
  }

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let input = inputs[0] else { throw .missingInput("X") }
    let started = MonotonicClock.system.now()
    let values = input.values(as: Float.self)
    runCounter.add(1, ordering: .relaxed)
    rowCounter.add(input.rowCount, ordering: .relaxed)
    if keepsRuns {
      var copy: [Float] = []
      for index in values.indices { copy.append(values[index]) }
      runs.withLock { $0.append(Run(started: started, rows: input.rowCount, values: copy)) }
    }
    let _: Void? = gate.wait { $0 ? () : nil }
    if sleepMicroseconds > 0 { usleep(sleepMicroseconds) }
    while MonotonicClock.system.now() < started + spinMicroseconds * 1000 {}
    var echo: [Float] = []
    var sums: [Float] = []
    for row in 0..<input.rowCount {
      if values[row * Self.width] == -1 {
        throw .failed(node: "test", reason: "row \(row) asks for it")
      }
      var sum: Float = 0
      for column in 0..<Self.width {
        let value = values[row * Self.width + column]
        echo.append(value)
        sum += value
      }
      sums.append(sum)
    }
    if mixesRows, !sums.isEmpty {
      let mean = sums.reduce(0, +) / Float(sums.count)
      for row in sums.indices { sums[row] += mean }
    }
    let rows = input.rowCount
    return outputs.map { output in
      output == 0
        ? .tensor(Tensor(echo, shape: Shape(rows, Self.width)))
        : .tensor(Tensor(sums, shape: Shape(rows)))
    }
  }
}

extension ServiceFixture {
  /// A deployment of the test executor, by default with batching.
  func deployment(
    _ executor: TestExecutor, name: String = "blue", maxBatchRows: Int? = 8,
    maxQueueDelayMs: Int = 0, timeoutMs: Int = 60_000, maxQueueWaitMs: Int? = nil,
    cost: CostEstimate = CostEstimate(nanoseconds: 1000, bodyByteCount: 100)
  ) -> LiveDeployment {
    var specification = DeploymentSpecification(name: name, endpointName: "churn")
    specification.execution = .queued
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
