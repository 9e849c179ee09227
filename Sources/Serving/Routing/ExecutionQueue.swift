internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Runs the requests that are too long for the threads they came in on.
///
/// Each deployment has a lane with a bound of its own; the threads take from the lanes in turn,
/// so a slow deployment does not hold up the others. A watch answers at the deadline whatever is
/// still waiting or running then.
final class ExecutionQueue: Sendable {
  /// What a thread runs.
  private struct Running {
    var calls: [QueuedCall]
    var started: UInt64
    var expected: UInt64
  }

  private struct State {
    var lanes: [ObjectIdentifier: QueueLane] = [:]
    /// Lanes with something in them, whose turn is next first.
    var turns: [ObjectIdentifier] = []
    var running: [Running?]
    var isStopping = false

    /// What a thread does next: the next batch, whose lane goes to the end of the line; or when
    /// to ask again.
    mutating func next(thread: Int, now: UInt64) -> Next? {
      var later = UInt64.max
      for (place, key) in turns.enumerated() {
        switch lanes[key]?.action(now: now) ?? .sleep {
        case .sleep: continue
        case .wait(let delay): later = min(later, now &+ delay)
        case .run:
          turns.remove(at: place)
          let before = lanes[key]?.waitingNanoseconds ?? 0
          let calls = lanes[key]?.takeBatch() ?? []
          let expected = before &- (lanes[key]?.waitingNanoseconds ?? 0)
          if let count = lanes[key]?.count, count > 0 {
            turns.append(key)
          } else {
            lanes[key] = nil
          }
          running[thread] = Running(calls: calls, started: now, expected: expected)
          return .run(calls, leavesOthers: !turns.isEmpty)
        }
      }
      if turns.isEmpty { return isStopping ? .stop : nil }
      return .later(later)
    }

    /// What waits before a new call of this deployment: what its lane holds, what other lanes
    /// put between, and what is left of what runs.
    func load(
      before key: ObjectIdentifier, of deployment: LiveDeployment, now: UInt64,
      _ policy: QueuePolicy
    ) -> QueuePolicy.Load {
      let lane = lanes[key]
      var load = lane?.load ?? QueuePolicy.Load()
      var ahead = deployment.pace.corrected(lane?.waitingNanoseconds ?? 0)
      for (other, between) in lanes where other != key {
        // Lanes take turns: of a longer one only as many calls come before, and one at least.
        let share = Double(min(between.count, (lane?.count ?? 0) + 1)) / Double(between.count)
        let pace = between.waiting.first?.deployment.pace
        ahead &+= UInt64(Double(pace?.corrected(between.waitingNanoseconds) ?? 0) * share)
      }
      let left = running.map { running -> UInt64 in
        guard let running, let first = running.calls.first else { return 0 }
        let end = running.started &+ first.deployment.pace.corrected(running.expected)
        return end > now ? end - now : 0
      }
      load.wait = policy.wait(ahead: ahead, running: left)
      return load
    }

    /// Takes out what waits and is over, and tells when the next deadline is.
    mutating func removeExpired(now: UInt64) -> (expired: [QueuedCall], next: UInt64) {
      var expired: [QueuedCall] = []
      var next = UInt64.max
      for key in Array(lanes.keys) {
        let over = lanes[key]?.removeExpired(now: now) ?? []
        expired += over
        if let following = lanes[key]?.nextStartBy {
          next = min(next, following)
        } else {
          lanes[key] = nil
          turns.removeAll { $0 == key }
        }
      }
      let waiting = expired.count
      defer {
        for call in expired.prefix(waiting) {
          call.deployment.metrics.addWaiting(rows: -call.demand.rows)
        }
      }
      for call in running.compactMap(\.?.calls).joined() {
        if call.deadline <= now { expired.append(call) } else { next = min(next, call.deadline) }
      }
      return (expired, next)
    }
  }

  private enum Next {
    /// Whether anything is left that another thread has to look after.
    case run([QueuedCall], leavesOthers: Bool)
    /// Nothing may leave before this time, nanoseconds on the monotonic clock.
    case later(UInt64)
    case stop
  }

  private struct Watch {
    /// When the watch wakes next.
    var next = UInt64.max
    var isStopping = false
  }

  private static let watchInterval: UInt64 = 1_000_000

  private let policy: QueuePolicy
  private let clock: MonotonicClock
  private let state: Monitor<State>
  private let watch = Monitor(Watch())
  private let threads: Threads

  init(policy: QueuePolicy, clock: MonotonicClock) {
    self.policy = policy
    self.clock = clock
    state = Monitor(State(running: Array(repeating: nil, count: policy.threads)))
    threads = Threads()
    for index in 0..<policy.threads {
      threads.start(name: "execute") { [self] in runCalls(thread: index) }
    }
    threads.start(name: "deadlines") { [self] in watchDeadlines() }
  }

  /// Why a request would not be let in now; nil when it would. Costs less than letting it in.
  func refusal(
    of demand: QueuePolicy.Demand, to deployment: LiveDeployment
  ) -> ScoringError? {
    let now = clock.now()
    return state.withLock { refusal(of: demand, to: deployment, now: now, in: $0) }
  }

  private func refusal(
    of demand: QueuePolicy.Demand, to deployment: LiveDeployment, now: UInt64, in state: State
  ) -> ScoringError? {
    if state.isStopping { return .draining }
    let load = state.load(
      before: ObjectIdentifier(deployment), of: deployment, now: now, policy)
    switch policy.admission(load, demand) {
    case .wait: return nil
    case .refuse: return .queueFull(deployment: deployment.name, depth: load.requests)
    case .tooLate:
      return .tooLate(
        deployment: deployment.name, waitMs: Int(clamping: (load.wait &+ demand.run) / 1_000_000))
    }
  }

  /// Puts a call into its deployment's lane.
  ///
  /// - Returns: nil when it waits now; else why it does not.
  func append(_ call: QueuedCall) -> ScoringError? {
    let key = ObjectIdentifier(call.deployment)
    let refusal: ScoringError? = state.withLock { state in
      if let refusal = self.refusal(
        of: call.demand, to: call.deployment, now: call.queued, in: state)
      {
        return refusal
      }
      if state.lanes[key] == nil {
        state.turns.append(key)
        state.lanes[key] = QueueLane(policy: call.deployment.batchPolicy)
      }
      state.lanes[key]?.append(call)
      call.deployment.metrics.addWaiting(rows: call.demand.rows)
      return nil
    }
    if let refusal { return refusal }
    state.signal()
    let isEarlier = watch.withLock { watch in
      guard call.startBy < watch.next else { return false }
      watch.next = call.startBy
      return true
    }
    if isEarlier { watch.signal() }
    return nil
  }

  /// Requests that wait now.
  var waitingCount: Int {
    state.withLock { $0.lanes.values.reduce(0) { $0 + $1.count } }
  }

  /// Fails what waits, lets what runs end, and ends the threads.
  func stop() {
    let waiting = state.withLock { state in
      state.isStopping = true
      let calls = state.lanes.values.flatMap { Array($0.waiting) }
      state.lanes = [:]
      state.turns = []
      return calls
    }
    for call in waiting {
      call.deployment.metrics.addWaiting(rows: -call.demand.rows)
      call.deployment.metrics.countRefusal(.draining)
      call.answer(.failure(.draining), times: ScoringTimes())
    }
    state.broadcast()
    watch.withLock { $0.isStopping = true }
    watch.broadcast()
    threads.join()
  }

  private func runCalls(thread: Int) {
    let memory = BatchRun.Memory()
    var wake: UInt64?
    while true {
      let next: Next? = state.wait(until: wake) { state in
        state.running[thread] = nil
        let now = clock.now()
        let next = state.next(thread: thread, now: now)
        // Sleeps on when there is nothing new to wait for.
        if case .later(let time) = next, let wake, time >= wake, now < wake { return nil }
        return next
      }
      switch next {
      case .stop: return
      case nil: wake = nil
      case .later(let time): wake = time
      case .run(let calls, let leavesOthers):
        wake = nil
        // This thread may have been the one that was to look again at what is still waiting for
        // its batch; nobody may have been told of the rest of a lane.
        if leavesOthers { state.signal() }
        run(calls, memory: memory)
      }
    }
  }

  private func run(_ calls: [QueuedCall], memory: BatchRun.Memory) {
    guard let deployment = calls.first?.deployment else { return }
    let started = clock.now()
    for call in calls { deployment.metrics.addWaiting(rows: -call.demand.rows) }
    var expected: UInt64 = 0
    if let batch = deployment.batchPolicy {
      let run = BatchRun(
        deployment: deployment, policy: batch, queuePolicy: policy, clock: clock)
      expected = run(calls, memory: memory)
    } else {
      // What is dropped takes no time, and says nothing of what is run.
      for call in calls where call.mayRun(policy, now: started, startBy: call.startBy) {
        expected &+= run(call, started: started)
      }
    }
    deployment.pace.observe(expected: expected, took: clock.now() &- started)
  }

  /// - Returns: Nanoseconds that it was to be expected to take.
  private func run(_ call: QueuedCall, started: UInt64) -> UInt64 {
    var times = ScoringTimes()
    times.queue = started &- call.queued
    if call.isPacked {
      let (result, byteCount) = call.deployment.score(packed: call, started: started, times: &times)
      call.answer(result, times: times)
      return call.deployment.runTime(of: call, bodyByteCount: byteCount)
    }
    let caller = call.caller
    let result = call.deployment.score(
      caller.body, form: call.form, started: started, deadline: call.deadline, times: &times)
    call.answer(result, times: times)
    return call.demand.run
  }

  private func watchDeadlines() {
    while true {
      let next = watch.withLock { $0.next }
      let isStopping: Bool =
        watch.wait(until: next == .max ? nil : next) { watch in
          if watch.isStopping { return true }
          return watch.next < next || watch.next <= clock.now() ? false : nil
        } ?? false
      if isStopping { return }
      let now = clock.now()
      guard watch.withLock({ $0.next <= now }) else { continue }
      // Opened before looking: a call that comes meanwhile sets its own time.
      watch.withLock { $0.next = .max }
      let (expired, following) = state.withLock { $0.removeExpired(now: now) }
      // Not for each of many that end within one millisecond: looking goes through all of them.
      let soonest = max(following, now &+ ExecutionQueue.watchInterval)
      watch.withLock { $0.next = min($0.next, soonest) }
      for call in expired { call.expire(now: now) }
    }
  }
}
