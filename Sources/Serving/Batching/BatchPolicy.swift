/// Decides when the requests that wait for a deployment leave as a batch. Holds no clock and no
/// lock; asked by a thread that has nothing to do.
struct BatchPolicy: Sendable, Equatable {
  var maxBatchRows: Int
  /// Nanoseconds that the oldest request waits for more, while a thread is idle.
  var maxQueueDelay: UInt64

  enum Action: Equatable {
    case run
    /// Ask again after so many nanoseconds, or when more has come.
    case wait(UInt64)
    case sleep
  }

  func action(waitingRows: Int, oldestAge: UInt64) -> Action {
    if waitingRows == 0 { return .sleep }
    if waitingRows >= maxBatchRows || oldestAge >= maxQueueDelay { return .run }
    return .wait(maxQueueDelay - oldestAge)
  }

  /// Whether a request of `rows` rows goes with a batch that has `batchRows` already. The first
  /// one always does: a request is never cut.
  func takes(rows: Int, into batchRows: Int) -> Bool {
    guard batchRows > 0 else { return true }
    let (sum, overflows) = batchRows.addingReportingOverflow(rows)
    return !overflows && sum <= maxBatchRows
  }
}

extension BatchPolicy {
  init(_ batching: DeploymentSpecification.Batching) {
    self.init(
      maxBatchRows: batching.maxBatchRows,
      maxQueueDelay: UInt64(max(batching.maxQueueDelayMs, 0)) * 1_000_000)
  }
}
