internal import Synchronization
internal import Telemetry

/// A request that waits for a thread, or runs on one. Answered once: by the thread that ran it,
/// or at its deadline by the watch, whichever comes first.
final class QueuedCall: Sendable {
  let caller: any ScoringCaller
  let deployment: LiveDeployment
  let form: AnswerForm
  let isPacked: Bool
  let queued: UInt64
  /// When the caller must have an answer.
  let deadline: UInt64
  /// When it must have been started.
  let startBy: UInt64
  /// What it was expected to need before it was read.
  let demand: QueuePolicy.Demand
  private let isAnswered = Atomic(false)

  init(
    caller: any ScoringCaller, deployment: LiveDeployment, request: ScoringRequest,
    queued: UInt64, demand: QueuePolicy.Demand
  ) {
    self.caller = caller
    self.deployment = deployment
    form = request.form
    isPacked = request.isPacked
    self.queued = queued
    deadline = deployment.deadline(arrived: request.arrived)
    startBy = deployment.startBy(queued: queued, deadline: deadline)
    self.demand = demand
  }

  /// Answers, unless somebody else has.
  func answer(_ result: Result<[UInt8], ScoringError>, times: ScoringTimes) {
    guard !isAnswered.exchange(true, ordering: .acquiringAndReleasing) else { return }
    deployment.metrics.end()
    caller.answer(ScoringOutcome(deployment: deployment, result: result, times: times))
  }

  func expire(now: UInt64) {
    var times = ScoringTimes()
    times.queue = now &- queued
    if now < deadline, let limit = deployment.specification.maxQueueWaitMs {
      deployment.metrics.countRefusal(.waitedTooLong)
      return answer(
        .failure(.waitedTooLong(deployment: deployment.name, limitMs: limit)), times: times)
    }
    answer(
      .failure(
        .deadlinePassed(
          deployment: deployment.name, timeoutMs: deployment.specification.requestTimeoutMs)),
      times: times)
  }

  /// Whether it is still to be run. Where it is not, it has been answered.
  ///
  /// - Parameter startBy: When its turn must have come.
  func mayRun(_ policy: QueuePolicy, now: UInt64, startBy: UInt64) -> Bool {
    switch policy.turn(now: now, startBy: startBy, callerHasLeft: caller.hasLeft) {
    case .run:
      return !isAnswered.load(ordering: .acquiring)
    case .expire:
      expire(now: now)
      return false
    case .drop:
      var times = ScoringTimes()
      times.queue = now &- queued
      answer(.failure(.callerLeft), times: times)
      return false
    }
  }
}
