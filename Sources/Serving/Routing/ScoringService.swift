internal import Synchronization
package import Telemetry

/// The one door of the data plane.
package final class ScoringService: Sendable {
  /// What `get-logs` tells of each deployment.
  package let deploymentLogs = DeploymentLogs()
  private let current = Mutex(RoutingTable(endpoints: []))
  private let draws: TrafficDraws
  private let queue: ExecutionQueue
  private let clock: MonotonicClock
  let metrics: MetricRegistry
  let log: Log
  let mirrors: MirrorLanes

  /// - Parameter threads: Threads that run what does not run inline; the CPU quota.
  package convenience init(
    metrics: MetricRegistry, log: Log, clock: MonotonicClock = .system, threads: Int
  ) {
    self.init(
      metrics: metrics, log: log, clock: clock, policy: QueuePolicy(threads: max(threads, 1)))
  }

  init(
    metrics: MetricRegistry, log: Log, clock: MonotonicClock, policy: QueuePolicy,
    mirrorPolicy: MirrorPolicy = MirrorPolicy()
  ) {
    self.metrics = metrics
    self.log = log
    self.clock = clock
    draws = TrafficDraws(seed: UInt64.random(in: .min ... .max))
    queue = ExecutionQueue(policy: policy, clock: clock)
    mirrors = MirrorLanes(
      policy: mirrorPolicy, metrics: metrics, log: log, deploymentLogs: deploymentLogs)
  }

  /// The table in force.
  package var table: RoutingTable { current.withLock { $0 } }

  /// Puts another table in force: requests that come from now on see only it. Requests already
  /// taken finish with the deployments they were given.
  package func install(_ table: RoutingTable) {
    // The old table is let go outside the lock: with it may go whole models.
    let old = current.withLock { current in
      let old = current
      current = table
      return old
    }
    log.write(
      .debug, "routing table installed",
      [
        "endpoints": .integer(Int64(table.endpoints.count)),
        "endpoints_before": .integer(Int64(old.endpoints.count)),
      ])
    tell(sharesOf: table, before: old)
    mirrors.keep(table)
  }

  /// True for `percent` of the calls.
  func isDrawn(percent: Int) -> Bool { draws.next(below: 100) < percent }

  /// Scores one request: picks its deployment, runs it here or on another thread, and answers
  /// `caller` once.
  package func score(_ request: ScoringRequest, for caller: any ScoringCaller) {
    let deployment: LiveDeployment
    do {
      deployment = try request.endpoint.deployment(pinned: request.pinned, draws: draws)
    } catch {
      return caller.answer(
        ScoringOutcome(deployment: nil, result: .failure(error), times: ScoringTimes()))
    }
    let inFlight = deployment.metrics.begin()
    if let limit = deployment.maxRequestsInFlight, inFlight > limit {
      deployment.metrics.countRefusal(.tooManyAtOnce)
      return end(
        caller, deployment, .failure(.tooManyAtOnce(deployment: deployment.name, limit: limit)))
    }
    let byteCount = caller.expectedByteCount
    if !request.isPacked, deployment.runsInline(bodyByteCount: byteCount, form: request.form) {
      runInline(request, caller, deployment, bodyByteCount: byteCount)
    } else {
      enqueue(request, caller, deployment, bodyByteCount: byteCount)
    }
  }

  /// Requests that wait for a thread.
  package var waitingCount: Int { queue.waitingCount }

  /// Fails what waits in queues with `draining`, ends the threads. At shutdown.
  package func stop() {
    queue.stop()
    mirrors.stop()
  }

  private func runInline(
    _ request: ScoringRequest, _ caller: any ScoringCaller, _ deployment: LiveDeployment,
    bodyByteCount: Int
  ) {
    var times = ScoringTimes()
    let deadline = deployment.deadline(arrived: request.arrived)
    let giveUp = deployment.inlineLimit(arrived: request.arrived, deadline: deadline)
    let result = deployment.score(
      caller.body, form: request.form, started: request.arrived, deadline: giveUp, times: &times)
    if giveUp < deadline, case .failure(.deadlinePassed) = result {
      // Nothing of it is left, so it begins anew.
      deployment.overruns.count()
      return enqueue(request, caller, deployment, bodyByteCount: bodyByteCount)
    }
    deployment.overruns.countQuick()
    end(caller, deployment, result, times)
  }

  private func enqueue(
    _ request: ScoringRequest, _ caller: any ScoringCaller, _ deployment: LiveDeployment,
    bodyByteCount: Int
  ) {
    let now = clock.now()
    let demand = deployment.demand(
      bodyByteCount: bodyByteCount, form: request.form, arrived: request.arrived, now: now)
    // Refused before it is suspended, which costs more than all of this.
    if let refusal = queue.refusal(of: demand, to: deployment) {
      deployment.metrics.countRefusal(for: refusal)
      return end(caller, deployment, .failure(refusal))
    }
    let call = QueuedCall(
      caller: caller, deployment: deployment, request: request, queued: now, demand: demand)
    caller.suspend()
    if let refusal = queue.append(call) {
      deployment.metrics.countRefusal(for: refusal)
      call.answer(.failure(refusal), times: ScoringTimes())
    }
  }

  private func end(
    _ caller: any ScoringCaller, _ deployment: LiveDeployment,
    _ result: Result<[UInt8], ScoringError>, _ times: ScoringTimes = ScoringTimes()
  ) {
    deployment.metrics.end()
    caller.answer(ScoringOutcome(deployment: deployment, result: result, times: times))
  }
}
