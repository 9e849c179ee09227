package import Executors
import Synchronization
import Telemetry
package import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Gives back each row's numbers and their sum, after it has slept or spun; fails on demand.
///
/// The first number of a row is what it asks for: -1 fails the run, everything else is scored.
package final class TestExecutor: ModelExecutor {
  package struct Run: Sendable {
    /// Nanoseconds on the monotonic clock.
    package var started: UInt64
    package var rows: Int
    package var values: [Float]
  }

  package static let width = 4
  package let signature: ModelSignature
  package let summary = "test"
  package let batchDependentNodes: [String]
  /// Microseconds that each run sleeps, or spins.
  private let sleepMicroseconds: UInt32
  private let spinMicroseconds: UInt64
  private let endsAtDeadline: Bool
  private let fails: Bool
  private let keepsRuns: Bool
  /// Adds to each row the mean of its batch, as a model does whose rows are not independent.
  private let mixesRows: Bool
  private let runs = Mutex<[Run]>([])
  private let runCounter = Atomic(0)
  private let rowCounter = Atomic(0)
  private let gate = Monitor(true)

  package init(
    sleepMicroseconds: UInt32 = 0, spinMicroseconds: UInt64 = 0, endsAtDeadline: Bool = false,
    fails: Bool = false, keepsRuns: Bool = false, mixesRows: Bool = false,
    batchDependentNodes: [String] = []
  ) {
    self.sleepMicroseconds = sleepMicroseconds
    self.spinMicroseconds = spinMicroseconds
    self.endsAtDeadline = endsAtDeadline
    self.fails = fails
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

  package var runCount: Int { runCounter.load(ordering: .relaxed) }
  package var rowCount: Int { rowCounter.load(ordering: .relaxed) }
  package var allRuns: [Run] { runs.withLock { $0 } }

  /// Runs wait until `release`.
  package func hold() { gate.withLock { $0 = false } }
  package func release() {
    gate.withLock { $0 = true }
    gate.broadcast()
  }

  package func makeScratch() -> Scratch { Scratch() }

  package func predict(
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
    while MonotonicClock.system.now() < started + spinMicroseconds * 1000 {
      if endsAtDeadline { try scratch.checkDeadline() }
    }
    if fails { throw .failed(node: "test", reason: "it always does") }
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
