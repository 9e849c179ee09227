/// A number that only grows. Any thread.
package final class Counter: Sendable {
  package func increment(by amount: UInt64 = 1) { fatalError("skeleton") }
  package var value: UInt64 { fatalError("skeleton") }
  init() {}
}

/// A number that goes up and down. Any thread.
package final class Gauge: Sendable {
  package func set(_ value: Int64) { fatalError("skeleton") }
  package func add(_ amount: Int64) { fatalError("skeleton") }
  package var value: Int64 { fatalError("skeleton") }
  init() {}
}

/// Counts durations in buckets; exposed in seconds. Any thread.
package final class Histogram: Sendable {
  /// 50 µs to 60 s.
  package static let latencyBoundsNanoseconds: [UInt64] = []
  package func observe(nanoseconds: UInt64) { fatalError("skeleton") }
  init() {}
}

/// Every metric of the process, by name and labels. A metric asked for again with the same name
/// and labels is the same object: resolve it once, when a deployment loads, not per request.
/// Label values come only from known names, never from what a client sent.
package final class MetricRegistry: Sendable {
  package init() {}

  package func counter(
    _ name: String, help: String, labels: [(name: String, value: String)] = []
  ) -> Counter { fatalError("skeleton") }
  package func gauge(
    _ name: String, help: String, labels: [(name: String, value: String)] = []
  ) -> Gauge { fatalError("skeleton") }
  package func histogram(
    _ name: String, help: String, labels: [(name: String, value: String)] = []
  ) -> Histogram { fatalError("skeleton") }

  /// Forgets every metric that carries all of these labels (a deleted deployment).
  package func remove(labels: [(name: String, value: String)]) { fatalError("skeleton") }

  /// The Prometheus text format, version 0.0.4.
  package func prometheusText() -> [UInt8] { fatalError("skeleton") }
}
