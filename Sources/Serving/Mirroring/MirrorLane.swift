internal import Executors
internal import Synchronization
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Scores copies with one deployment on a thread of its own, at a lower priority.
///
/// Who offers a copy never waits: room is claimed with atomic counts, and where the lane is in
/// use at that instant, or full, the copy is dropped and counted. A deployment that hangs holds
/// up its own lane and nothing else.
final class MirrorLane: Sendable {
  private struct Waiting {
    var copy: MirrorCopy
    var offered: UInt64
  }

  private struct State {
    var waiting: [Waiting] = []
    var isStopping = false
    var hasEnded = false
  }

  private enum Next {
    case copy(Waiting)
    case stop
  }

  /// The thread's nice value: a thread without one gets nine times its share. Not the lowest:
  /// it holds locks for an instant that others need (the log's, the allocator's).
  private static let niceness: Int32 = 10

  let deployment: LiveDeployment
  let metrics: MirrorMetrics
  private let policy: MirrorPolicy
  private let log: Log
  private let deploymentLogs: DeploymentLogs
  private let clock = MonotonicClock.system
  private let waitingCount = Atomic(0)
  private let waitingBytes = Atomic(0)
  private let state = Monitor(State())
  private let threads = Threads()

  init(
    _ deployment: LiveDeployment, policy: MirrorPolicy, metrics: MetricRegistry, log: Log,
    deploymentLogs: DeploymentLogs
  ) {
    self.deployment = deployment
    self.policy = policy
    self.metrics = MirrorMetrics(deployment, metrics)
    self.log = log
    self.deploymentLogs = deploymentLogs
    threads.start(name: "mirror") { [self] in run() }
  }

  /// Takes a copy, if there is room for it.
  ///
  /// - Parameter copy: Makes it; not called where there is no room.
  func offer(bodyByteCount: Int, _ copy: () -> MirrorCopy) {
    let waiting = waitingCount.wrappingAdd(1, ordering: .relaxed).newValue
    let bytes = waitingBytes.wrappingAdd(bodyByteCount, ordering: .relaxed).newValue
    guard policy.takes(waiting: waiting, bytes: bytes) else { return drop(bodyByteCount) }
    let next = Waiting(copy: copy(), offered: clock.now())
    let taken = state.withLockIfFree { state in
      guard !state.isStopping else { return false }
      state.waiting.append(next)
      return true
    }
    guard taken == true else { return drop(bodyByteCount) }
    metrics.copied.increment()
    state.signal()
  }

  /// Copies that wait now.
  var count: Int { waitingCount.load(ordering: .relaxed) }

  /// Drops what waits, and lets what runs end.
  func stop() {
    let left = state.withLock { state in
      state.isStopping = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for waiting in left { drop(waiting.copy.body.bytes.count) }
    state.broadcast()
  }

  /// Waits for the thread's end, but not for a model that does not come back.
  ///
  /// - Returns: False when it still runs at `deadline`, in monotonic nanoseconds.
  func join(until deadline: UInt64) -> Bool {
    guard state.wait(until: deadline, { $0.hasEnded ? true : nil }) != nil else { return false }
    threads.join()
    return true
  }

  private func drop(_ bodyByteCount: Int) {
    metrics.dropped.increment()
    release(bodyByteCount)
  }

  private func release(_ bodyByteCount: Int) {
    waitingCount.wrappingSubtract(1, ordering: .relaxed)
    waitingBytes.wrappingSubtract(bodyByteCount, ordering: .relaxed)
  }

  private func run() {
    // On Linux this is about the calling thread. Where it is forbidden the copies run as others.
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
    var toldDrops = DropNotice()
    while true {
      let next: Next? = state.wait { state in
        if !state.waiting.isEmpty { return .copy(state.waiting.removeFirst()) }
        guard state.isStopping else { return nil }
        state.hasEnded = true
        return .stop
      }
      guard case .copy(let waiting) = next else { break }
      score(waiting)
      if let dropped = toldDrops.news(metrics.dropped.value, now: clock.now()) {
        log.write(.warning, "the mirror does not keep up: copies were dropped") { line in
          line.append(deployment.logMembers)
          line.appendLogMember("dropped", Int64(clamping: dropped))
        }
      }
    }
    state.broadcast()
  }

  private func score(_ waiting: Waiting) {
    let started = clock.now()
    let waited = started &- waiting.offered
    let copy = waiting.copy
    if policy.isStale(waited: waited, timeLimit: deployment.timeLimit) {
      return drop(copy.body.bytes.count)
    }
    defer { release(copy.body.bytes.count) }
    var times = ScoringTimes()
    times.queue = waited
    let result: Result<[UInt8], ScoringError>
    do throws(ScoringError) {
      let deadline = deployment.deadline(arrived: started)
      let body = copy.body
      if let unpack = copy.unpack {
        let plain = try unpack(body.bytes)
        result = deployment.score(
          plain.span, form: copy.form, started: started, deadline: deadline, times: &times)
      } else {
        result = deployment.score(
          body.bytes, form: copy.form, started: started, deadline: deadline, times: &times)
      }
    } catch {
      result = .failure(error)
    }
    metrics.duration.observe(nanoseconds: clock.now() &- started)
    var reason: String?
    if case .failure(let error) = result {
      metrics.failed.increment()
      reason = error.mirrorSentence
    }
    tell(copy, times, failure: reason)
  }

  private func tell(_ copy: MirrorCopy, _ times: ScoringTimes, failure: String?) {
    if let failure {
      deploymentLogs.appendRequest(
        endpoint: deployment.endpointName, deployment: deployment.name, .error,
        "mirrored request \(copy.requestID) failed: \(failure.prefix(500))")
    }
    log.write(.info, "mirrored request") { line in
      line.appendLogMember("request_id", copy.requestID)
      line.append(deployment.logMembers)
      line.appendLogMember("outcome", failure == nil ? "scored" : "failed")
      line.appendLogMember("bytes_in", Int64(copy.body.bytes.count))
      line.appendLogMember("queue_ms", millisecondsOf: times.queue)
      line.appendLogMember("decode_ms", millisecondsOf: times.decode)
      line.appendLogMember("execute_ms", millisecondsOf: times.execute)
      line.appendLogMember("encode_ms", millisecondsOf: times.encode)
      if let failure { line.appendLogMember("detail", String(failure.prefix(500))) }
    }
  }
}

/// When drops are spoken of: at the first, and then every ten seconds at most.
struct DropNotice {
  static let interval: UInt64 = 10_000_000_000
  private var told: UInt64 = 0
  private var toldAt: UInt64?

  /// The drops since it was last told; nil when there is nothing to tell now.
  mutating func news(_ dropped: UInt64, now: UInt64) -> UInt64? {
    guard dropped > told else { return nil }
    if let toldAt, now < toldAt &+ Self.interval { return nil }
    defer {
      told = dropped
      toldAt = now
    }
    return dropped - told
  }
}

extension ScoringError {
  /// For the operator, who is the only one that hears of a mirror's failures.
  fileprivate var mirrorSentence: String {
    switch self {
    case .badInput, .badInputs: inputSentence ?? ""
    case .executor(let error): error.description
    case .unpackable(let reason), .amplified(let reason): reason
    case .deadlinePassed(_, let timeoutMs): "no answer within request_timeout_ms, \(timeoutMs)"
    default: "\(self)"
    }
  }
}
