import Testing

@testable import Serving

struct QueuePolicyTests {
  let policy = QueuePolicy(maxWaitingRows: 4, maxWaitingBytes: 1000, threads: 2)

  private func admission(
    _ load: QueuePolicy.Load, rows: Int = 1, bytes: Int = 1, run: UInt64 = 0,
    untilStart: UInt64 = 1_000_000_000, untilDeadline: UInt64 = 1_000_000_000
  ) -> QueuePolicy.Admission {
    policy.admission(
      load,
      QueuePolicy.Demand(
        rows: rows, bytes: bytes, run: run, untilStart: untilStart, untilDeadline: untilDeadline))
  }

  @Test func `sixty-four requests of a thousand rows wait as long as there is time`() {
    let policy = QueuePolicy(threads: 2)
    let load = QueuePolicy.Load(requests: 63, rows: 63_000, bytes: 63 * 30_000, wait: 15_000_000)
    let demand = QueuePolicy.Demand(
      rows: 1000, bytes: 30_000, run: 450_000, untilStart: 5_000_000_000,
      untilDeadline: 5_000_000_000)
    #expect(policy.admission(load, demand) == .wait)
  }

  @Test func `a request waits where there is room`() {
    typealias Load = QueuePolicy.Load
    #expect(admission(Load(requests: 1, rows: 3)) == .wait)
    #expect(admission(Load(requests: 1, rows: 4)) == .refuse)
    #expect(admission(Load(requests: 1, rows: 3), rows: 2) == .refuse)
    #expect(admission(Load(requests: 1, rows: 3), rows: .max) == .refuse)
    #expect(admission(Load(requests: 1, rows: 1, bytes: 900), bytes: 100) == .wait)
    #expect(admission(Load(requests: 1, rows: 1, bytes: 900), bytes: 101) == .refuse)
    // Nothing waits: it is tried, however large it is.
    #expect(admission(Load(), rows: 900, bytes: 1 << 30) == .wait)
  }

  @Test func `a request waits where its turn and its end come in time`() {
    func load(_ wait: UInt64) -> QueuePolicy.Load {
      QueuePolicy.Load(requests: 1, rows: 1, bytes: 1, wait: wait)
    }
    #expect(admission(load(900_000_000)) == .wait)
    #expect(admission(load(900_000_000), run: 200_000_000) == .tooLate)
    #expect(admission(load(10_000_000), untilStart: 9_000_000) == .tooLate)
    // A bound on waiting is kept with room for runs that take longer than others.
    #expect(admission(load(7_500_000), untilStart: 10_000_000) == .wait)
    #expect(admission(load(7_500_001), untilStart: 10_000_000) == .tooLate)
    #expect(admission(load(.max), run: .max) == .tooLate)
    // An idle thread tries it, whatever it is said to take.
    #expect(admission(QueuePolicy.Load(), run: .max) == .wait)
    // Nothing waits, but no thread will be idle in time.
    #expect(admission(QueuePolicy.Load(wait: 10_000_000), untilStart: 9_000_000) == .tooLate)
  }

  @Test(
    arguments: [
      (0, [0, 0], 0), (0, [0, 14], 0), (0, [2, 14], 2), (14, [2, 14], 15), (28, [0, 0], 14),
      (10, [0], 10), (10, [5], 15),
    ] as [(UInt64, [UInt64], UInt64)])
  func `the wait is what is ahead and what is left of what runs`(
    ahead: UInt64, running: [UInt64], expected: UInt64
  ) {
    #expect(policy.wait(ahead: ahead, running: running) == expected)
  }

  @Test(
    arguments: [
      (99, false, QueuePolicy.Turn.run), (100, false, .expire), (101, false, .expire),
      (99, true, .drop), (101, true, .drop),
    ] as [(UInt64, Bool, QueuePolicy.Turn)])
  func `dead work is not started`(now: UInt64, hasLeft: Bool, expected: QueuePolicy.Turn) {
    #expect(policy.turn(now: now, startBy: 100, callerHasLeft: hasLeft) == expected)
  }
}

struct CostEstimateTests {
  @Test(arguments: [
    (10, true), (100, true), (6000, true), (6700, false), (100_000, false),
  ])
  func `a request below two hundred microseconds runs inline`(bytes: Int, isInline: Bool) {
    let estimate = CostEstimate(nanoseconds: 3000, bodyByteCount: 100)
    #expect(estimate.runsInline(bodyByteCount: bytes) == isInline)
  }

  @Test func `a small body costs what the measured one did`() {
    let estimate = CostEstimate(nanoseconds: 3000, bodyByteCount: 100)
    #expect(estimate.nanoseconds(forBody: 1) == 3000)
    #expect(estimate.nanoseconds(forBody: 200) == 6000)
  }

  @Test func `a binary body is compared by its rows`() {
    // 2 rows in 100 bytes of JSON; 16 bytes a row in binary.
    let estimate = CostEstimate(
      nanoseconds: 3000, bodyByteCount: 100, rows: 2, rowByteCount: 16)
    #expect(estimate.comparableBytes(ofBinary: 64) == 200)
    #expect(estimate.rows(forBody: 200) == 4)
    #expect(estimate.rows(forBody: 1) == 1)
    #expect(estimate.maxInlineBytes == 6666)
  }

  @Test func `what was not measured does not run inline`() {
    #expect(!CostEstimate.unknown.runsInline(bodyByteCount: 1))
  }
}

struct QueuePaceTests {
  @Test func `what is expected follows what was seen`() {
    let pace = QueuePace()
    #expect(pace.corrected(1_000_000) == 1_000_000)
    for _ in 0..<100 { pace.observe(expected: 1_000_000, took: 2_000_000) }
    #expect(abs(Double(pace.corrected(1_000_000)) - 2_000_000) < 50_000)
    // Batches make it less than the sum of their requests.
    for _ in 0..<100 { pace.observe(expected: 8_000_000, took: 1_000_000) }
    #expect(pace.corrected(8_000_000) < 1_200_000)
    pace.observe(expected: 0, took: 1_000_000)
    #expect(pace.corrected(8_000_000) < 1_200_000)
  }
}
