import Executors
import Synchronization
import Telemetry
import Tensors
import TestExecutors
import TestTimes
import Testing

@testable import Serving

struct BatchingTests {
  /// A service whose one thread is held by a first request, behind which others wait.
  private func held(
    _ executor: TestExecutor, maxBatchRows: Int? = 8, timeoutMs: Int = 60_000,
    _ body: (ServiceFixture) throws -> Void
  ) rethrows {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    defer { executor.release() }
    fixture.install(
      [fixture.deployment(executor, maxBatchRows: maxBatchRows, timeoutMs: timeoutMs)],
      traffic: ["blue": 100])
    executor.hold()
    let first = FakeCaller(rows: [[0, 0, 0, 0]])
    fixture.score(first)
    #expect(eventually { executor.runCount == 1 })
    try body(fixture)
    #expect(first.answer != nil)
  }

  @Test func `requests that wait together are run together, and each gets its own rows`() {
    let executor = TestExecutor(keepsRuns: true)
    held(executor) { fixture in
      let bodies = [[[1, 2, 3, 4]], [[5, 6, 7, 8], [9, 10, 11, 12]], [[13, 14, 15, 16]]]
      let callers = bodies.map { FakeCaller(rows: $0) }
      for caller in callers { fixture.score(caller) }
      executor.release()
      for (caller, body) in zip(callers, bodies) {
        #expect(caller.answer == FakeCaller.answer(to: body))
        #expect(caller.answerCount == 1)
        #expect(caller.outcome()?.times.batchRows == 4)
      }
      #expect(executor.allRuns.map(\.rows) == [1, 4])
      let statistics = callers[0].outcome()?.deployment?.metrics
      let labels = #"{deployment="blue",endpoint="churn",generation="1"}"#
      // Counted when the last of the batch has its answer.
      #expect(eventually { fixture.metric("swerve_batches_total\(labels) 2") })
      #expect(fixture.metric("swerve_batch_rows_sum\(labels) 5"))
      #expect(fixture.metric("swerve_queue_rows\(labels) 0"))
      #expect(statistics?.requestsInFlight == 0)
    }
  }

  @Test func `a batch is no longer than max_batch_rows, and a longer request runs alone`() {
    let executor = TestExecutor(keepsRuns: true)
    held(executor, maxBatchRows: 4) { fixture in
      let sizes = [3, 2, 9, 1, 1]
      let bodies = sizes.map { size in (0..<size).map { [$0, size, 1, 1] } }
      let callers = bodies.map { FakeCaller(rows: $0) }
      for caller in callers { fixture.score(caller) }
      executor.release()
      for (caller, body) in zip(callers, bodies) {
        #expect(caller.answer == FakeCaller.answer(to: body))
      }
      let rows = executor.allRuns.dropFirst().map(\.rows)
      #expect(rows.reduce(0, +) == 16)
      #expect(rows.allSatisfy { $0 <= 4 || $0 == 9 }, "\(rows)")
    }
  }

  @Test func `a model whose nodes mix rows is refused, and the nodes are named`() {
    let executor = TestExecutor(batchDependentNodes: ["mean (ReduceMean)", "rank (TopK)"])
    let scorer = Scorer(LoadedModel(executor: executor, format: "onnx"))
    #expect(
      WarmUp.joinFault(scorer, sample: WarmUp.Sample())
        == "rows are not independent: mean (ReduceMean), rank (TopK)")
    #expect(
      WarmUp.joinFault(
        Scorer(LoadedModel(executor: TestExecutor(), format: "onnx")), sample: WarmUp.Sample())
        == nil)
  }

  @Test func `O11 · one bad request in a batch fails alone`() {
    let executor = TestExecutor(keepsRuns: true)
    held(executor) { fixture in
      let good = [FakeCaller(rows: [[1, 1, 1, 1]]), FakeCaller(rows: [[2, 2, 2, 2]])]
      // The model fails on the first; the second cannot be read; the third has too few columns.
      let failing = FakeCaller(rows: [[-1, 0, 0, 0]])
      let unreadable = FakeCaller("{\"input_data\": [[1, 2,")
      let narrow = FakeCaller(rows: [[1, 2]])
      for caller in [good[0], failing, unreadable, narrow, good[1]] { fixture.score(caller) }
      executor.release()
      #expect(good[0].answer == FakeCaller.answer(to: [[1, 1, 1, 1]]))
      #expect(good[1].answer == FakeCaller.answer(to: [[2, 2, 2, 2]]))
      #expect(
        failing.error == .executor(.failed(node: "test", reason: "row 0 asks for it")))
      for caller in [unreadable, narrow] {
        #expect(caller.error?.inputSentence != nil, "\(String(describing: caller.error))")
      }
      // Held, joined, then each alone.
      #expect(executor.allRuns.map(\.rows) == [1, 3, 1, 1, 1])
      #expect(
        fixture.metric(
          #"swerve_batch_retries_total{deployment="blue",endpoint="churn",generation="1"} 1"#))
    }
  }

  @Test func `O9 · what is over or whose caller has left is dropped before the batch runs`() {
    let executor = TestExecutor(keepsRuns: true)
    held(executor) { fixture in
      let staying = FakeCaller(rows: [[1, 1, 1, 1]])
      let leaving = FakeCaller(rows: [[7, 7, 7, 7]])
      fixture.score(staying)
      fixture.score(leaving)
      leaving.leave()
      executor.release()
      #expect(staying.answer == FakeCaller.answer(to: [[1, 1, 1, 1]]))
      #expect(leaving.error == .callerLeft)
      #expect(executor.allRuns.allSatisfy { !$0.values.contains(7) })
    }
  }

  @Test func `an idle thread waits the delay for more, and not when the batch is full`() {
    let fixture = ServiceFixture(threads: 2)
    defer { fixture.service.stop() }
    let executor = TestExecutor(keepsRuns: true)
    fixture.install(
      [fixture.deployment(executor, maxBatchRows: 4, maxQueueDelayMs: 300)],
      traffic: ["blue": 100])
    let clock = MonotonicClock.system
    var start = clock.now()
    let few = (0..<2).map { FakeCaller(rows: [[$0, 0, 0, 0]]) }
    for caller in few { fixture.score(caller) }
    for caller in few { #expect(caller.answer != nil) }
    #expect(clock.now() - start >= 250_000_000)
    #expect(executor.allRuns.map(\.rows) == [2])
    start = clock.now()
    let full = (0..<4).map { FakeCaller(rows: [[$0, 0, 0, 0]]) }
    for caller in full { fixture.score(caller) }
    for caller in full { #expect(caller.answer != nil) }
    #expect(clock.now() - start < 250_000_000)
    #expect(executor.allRuns.map(\.rows) == [2, 4])
  }

  @Test func `protocols are joined with each other`() throws {
    let executor = TestExecutor(keepsRuns: true)
    held(executor) { fixture in
      let plain = FakeCaller(rows: [[1, 2, 3, 4]])
      let columns = FakeCaller(
        #"{"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [5, 6, 7, 8]}]}"#)
      fixture.score(plain)
      let call = InferenceCall(modelName: "churn", version: nil, headerByteCount: nil)
      fixture.score(columns, form: .inference(call))
      executor.release()
      #expect(plain.answer == FakeCaller.answer(to: [[1, 2, 3, 4]]))
      #expect(columns.answer?.contains("5.0") == true, "\(String(describing: columns.answer))")
      #expect(columns.answer?.contains("26.0") == true)
      #expect(executor.allRuns.map(\.rows) == [1, 2])
    }
  }

  @Test func `models whose requests cannot be joined are known by their definition`() {
    func signature(_ input: [Int?], _ output: [Int?]) -> ModelSignature {
      ModelSignature(
        inputs: [ModelInput(name: "X", elementType: .float32, shape: input)],
        outputs: [ModelOutput(name: "Y", kind: .tensor(.float32, shape: output))])
    }
    func reason(_ input: [Int?], _ output: [Int?], _ nodes: [String] = []) -> String? {
      JoinRule.reason(signature(input, output), batchDependentNodes: nodes)
    }
    #expect(reason([nil, 3], [nil, 2]) == nil)
    #expect(reason([nil], []) == nil)
    #expect(reason([1, 3], [nil])?.contains("input 'X' is always 1") == true)
    #expect(reason([], [nil])?.contains("scalar") == true)
    #expect(reason([nil, 3], [1, 2])?.contains("output 'Y' is always 1") == true)
    #expect(
      reason([nil, 3], [nil], ["node 'q' (DynamicQuantizeLinear)"])
        == "rows are not independent: node 'q' (DynamicQuantizeLinear)")
  }

  @Test func `rows that depend on each other are found by trying`() {
    let inputs: [Tensor?] = [Tensor([1, 2, 3, 4] as [Float], shape: Shape(1, 4))]
    #expect(JoinRule.difference(TestExecutor(), inputs: inputs, outputs: [0, 1]) == nil)
    #expect(
      JoinRule.difference(TestExecutor(mixesRows: true), inputs: inputs, outputs: [0, 1])
        == "a row's result depends on the rows beside it")
  }

  @Test func `compressed bodies that hold more than they say are read a batch at a time`() {
    let executor = TestExecutor(keepsRuns: true)
    held(executor, maxBatchRows: 4) { fixture in
      // Each says that it holds ten bytes, a row, and holds three.
      let runsBefore = Mutex<[Int]>([])
      let callers = (0..<4).map { number in
        FakeCaller(rows: (0..<3).map { [number, $0, 0, 0] }).packed(claiming: 10) {
          runsBefore.withLock { $0.append(executor.runCount) }
        }
      }
      for caller in callers { fixture.score(caller) }
      executor.release()
      for caller in callers { #expect(caller.answer != nil) }
      #expect(callers.allSatisfy { $0.discardCount == 1 })
      let runs = runsBefore.withLock { $0 }
      #expect(runs.count == 4)
      #expect(runs[0] == 1 && runs[1] == 1)
      #expect(runs[2] > 1, "three bodies were read before the first of them ran: \(runs)")
    }
  }

  @Test func `a queue's pace goes by what compressed bodies hold, not by what they say`() {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let executor = TestExecutor(spinMicroseconds: 20_000)
    let deployment = fixture.deployment(
      executor, maxBatchRows: nil,
      cost: CostEstimate(nanoseconds: 1_000_000, bodyByteCount: 100))
    fixture.install([deployment], traffic: ["blue": 100])
    let caller = FakeCaller(rows: (0..<2000).map { [$0, 0, 0, 0] }).packed(claiming: 10) {}
    fixture.score(caller)
    #expect(caller.answer != nil)
    // Some 20 ms for what was to be expected to take 280 ms; believed, for 1 ms.
    #expect(eventually { deployment.pace.corrected(1000) != 1000 })
    #expect(deployment.pace.corrected(1000) < 1000)
  }

  @Test func `a batch that waits for its delay is run while others keep one thread busy`() {
    let fixture = ServiceFixture(threads: 2)
    defer { fixture.service.stop() }
    let (batched, slow) = (TestExecutor(), TestExecutor())
    defer { slow.release() }
    let waiting = fixture.deployment(batched, maxBatchRows: 8, maxQueueDelayMs: 100)
    let busy = fixture.deployment(slow, name: "green", maxBatchRows: nil)
    fixture.install([waiting, busy], traffic: ["blue": 100])
    let clock = MonotonicClock.system
    for round in 0..<6 {
      // Other orders of which thread has waited longest.
      for _ in 0..<(round % 3) {
        let quick = FakeCaller(rows: [[1, 1, 1, 1]])
        fixture.score(quick, pinned: "green")
        #expect(quick.answer != nil)
      }
      let start = clock.now()
      let caller = FakeCaller(rows: [[1, 2, 3, 4]])
      fixture.score(caller)
      pause(milliseconds: 10)
      slow.hold()
      let blocking = FakeCaller(rows: [[1, 1, 1, 1]])
      fixture.score(blocking, pinned: "green")
      #expect(caller.answer != nil)
      #expect(clock.now() - start < 3_000_000_000, "the batch waited for the busy thread")
      slow.release()
      #expect(blocking.answer != nil)
    }
  }
}
