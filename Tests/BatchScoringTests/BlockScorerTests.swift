import Executors
import Glibc
import Serving
import Synchronization
import Telemetry
import Tensors
import Testing

@testable import BatchScoring

/// Takes a time for each row, and looks at the clock after each.
private struct SlowExecutor: ModelExecutor {
  let signature = ModelSignature(
    inputs: [ModelInput(name: "X", elementType: .float64, shape: [nil, 1])],
    outputs: [ModelOutput(name: "predict", kind: .tensor(.float64, shape: [nil]))])
  var summary: String { "slow" }
  /// Microseconds by the row's value.
  let time: @Sendable (Double) -> UInt32
  /// Told the rows of each run.
  let runs: @Sendable ([Double]) -> Void

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let table = inputs[0] else { throw .missingInput("X") }
    let values = table.values(as: Double.self)
    runs((0..<table.rowCount).map { values[$0] })
    var sums: [Double] = []
    for row in 0..<table.rowCount {
      var left = time(values[row])
      repeat {
        if left > 0 { usleep(min(left, 1000)) }
        try scratch.checkDeadline()
        left -= min(left, 1000)
      } while left > 0
      sums.append(values[row])
    }
    return [.tensor(Tensor(sums, shape: Shape(sums.count)))]
  }
}

@Suite struct BlockScorerTests {
  private static func score(
    rows: Int, _ pace: ScoringPace, runs: @escaping @Sendable ([Double]) -> Void = { _ in },
    time: @escaping @Sendable (Double) -> UInt32
  ) -> ScoredBlock {
    let executor = SlowExecutor(time: time, runs: runs)
    let scorer = BlockScorer(
      LoadedModel(executor: executor, format: "test"), outputs: [0], text: nil,
      columns: PredictionColumns(), pace: pace)
    return scorer.score(
      Tensor((0..<rows).map(Double.init), shape: Shape(rows, 1)), firstRow: 100)
  }

  @Test func `many slow rows are scored in smaller parts`() {
    let pace = ScoringPace()
    pace.maxNanoseconds = 10_000_000_000
    let block = Self.score(rows: 70, pace) { _ in 20_000 }
    #expect(block.scored == 70 && block.faults.isEmpty)
    let lines = String(decoding: block.text, as: UTF8.self).split(separator: "\n")
    #expect(lines.first == "100,0.0" && lines.last == "169,69.0")
  }

  @Test func `a row that alone takes too long fails, after as many tries, and comes last`() {
    let pace = ScoringPace()
    pace.maxNanoseconds = 500_000_000
    pace.maxRetries = 2
    let runs = Mutex<[[Double]]>([])
    let block = Self.score(
      rows: 8, pace, runs: { rows in runs.withLock { $0.append(rows) } },
      time: { $0 == 5 ? 2_000_000 : 0 })
    let lines = String(decoding: block.text, as: UTF8.self).split(separator: "\n")
    #expect(
      lines.map(String.init)
        == [0, 1, 2, 3, 4, 6, 7].map { "\(100 + $0),\(Double($0))" })
    #expect(
      block.faults.first?.reason
        == "the rows scored with it took longer than 0.5 s, 3 times (retry_settings)")
    #expect(block.scored == 7)
    #expect(block.faults.map(\.row) == [105])
    #expect(runs.withLock { $0.first } == (0..<8).map(Double.init))
    // A try that was cut short by others on the CPU goes on in another run.
    #expect(runs.withLock { $0.filter { $0 == [5] }.count } >= 1 + pace.maxRetries)
  }

  @Test func `the rows of a block have their time together`() {
    let pace = ScoringPace()
    pace.maxNanoseconds = 1_000_000_000
    pace.maxRetries = 1
    let begin = MonotonicClock.system.now()
    let block = Self.score(rows: 1000, pace) { _ in 20_000 }
    let elapsed = MonotonicClock.system.now() - begin
    // Alone, none of them takes too long; all of them would take twenty seconds.
    #expect(block.scored > 0 && block.scored < 110, "\(block.scored)")
    #expect(block.scored + block.faults.count == 1000)
    #expect(elapsed < 15_000_000_000, "\(elapsed)")
    let scored = Set(
      String(decoding: block.text, as: UTF8.self).split(separator: "\n")
        .compactMap { Int($0.prefix { $0 != "," }) })
    #expect(scored.isDisjoint(with: block.faults.map(\.row)))
    #expect(scored.count == block.scored)
    // The next block has a time of its own.
    #expect(Self.score(rows: 5, pace) { _ in 20_000 }.scored == 5)
  }

  @Test func `many rows are run together again behind one that took long`() {
    let pace = ScoringPace()
    pace.maxNanoseconds = 1_000_000_000
    let runs = Mutex<[Int]>([])
    let slow = Self.score(rows: 64, pace) { $0 == 7 ? 3_000_000 : 0 }
    #expect(slow.scored == 63 && slow.faults.map(\.row) == [107])
    _ = Self.score(
      rows: 4000, pace, runs: { rows in runs.withLock { $0.append(rows.count) } },
      time: { _ in 0 })
    let counts = runs.withLock { $0 }
    #expect(counts.count < 40, "\(counts)")
  }

  @Test func `nobody waits for rows that are not wanted any more`() {
    let pace = ScoringPace()
    pace.maxNanoseconds = 10_000_000_000
    let asked = Atomic<Int>(0)
    pace.shouldStop = { asked.add(1, ordering: .relaxed).newValue > 1 }
    let block = Self.score(rows: 1000, pace) { _ in 20_000 }
    #expect(block.isAbandoned)
  }

  /// A pace, and what it sees.
  private final class Bench: Sendable {
    let time = Atomic<UInt64>(0)
    let requests = Atomic<UInt64>(0)

    func pass(_ nanoseconds: UInt64) { time.wrappingAdd(nanoseconds, ordering: .relaxed) }

    func pace() -> ScoringPace {
      let pace = ScoringPace(clock: MonotonicClock { self.time.load(ordering: .relaxed) })
      pace.requestCount = { self.requests.load(ordering: .relaxed) }
      return pace
    }

    func someTurns(_ pace: ScoringPace, nanosecondsPerRow: UInt64) {
      for _ in 0..<8 {
        let count = pace.turnRows
        pace.turn(rows: count) { pass(nanosecondsPerRow * UInt64(count)) }
      }
    }
  }

  /// While requests come, at most some tenth of a millisecond, whatever a row takes.
  @Test(arguments: [(100, 512), (700, 128), (3_000, 32), (1_000_000, 32)])
  func `a turn has as many rows as its time allows`(nanosecondsPerRow: UInt64, rows: Int) {
    let bench = Bench()
    let pace = bench.pace()
    bench.requests.wrappingAdd(1, ordering: .relaxed)
    pace.begin()
    bench.someTurns(pace, nanosecondsPerRow: nanosecondsPerRow)
    #expect(pace.turnRows == rows)
    // A block's last rows, and one halt, say nothing about the others.
    pace.turn(rows: 1) { bench.pass(1) }
    #expect(pace.turnRows == rows)
    pace.turn(rows: rows) { bench.pass(10_000_000) }
    bench.someTurns(pace, nanosecondsPerRow: nanosecondsPerRow)
    #expect(pace.turnRows == rows)
  }

  @Test func `turns are short from the first request until a second after the last`() {
    let bench = Bench()
    let pace = bench.pace()
    func rows(after nanoseconds: UInt64) -> Int {
      bench.pass(nanoseconds)
      pace.begin()
      bench.someTurns(pace, nanosecondsPerRow: 1_500)
      return pace.turnRows
    }
    #expect(rows(after: 0) == 512)
    bench.requests.wrappingAdd(1, ordering: .relaxed)
    #expect(rows(after: 0) == 64)
    #expect(rows(after: 900_000_000) == 64)
    #expect(rows(after: 100_000_000) == 512)
  }

  @Test func `a model that takes long pauses in the middle of its work`() {
    let scratch = Scratch()
    let pauses = Atomic<Int>(0)
    scratch.pause = { pauses.add(1, ordering: .relaxed) }
    #expect(throws: Never.self) { try scratch.checkDeadline() }
    #expect(pauses.load(ordering: .relaxed) == 1)
  }
}
