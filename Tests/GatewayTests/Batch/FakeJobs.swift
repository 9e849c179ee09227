import Synchronization

@testable import BatchScoring
@testable import Gateway

/// Takes jobs and runs none: a test says what becomes of them.
final class FakeJobs: JobRunning {
  private struct State {
    var jobs: [Job] = []
    var identifiers: [String: String] = [:]
    /// What every call fails with.
    var failure: BatchError?
    /// And a cancel, which is carried out.
    var cancelFailure: BatchError?
  }
  private let state = Mutex(State())

  func submit(_ order: JobOrder, requestIdentifier: String?) throws(BatchError) -> Job {
    try check()
    return state.withLock { state in
      if let requestIdentifier, let name = state.identifiers[requestIdentifier],
        let known = state.jobs.first(where: { $0.order.name == name })
      {
        return known
      }
      let job = Job(
        order: order, status: .queued, progress: Job.Progress(),
        createdAt: Int64(state.jobs.count + 1))
      state.jobs.append(job)
      if let requestIdentifier { state.identifiers[requestIdentifier] = order.name }
      return job
    }
  }

  func job(endpoint: String, requestIdentifier: String) throws(BatchError) -> Job? {
    try check()
    return state.withLock { state in
      state.identifiers[requestIdentifier].flatMap { name in
        state.jobs.first { $0.order.name == name && $0.order.endpoint == endpoint }
      }
    }
  }

  func newName() -> String { state.withLock { "job-\($0.jobs.count + 1)" } }

  func job(_ name: String) throws(BatchError) -> Job? {
    try check()
    return state.withLock { $0.jobs.first { $0.order.name == name } }
  }

  func jobs(
    endpoint: String?, deployment: String?, after last: String?, limit: Int
  ) throws(BatchError) -> JobPage {
    try check()
    let (all, isKnown) = state.withLock { state in
      var all = state.jobs.reversed().filter {
        (endpoint == nil || $0.order.endpoint == endpoint)
          && (deployment == nil || $0.order.deployment == deployment)
      }
      guard let last else { return (all, true) }
      let isKnown = state.jobs.contains { $0.order.name == last }
      all = Array(all.drop { $0.order.name != last }.dropFirst())
      return (all, isKnown)
    }
    if let last, !isKnown { throw .unknownJob(last) }
    return JobPage(
      jobs: Array(all.prefix(limit)),
      last: all.count > limit ? all.prefix(limit).last?.order.name : nil)
  }

  func jobs(endpoint: String?, deployment: String?, limit: Int) throws(BatchError) -> [Job] {
    try jobs(endpoint: endpoint, deployment: deployment, after: nil, limit: limit).jobs
  }

  func cancel(_ name: String, by actor: String) throws(BatchError) {
    try check()
    change(name) { $0.status = .canceled }
    if let failure = state.withLock({ $0.cancelFailure }) { throw failure }
  }

  func unfinishedJob(writingAt place: JobOrder.Output) throws(BatchError) -> String? {
    try check()
    let wanted = OutputPlace(place)
    return state.withLock { state in
      state.jobs.first { job in
        let own = OutputPlace(job.order.output)
        return !job.status.isFinal
          && (own == wanted || own.above.contains(wanted.path)
            || wanted.above.contains(own.path))
      }?.order.name
    }
  }

  var requestIdentifiers: [String] { state.withLock { Array($0.identifiers.keys) } }

  func fail(_ failure: BatchError?) { state.withLock { $0.failure = failure } }

  func failCancels(_ failure: BatchError?) { state.withLock { $0.cancelFailure = failure } }

  private func check() throws(BatchError) {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  func change(_ name: String, _ body: (inout Job) -> Void) {
    state.withLock { state in
      for index in state.jobs.indices where state.jobs[index].order.name == name {
        body(&state.jobs[index])
      }
    }
  }
}
