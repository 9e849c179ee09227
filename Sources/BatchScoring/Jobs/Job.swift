/// Some of a workspace's jobs, newest first.
package struct JobPage: Sendable, Equatable {
  package var jobs: [Job]
  /// The job behind which the next page begins; nil where there is none.
  package var last: String?

  package init(jobs: [Job], last: String? = nil) { (self.jobs, self.last) = (jobs, last) }
}

/// A job as it stands now.
package struct Job: Sendable, Equatable {
  /// The states of a job, spelled as Azure does. Source: `AZUREML.md` §4.2.
  package enum Status: String, Sendable, CaseIterable {
    case queued = "Queued"
    case preparing = "Preparing"
    case running = "Running"
    case finalizing = "Finalizing"
    case cancelRequested = "CancelRequested"
    case completed = "Completed"
    case failed = "Failed"
    case canceled = "Canceled"
    /// It goes on by itself when there is room again.
    case paused = "Paused"

    package var isFinal: Bool { self == .completed || self == .failed || self == .canceled }
  }

  package struct Progress: Sendable, Equatable {
    package var scoredRows = 0
    package var failedRows = 0
    package var miniBatches = 0
    package var files = 0
    package var totalFiles = 0
    /// Of the inputs as they lie there, packed or not.
    package var readBytes = 0
    package var totalBytes = 0
    package init() {}
  }

  package var order: JobOrder
  package var status: Status
  /// Why it failed or waits; nil otherwise.
  package var reason: String?
  package var progress: Progress
  /// Milliseconds since 1970.
  package var createdAt: Int64
  package var startedAt: Int64?
  package var endedAt: Int64?
}
