internal import Synchronization

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
  let expectedNanoseconds: UInt64
  private let isAnswered = Atomic(false)

  init(
    caller: any ScoringCaller, deployment: LiveDeployment, request: ScoringRequest,
    queued: UInt64, expectedNanoseconds: UInt64
  ) {
    self.caller = caller
    self.deployment = deployment
    form = request.form
    isPacked = request.isPacked
    self.queued = queued
    let deadline = deployment.deadline(arrived: request.arrived)
    self.deadline = deadline
    startBy = deployment.maxQueueWait.map { min(queued &+ $0, deadline) } ?? deadline
    self.expectedNanoseconds = expectedNanoseconds
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
    answer(
      .failure(
        .deadlinePassed(
          deployment: deployment.name, timeoutMs: deployment.specification.requestTimeoutMs)),
      times: times)
  }
}
