import Testing

@testable import Serving

struct QueuePolicyTests {
  let policy = QueuePolicy(maxWaiting: 4, threads: 2)

  @Test(
    arguments: [
      (0, 0, 1, QueuePolicy.Admission.wait), (3, 1_000_000, 1_000_000_000, .wait),
      // The queue is full.
      (4, 1_000_000, 1_000_000_000, .refuse),
      // Its turn would come after its deadline: 2 s of work for two threads, 0.9 s left.
      (2, 2_000_000_000, 900_000_000, .refuse), (2, 2_000_000_000, 1_100_000_000, .wait),
      // Nothing waits: it is tried, however long it is said to take.
      (0, 9_000_000_000, 1, .wait),
    ] as [(Int, UInt64, UInt64, QueuePolicy.Admission)])
  func `a request waits where there is room and time`(
    waiting: Int, waitingNanoseconds: UInt64, remaining: UInt64,
    expected: QueuePolicy.Admission
  ) {
    #expect(
      policy.admission(
        waiting: waiting, waitingNanoseconds: waitingNanoseconds, remaining: remaining)
        == expected)
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

  @Test func `what was not measured does not run inline`() {
    #expect(!CostEstimate.unknown.runsInline(bodyByteCount: 1))
  }
}
