internal import Synchronization
package import Telemetry

/// What is counted of a deployment, resolved once when it loads. Each generation counts for
/// itself, so that an update in place never mixes two models' numbers.
package final class DeploymentMetrics: Sendable {
  /// Statuses that a scoring request can end with; 499 is a caller who left.
  package static let statuses = [
    200, 400, 404, 408, 413, 415, 424, 429, 499, 500, 501, 503, 504,
  ]

  private let requests: [Counter]
  private let decode: Histogram
  private let queue: Histogram
  private let execute: Histogram
  private let encode: Histogram
  /// Why a request was not let in, or did not come to its turn.
  enum Refusal: String, CaseIterable {
    case queueFull = "queue_full"
    case tooLate = "too_late"
    case waitedTooLong = "waited_too_long"
    case tooManyAtOnce = "too_many_at_once"
    case draining
  }

  private let refusals: [Counter]
  private let queueRows: Gauge
  private let runs: Counter
  private let retries: Counter
  private let runRows: Histogram
  private let batches = BatchCounts()
  private let failedNanoseconds = Atomic<UInt64>(0)
  /// When the last answer was given, nanoseconds on the monotonic clock; 0: never.
  private let lastAnswer = Atomic<UInt64>(0)
  private let inFlightGauge: Gauge
  private let inFlight = Atomic<Int>(0)

  package init(
    endpoint: String, deployment: String, generation: Int64, metrics: MetricRegistry
  ) {
    let labels = [
      (name: "endpoint", value: endpoint), (name: "deployment", value: deployment),
      (name: "generation", value: String(generation)),
    ]
    requests = DeploymentMetrics.statuses.map { status in
      requestCounter(labels, status: status, metrics)
    }
    func stage(_ name: String) -> Histogram {
      metrics.histogram(
        "swerve_request_duration_seconds", help: "Time a scoring request spent in each stage.",
        labels: labels + [(name: "stage", value: name)])
    }
    decode = stage("decode")
    queue = stage("queue")
    execute = stage("execute")
    encode = stage("encode")
    refusals = Refusal.allCases.map { reason in
      metrics.counter(
        "swerve_requests_refused_total",
        help: "Scoring requests that were not run because of too many others, by reason.",
        labels: labels + [(name: "reason", value: reason.rawValue)])
    }
    queueRows = metrics.gauge(
      "swerve_queue_rows", help: "Rows that wait for a thread, as their bodies' sizes tell.",
      labels: labels)
    runs = metrics.counter(
      "swerve_batches_total", help: "Runs of the model for requests that may be joined.",
      labels: labels)
    retries = metrics.counter(
      "swerve_batch_retries_total",
      help: "Joined runs that failed, after which each request ran alone.", labels: labels)
    runRows = metrics.histogram(
      "swerve_batch_rows", help: "Rows in each of swerve_batches_total.", labels: labels,
      of: .amounts)
    inFlightGauge = metrics.gauge(
      "swerve_requests_in_flight", help: "Scoring requests taken and not yet answered.",
      labels: labels)
  }

  var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }

  /// - Returns: Requests in flight with this one.
  func begin() -> Int {
    inFlightGauge.add(1)
    return inFlight.wrappingAdd(1, ordering: .relaxed).newValue
  }

  func end() {
    inFlightGauge.add(-1)
    inFlight.wrappingSubtract(1, ordering: .relaxed)
  }

  func addWaiting(rows: Int) { queueRows.add(Int64(rows)) }

  func countRefusal(_ reason: Refusal) {
    for (known, counter) in zip(Refusal.allCases, refusals) where known == reason {
      counter.increment()
    }
  }

  func countRefusal(for error: ScoringError) {
    switch error {
    case .queueFull: countRefusal(.queueFull)
    case .tooLate: countRefusal(.tooLate)
    case .draining: countRefusal(.draining)
    default: break
    }
  }

  func countRetry() { retries.increment() }

  /// Counts a run for one request where several may be joined.
  func countRun(rows: UInt64) {
    runs.increment()
    runRows.observe(rows)
  }

  /// Counts a run for several requests at its end: their own records leave it out.
  func countBatch(rows: UInt64, decode: UInt64, execute: UInt64, encode: UInt64) {
    countRun(rows: rows)
    var times = ScoringTimes()
    times.rows = rows
    times.decode = decode
    times.execute = execute
    times.encode = encode
    batches.recordJoinedRun(times)
  }

  /// Counts one request at its end.
  ///
  /// - Parameter ended: When its answer was sent, nanoseconds on the monotonic clock.
  package func record(status: Int, times: ScoringTimes, ended: UInt64) {
    if let index = DeploymentMetrics.statuses.firstIndex(of: status) {
      requests[index].increment()
    }
    if status != 200 {
      failedNanoseconds.wrappingAdd(
        times.queue &+ times.decode &+ times.execute, ordering: .relaxed)
    }
    guard times.decode > 0 else { return }
    queue.observe(nanoseconds: times.queue)
    decode.observe(nanoseconds: times.decode)
    guard times.execute > 0 else { return }
    execute.observe(nanoseconds: times.execute)
    encode.observe(nanoseconds: times.encode)
    if status == 200 {
      batches.record(times)
      lastAnswer.store(ended, ordering: .relaxed)
    }
  }

  /// What was counted so far.
  package var statistics: DeploymentStatistics {
    var statistics = DeploymentStatistics()
    for (status, counter) in zip(DeploymentMetrics.statuses, requests) {
      if status == 200 {
        statistics.successCount = counter.value
      } else {
        statistics.failureCount += counter.value
      }
    }
    statistics.failureNanoseconds = failedNanoseconds.load(ordering: .relaxed)
    statistics.queueNanoseconds = queue.snapshot.sumNanoseconds
    batches.tell(&statistics)
    let last = lastAnswer.load(ordering: .relaxed)
    if last > 0 {
      let age = MonotonicClock.system.now() &- last
      statistics.lastAnswerMilliseconds = currentTime() - Int64(clamping: age / 1_000_000)
    }
    return statistics
  }
}

/// The counter of requests that ended with `status` before a deployment was found; the endpoint
/// is empty where there was none either.
package func requestCounter(
  endpoint: String, status: Int, _ metrics: MetricRegistry
) -> Counter {
  requestCounter(
    [
      (name: "endpoint", value: endpoint), (name: "deployment", value: ""),
      (name: "generation", value: ""),
    ], status: status, metrics)
}

private func requestCounter(
  _ labels: [(name: String, value: String)], status: Int, _ metrics: MetricRegistry
) -> Counter {
  metrics.counter(
    "swerve_requests_total", help: "Scoring requests by how they ended.",
    labels: labels + [(name: "code", value: String(status))])
}
