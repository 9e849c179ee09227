internal import Synchronization
internal import Telemetry

/// What jobs have done, for Prometheus.
final class JobMetrics: Sendable {
  private let registry: MetricRegistry
  private let statuses: [Job.Status: Gauge]

  init(_ registry: MetricRegistry) {
    self.registry = registry
    var statuses: [Job.Status: Gauge] = [:]
    for status in Job.Status.allCases {
      statuses[status] = registry.gauge(
        "swerve_batch_jobs", help: "Batch jobs by their state.",
        labels: [("status", status.rawValue)])
    }
    self.statuses = statuses
  }

  func set(_ counts: [String: Int64]) {
    for (status, gauge) in statuses { gauge.set(counts[status.rawValue] ?? 0) }
  }

  func move(from old: Job.Status?, to new: Job.Status) {
    guard old != new else { return }
    if let old { statuses[old]?.add(-1) }
    statuses[new]?.add(1)
  }

  /// Counts what one commit has added.
  func count(_ order: JobOrder, from old: JobProgress, to new: JobProgress) {
    let labels = [("endpoint", order.endpoint), ("deployment", order.deployment)]
    func add(_ name: String, _ help: String, _ amount: Int, _ more: [(String, String)] = []) {
      guard amount > 0 else { return }
      registry.counter(name, help: help, labels: labels + more).increment(by: UInt64(amount))
    }
    let help = "Rows of batch jobs, by how they went."
    add(
      "swerve_batch_job_rows_total", help, new.scoredRows - old.scoredRows, [("result", "scored")])
    add(
      "swerve_batch_job_rows_total", help, new.failedRows - old.failedRows, [("result", "failed")])
    add(
      "swerve_batch_job_mini_batches_total", "Mini-batches of batch jobs.",
      new.begunMiniBatches - old.begunMiniBatches)
    add(
      "swerve_batch_job_read_bytes_total", "Bytes of input that batch jobs have read, as they lie.",
      new.doneBytes + new.readBytes - old.doneBytes - old.readBytes)
  }
}
