import Testing

@testable import Serving

struct BatchPolicyTests {
  let policy = BatchPolicy(maxBatchRows: 8, maxQueueDelay: 2_000_000)

  @Test(
    arguments: [
      (0, 0, BatchPolicy.Action.sleep), (1, 0, .wait(2_000_000)), (7, 500_000, .wait(1_500_000)),
      // The oldest has waited as long as it may; what is full leaves at once.
      (1, 2_000_000, .run), (8, 0, .run), (900, 0, .run),
    ] as [(Int, UInt64, BatchPolicy.Action)])
  func `a batch leaves when it is full or its oldest request has waited the delay`(
    rows: Int, age: UInt64, expected: BatchPolicy.Action
  ) {
    #expect(policy.action(waitingRows: rows, oldestAge: age) == expected)
  }

  @Test func `without a delay an idle thread takes what there is`() {
    let eager = BatchPolicy(maxBatchRows: 8, maxQueueDelay: 0)
    #expect(eager.action(waitingRows: 1, oldestAge: 0) == .run)
  }

  @Test(
    arguments: [
      (8, 0, true), (1, 7, true), (2, 7, false), (1, 8, false), (900, 0, true), (.max, 1, false),
    ] as [(Int, Int, Bool)])
  func `rows are counted, and a long request is never cut`(
    rows: Int, batchRows: Int, fits: Bool
  ) {
    #expect(policy.takes(rows: rows, into: batchRows) == fits)
  }
}
