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
  private struct Lane {
    var calls: [QueuedCall] = []
    /// Calls before this index have left.
    var head = 0
    var waitingNanoseconds: UInt64 = 0

    var count: Int { calls.count - head }

    mutating func append(_ call: QueuedCall) {
      calls.append(call)
      waitingNanoseconds &+= call.expectedNanoseconds
    }

    mutating func removeFirst() -> QueuedCall? {
      guard head < calls.count else { return nil }
      let call = calls[head]
      head += 1
      waitingNanoseconds &-= call.expectedNanoseconds
      // Moves what is left to the front now and then, so that old calls are let go.
      if head > 32, head * 2 > calls.count {
        calls.removeFirst(head)
        head = 0
      }
      return call
    }
  }

  private struct State {
    var lanes: [ObjectIdentifier: Lane] = [:]
    /// Lanes with something in them, whose turn is next first.
    var turns: [ObjectIdentifier] = []
    /// What each thread runs.
    var running: [QueuedCall?]
    var isStopping = false

    /// The next call; its lane goes to the end of the line.
    mutating func next(thread: Int) -> QueuedCall? {
      guard !turns.isEmpty else { return nil }
      let key = turns.removeFirst()
      let call = lanes[key]?.removeFirst()
      if let count = lanes[key]?.count, count > 0 {
        turns.append(key)
      } else {
        lanes[key] = nil
      }
      running[thread] = call
      return call
    }

    /// Takes out what waits and is over, and tells when the next deadline is.
    mutating func removeExpired(now: UInt64) -> (expired: [QueuedCall], next: UInt64) {
      var expired: [QueuedCall] = []
      var next = UInt64.max
      for (key, lane) in lanes {
        var kept = Lane()
        for call in lane.calls[lane.head...] {
          if call.startBy <= now {
            expired.append(call)
          } else {
            kept.append(call)
            next = min(next, call.startBy)
          }
        }
        if kept.count == lane.count { continue }
        lanes[key] = kept.count > 0 ? kept : nil
        if kept.count == 0 { turns.removeAll { $0 == key } }
      }
      for call in running {
        guard let call else { continue }
        if call.deadline <= now { expired.append(call) } else { next = min(next, call.deadline) }
      }
      return (expired, next)
    }
  }

  private enum Next {
    case call(QueuedCall)
    case stop
  }

  private struct Watch {
    /// When the watch wakes next.
    var next = UInt64.max
    var isStopping = false
  }

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

  /// Puts a call into its deployment's lane.
  ///
  /// - Returns: nil when it waits now; else why it does not.
  func append(_ call: QueuedCall) -> ScoringError? {
    let key = ObjectIdentifier(call.deployment)
    let now = call.queued
    let remaining = call.deadline > now ? call.deadline - now : 0
    let refusal: ScoringError? = state.withLock { state in
      if state.isStopping { return .draining }
      let lane = state.lanes[key]
      let waiting = lane?.count ?? 0
      switch policy.admission(
        waiting: waiting, waitingNanoseconds: lane?.waitingNanoseconds ?? 0, remaining: remaining)
      {
      case .refuse:
        return .queueFull(deployment: call.deployment.name, depth: waiting)
      case .wait:
        if waiting == 0 { state.turns.append(key) }
        state.lanes[key, default: Lane()].append(call)
        return nil
      }
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
      let calls = state.lanes.values.flatMap { $0.calls[$0.head...] }
      state.lanes = [:]
      state.turns = []
      return calls
    }
    for call in waiting { call.answer(.failure(.draining), times: ScoringTimes()) }
    state.broadcast()
    watch.withLock { $0.isStopping = true }
    watch.broadcast()
    threads.join()
  }

  private func runCalls(thread: Int) {
    while true {
      let next: Next? = state.wait { state in
        state.running[thread] = nil
        if let call = state.next(thread: thread) { return .call(call) }
        return state.isStopping ? .stop : nil
      }
      guard case .call(let call) = next else { return }
      run(call)
    }
  }

  private func run(_ call: QueuedCall) {
    let started = clock.now()
    var times = ScoringTimes()
    times.queue = started &- call.queued
    switch policy.turn(
      now: started, startBy: call.startBy, callerHasLeft: call.caller.hasLeft)
    {
    case .drop:
      call.answer(.failure(.callerLeft), times: times)
    case .expire:
      call.expire(now: started)
    case .run:
      let caller = call.caller
      if call.isPacked {
        do throws(ScoringError) {
          try caller.unpack()
        } catch {
          return call.answer(.failure(error), times: times)
        }
      }
      let result = call.deployment.score(
        caller.body, form: call.form, started: started, deadline: call.deadline, times: &times)
      call.answer(result, times: times)
    }
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
      watch.withLock { $0.next = min($0.next, following) }
      for call in expired { call.expire(now: now) }
    }
  }
}
