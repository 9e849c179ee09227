package import Registry
package import Store
package import Telemetry

/// The jobs of a workspace: takes them, runs them one behind the other, and after a crash goes on
/// where each stood. Any thread.
package final class JobService: Sendable {
  /// - Parameter workFolder: Where unfinished jobs keep what they have written, on the same file
  ///   system as the default datastore.
  package init(
    database: Database, registry: ModelRegistry, workFolder: String, metrics: MetricRegistry,
    log: Log
  ) {
    fatalError("skeleton")
  }

  /// Takes up what was not finished. Called once, when the workspace is served.
  package func start() throws(BatchError) { fatalError("skeleton") }

  /// Ends after the mini-batches under way; jobs go on with the next `start`.
  package func stop() { fatalError("skeleton") }

  /// - Parameter requestIdentifier: `repeatability_request-id`: the same again gives the same job.
  /// - Returns: The job; the one of before where the identifier is known.
  /// - Throws: When the output exists, the input does not, or the model is unknown.
  package func submit(
    _ order: JobOrder, requestIdentifier: String?
  ) throws(BatchError) -> Job { fatalError("skeleton") }

  /// A new job's name, unique in the workspace.
  package func newName() -> String { fatalError("skeleton") }

  package func job(_ name: String) -> Job? { fatalError("skeleton") }

  /// Newest first.
  package func jobs(endpoint: String?, deployment: String?, limit: Int) -> [Job] {
    fatalError("skeleton")
  }

  /// Of a job that has ended it does nothing.
  package func cancel(_ name: String) throws(BatchError) { fatalError("skeleton") }

  /// Returns when the job has another state or more progress than `seen`, or after `seconds`.
  package func wait(for name: String, after seen: Job, seconds: Double) -> Job? {
    fatalError("skeleton")
  }
}
