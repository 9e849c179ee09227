internal import Telemetry

/// What is counted of a mirror. Apart from the live numbers, which must agree with what callers
/// have counted.
struct MirrorMetrics: Sendable {
  /// Taken into the queue.
  let copied: Counter
  /// Not taken, or taken and too old when their turn came.
  let dropped: Counter
  let failed: Counter
  /// From the first byte decoded to the answer that nobody gets.
  let duration: Histogram

  init(_ deployment: LiveDeployment, _ metrics: MetricRegistry) {
    let labels = [
      (name: "endpoint", value: deployment.endpointName),
      (name: "deployment", value: deployment.name),
      (name: "generation", value: String(deployment.generation)),
    ]
    copied = metrics.counter(
      "swerve_mirror_copied_total", help: "Requests that were copied to the mirror's queue.",
      labels: labels)
    dropped = metrics.counter(
      "swerve_mirror_dropped_total",
      help: "Requests whose copy was not scored: the mirror did not keep up.", labels: labels)
    failed = metrics.counter(
      "swerve_mirror_failed_total", help: "Copies that the mirror has not answered with 200.",
      labels: labels)
    duration = metrics.histogram(
      "swerve_mirror_duration_seconds", help: "Time the mirror took to score a copy.",
      labels: labels)
  }
}
