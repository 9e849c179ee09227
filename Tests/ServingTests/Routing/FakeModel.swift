import Executors
import Synchronization
import Telemetry
import Tensors
import TestTimes

@testable import Serving

/// Answers `value` for each row; can be held back, and counts its runs.
final class FakeExecutor: ModelExecutor {
  let signature = ModelSignature(
    inputs: [ModelInput(name: "X", elementType: .float32, shape: [nil, 1])],
    outputs: [ModelOutput(name: "predict", kind: .tensor(.float32, shape: [nil]))])
  let summary = "fake"
  let value: Float
  private let gate = Monitor(false)
  private let isHeld: Bool
  private let runsToDeadline: Bool
  private let runs = Atomic(0)
  private let stops = Atomic(0)

  /// - Parameter runsToDeadline: Works without end, and asks now and then whether it shall.
  init(value: Float, isHeld: Bool = false, runsToDeadline: Bool = false) {
    self.value = value
    self.isHeld = isHeld
    self.runsToDeadline = runsToDeadline
  }

  /// Runs that were stopped by their deadline.
  var stopCount: Int { stops.load(ordering: .sequentiallyConsistent) }

  var runCount: Int { runs.load(ordering: .sequentiallyConsistent) }

  /// Lets held runs go on, for good.
  func release() {
    gate.withLock { $0 = true }
    gate.broadcast()
  }

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    runs.add(1, ordering: .sequentiallyConsistent)
    if runsToDeadline {
      defer { stops.add(1, ordering: .sequentiallyConsistent) }
      while true {
        try scratch.checkDeadline()
        pause(milliseconds: 1)
      }
    }
    if isHeld { let _: Void? = gate.wait { $0 ? () : nil } }
    let rows = inputs[0]?.rowCount ?? 0
    return [.tensor(Tensor([Float](repeating: value, count: rows), shape: Shape(rows)))]
  }
}

/// One request, its answer to be waited for.
final class FakeCaller: ScoringCaller {
  private struct State {
    var outcome: ScoringOutcome?
    var answerCount = 0
    var isSuspended = false
  }

  private let bytes: [UInt8]
  private let left = Atomic(false)
  /// Bytes that a compressed body says it holds; nil: it is not compressed.
  private let claimedByteCount: Int?
  private let whenUnpacked: @Sendable () -> Void
  private let discards = Atomic(0)
  private let state = Monitor(State())

  init(
    bytes: [UInt8], claimedByteCount: Int? = nil,
    whenUnpacked: @escaping @Sendable () -> Void = {}
  ) {
    self.bytes = bytes
    self.claimedByteCount = claimedByteCount
    self.whenUnpacked = whenUnpacked
  }

  /// The same as a compressed body that says it holds so many bytes.
  func packed(
    claiming byteCount: Int, whenUnpacked: @escaping @Sendable () -> Void
  ) -> FakeCaller {
    FakeCaller(bytes: bytes, claimedByteCount: byteCount, whenUnpacked: whenUnpacked)
  }

  var isPacked: Bool { claimedByteCount != nil }
  var expectedByteCount: Int { claimedByteCount ?? bytes.count }
  func unpack() throws(ScoringError) { whenUnpacked() }
  func discardUnpacked() { discards.add(1, ordering: .sequentiallyConsistent) }
  var discardCount: Int { discards.load(ordering: .sequentiallyConsistent) }

  convenience init(_ body: String = "{\"input_data\": [[1]]}") {
    self.init(bytes: Array(body.utf8))
  }

  var body: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let bytes = bytes
      return _overrideLifetime(bytes.span, borrowing: self)
    }
  }

  var hasLeft: Bool { left.load(ordering: .sequentiallyConsistent) }
  func leave() { left.store(true, ordering: .sequentiallyConsistent) }
  func suspend() { state.withLock { $0.isSuspended = true } }
  var isSuspended: Bool { state.withLock { $0.isSuspended } }

  func answer(_ outcome: ScoringOutcome) {
    state.withLock {
      $0.outcome = outcome
      $0.answerCount += 1
    }
    state.broadcast()
  }

  var answerCount: Int { state.withLock { $0.answerCount } }

  /// Waits up to ten seconds.
  func outcome() -> ScoringOutcome? {
    state.wait(until: MonotonicClock.system.now() + 10_000_000_000) { $0.outcome }
  }

  var answer: String? {
    guard case .success(let bytes)? = outcome()?.result else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  var error: ScoringError? {
    guard case .failure(let error)? = outcome()?.result else { return nil }
    return error
  }
}

/// A service with its routing, for one test.
struct ServiceFixture {
  let metrics = MetricRegistry()
  let service: ScoringService

  init(
    maxWaiting: Int = 256, threads: Int = 1, log: Log = Log(descriptor: -1, level: .error),
    mirrorPolicy: MirrorPolicy = MirrorPolicy()
  ) {
    service = ScoringService(
      metrics: metrics, log: log, clock: .system,
      policy: QueuePolicy(maxWaitingRows: maxWaiting, threads: threads), mirrorPolicy: mirrorPolicy)
  }

  func deployment(
    _ name: String, _ executor: FakeExecutor, generation: Int64 = 1,
    execution: DeploymentSpecification.Execution = .queued, timeoutMs: Int = 60_000,
    maxConcurrent: Int? = nil
  ) -> LiveDeployment {
    var specification = DeploymentSpecification(name: name, endpointName: "churn")
    specification.execution = execution
    specification.requestTimeoutMs = timeoutMs
    specification.maxConcurrentRequestsPerInstance = maxConcurrent
    return LiveDeployment(
      specification, generation: generation, modelName: "churn", modelVersion: "1",
      model: LoadedModel(executor: executor, format: "onnx"), metrics: metrics,
      cost: CostEstimate(nanoseconds: 1000, bodyByteCount: 100))
  }

  @discardableResult
  func install(_ deployments: [LiveDeployment], traffic: [String: Int]) -> EndpointRoute {
    let route = EndpointRoute(
      name: "churn", split: TrafficSplit(traffic), deployments: deployments, unavailable: [:],
      keys: [], isOpen: true)
    service.install(RoutingTable(endpoints: [route]))
    return route
  }

  func score(_ caller: FakeCaller, pinned: String? = nil, form: AnswerForm = .score) {
    guard let endpoint = service.table.endpoints["churn"] else { return }
    var request = ScoringRequest(
      endpoint: endpoint, pinned: pinned, form: form, arrived: MonotonicClock.system.now())
    request.isPacked = caller.isPacked
    service.score(request, for: caller)
  }
}

/// Waits up to ten seconds for something that other threads bring about.
func eventually(_ isTrue: () -> Bool) -> Bool {
  let end = MonotonicClock.system.now() + 10_000_000_000
  while MonotonicClock.system.now() < end {
    if isTrue() { return true }
    pause(milliseconds: 1)
  }
  return isTrue()
}
