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

  @Test func `O8 · what takes far longer inline than measured is queued, and then all are`() {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let executor = TestExecutor(spinMicroseconds: 60_000, endsAtDeadline: true)
    fixture.install(
      [fixture.deployment(executor, maxBatchRows: nil, execution: .automatic)],
      traffic: ["blue": 100])
    for number in 0..<5 {
      let caller = FakeCaller(rows: [[number, 0, 0, 0]])
      let clock = MonotonicClock.system
      let start = clock.now()
      fixture.score(caller)
      // Whoever reads requests is back long before the run would have ended.
      if number >= 3 { #expect(clock.now() - start < 40_000_000) }
      #expect(caller.answer == FakeCaller.answer(to: [[number, 0, 0, 0]]))
    }
    // Three were given up after 20 ms and began anew.
    #expect(executor.runCount == 3 * 2 + 2)
  }

  /// What only looks at other rows where they are large, or least, or no numbers at all.
  @Test(arguments: [1e3, 1e6, 1e20, 1e38] as [Float])
  func `rows that depend on each other beyond a number are found by trying`(threshold: Float) {
    let inputs: [Tensor?] = [Tensor([1, 2] as [Float], shape: Shape(1, 2))]
    func difference(_ mix: @escaping @Sendable ([Float]) -> Float) -> String? {
      JoinRule.difference(
        MixingExecutor<Float>(zero: 0, mix: mix), inputs: inputs, outputs: [0])
    }
    let found = "a row's result depends on the rows beside it"
    #expect(difference { ($0.max() ?? 0) > threshold ? 1 : 0 } == found)
    #expect(difference { ($0.min() ?? 0) < -threshold ? 1 : 0 } == found)
    #expect(difference { $0.contains { $0.isNaN } ? 1 : 0 } == found)
    #expect(difference { _ in 1 } == nil)
  }

  @Test func `whole numbers are varied too`() {
    let inputs: [Tensor?] = [Tensor([1, 2] as [Int64], shape: Shape(1, 2))]
    #expect(
      JoinRule.difference(
        MixingExecutor<Int64>(zero: 0) { $0.max() ?? 0 }, inputs: inputs, outputs: [0])
        == "a row's result depends on the rows beside it")
    #expect(
      JoinRule.difference(MixingExecutor<Int64>(zero: 0) { _ in 3 }, inputs: inputs, outputs: [0])
        == nil)
  }

  @Test func `a model with free dimensions is tried in some size, and refused if it takes none`() {
    func fault(_ sizes: Set<Int>, mixes: Bool) -> String? {
      let executor = MixingExecutor<Float>(zero: 0, width: nil, takes: sizes) {
        mixes ? $0.reduce(0, +) : 0
      }
      return WarmUp.joinFault(
        Scorer(LoadedModel(executor: executor, format: "onnx")), sample: WarmUp.Sample())
    }
    #expect(fault([32], mixes: false) == nil)
    #expect(fault([32], mixes: true) == "a row's result depends on the rows beside it")
    #expect(fault([33], mixes: false)?.contains("add sample-request.json") == true)
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

/// Adds to each number what `mix` makes of the whole batch.
private struct MixingExecutor<Number: TensorElement & Numeric>: ModelExecutor {
  let signature: ModelSignature
  let summary = "mixing"
  private let takes: Set<Int>
  private let mix: @Sendable ([Number]) -> Number

  init(
    zero: Number, width: Int? = 2, takes: Set<Int> = [2],
    mix: @escaping @Sendable ([Number]) -> Number
  ) {
    signature = ModelSignature(
      inputs: [ModelInput(name: "X", elementType: Number.elementType, shape: [nil, width])],
      outputs: [ModelOutput(name: "Y", kind: .tensor(Number.elementType, shape: [nil, width]))])
    self.takes = takes
    self.mix = mix
  }

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let input = inputs[0], takes.contains(input.shape[1]) else {
      throw .failed(node: "test", reason: "of that size it takes none")
    }
    let span = input.values(as: Number.self)
    let numbers = span.indices.map { span[$0] }
    let more = mix(numbers)
    return [.tensor(Tensor(numbers.map { $0 + more }, shape: input.shape))]
  }
}
