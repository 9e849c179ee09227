import Synchronization

/// Every metric of the process, by name and labels. A metric asked for again with the same name
/// and labels is the same object: resolve it once, when a deployment loads, not per request.
/// Label values come only from known names, never from what a client sent.
package final class MetricRegistry: Sendable {
  private let families = Mutex<[String: MetricFamily]>([:])

  package init() {}

  /// - Precondition: `name` is not in use for another kind of metric. The help text of the first
  ///   caller stays.
  package func counter(
    _ name: String, help: String, labels: [(name: String, value: String)] = []
  ) -> Counter {
    let metric = resolve(name, help: help, kind: .counter, labels: labels) { .counter(Counter()) }
    guard case .counter(let counter) = metric else {
      preconditionFailure("metric '\(name)' is asked for as a counter and holds another kind")
    }
    return counter
  }

  /// - Precondition: As for `counter(_:help:labels:)`.
  package func gauge(
    _ name: String, help: String, labels: [(name: String, value: String)] = []
  ) -> Gauge {
    let metric = resolve(name, help: help, kind: .gauge, labels: labels) { .gauge(Gauge()) }
    guard case .gauge(let gauge) = metric else {
      preconditionFailure("metric '\(name)' is asked for as a gauge and holds another kind")
    }
    return gauge
  }

  /// - Precondition: As for `counter(_:help:labels:)`.
  package func histogram(
    _ name: String, help: String, labels: [(name: String, value: String)] = [],
    of kind: Histogram.Kind = .durations
  ) -> Histogram {
    let metric = resolve(name, help: help, kind: .histogram, labels: labels) {
      .histogram(Histogram(kind))
    }
    guard case .histogram(let histogram) = metric else {
      preconditionFailure("metric '\(name)' is asked for as a histogram and holds another kind")
    }
    return histogram
  }

  /// Forgets every metric that carries all of these labels (a deleted deployment). Who still
  /// holds such a metric may go on counting into it; it is no longer exposed.
  package func remove(labels: [(name: String, value: String)]) {
    let removed = MetricLabels(labels)
    families.withLock { families in
      for (name, var family) in families {
        family.series = family.series.filter { labels, _ in !removed.isContained(in: labels) }
        families[name] = family.series.isEmpty ? nil : family
      }
    }
  }

  /// The Prometheus text format, version 0.0.4. Names in order, labels in order.
  ///
  /// - Parameter isShown: Whether a family of this name is.
  package func prometheusText(where isShown: (String) -> Bool = { _ in true }) -> [UInt8] {
    // The snapshot is two levels of copy-on-write: the lock is not held while text is made.
    let families = families.withLock { $0 }
    var text = PrometheusText()
    for (name, family) in families.sorted(by: { $0.key < $1.key }) where isShown(name) {
      text.append(family, name: name)
    }
    return text.bytes
  }

  private func resolve(
    _ name: String, help: String, kind: MetricFamily.Kind,
    labels: [(name: String, value: String)], make: () -> Metric
  ) -> Metric {
    precondition(
      PrometheusText.isName(name, colonAllowed: true), "'\(name)' is not a metric name")
    let key = MetricLabels(labels)
    return families.withLock { families in
      var family = families[name] ?? MetricFamily(kind: kind, help: help)
      precondition(
        family.kind == kind,
        "metric '\(name)' is asked for as a \(kind.rawValue) and is a \(family.kind.rawValue)")
      if let known = family.series[key] { return known }
      let metric = make()
      family.series[key] = metric
      families[name] = family
      return metric
    }
  }
}

/// The metrics that share a name.
struct MetricFamily: Sendable {
  enum Kind: String { case counter, gauge, histogram }

  let kind: Kind
  let help: String
  var series: [MetricLabels: Metric] = [:]
}

enum Metric: Sendable {
  case counter(Counter)
  case gauge(Gauge)
  case histogram(Histogram)
}

/// The labels of one series, ordered by name: two callers who give them in another order mean
/// the same series.
struct MetricLabels: Hashable, Sendable {
  struct Label: Hashable, Sendable {
    let name: String
    let value: String
  }

  let ordered: [Label]

  init(_ labels: [(name: String, value: String)]) {
    ordered = labels.map { Label(name: $0.name, value: $0.value) }.sorted { $0.name < $1.name }
    for label in ordered {
      precondition(
        PrometheusText.isName(label.name, colonAllowed: false) && label.name != "le",
        "'\(label.name)' is not a label name")
    }
    precondition(
      Set(ordered.map(\.name)).count == ordered.count,
      "a label is given twice: \(ordered.map(\.name))")
  }

  func isContained(in other: MetricLabels) -> Bool {
    ordered.allSatisfy(other.ordered.contains)
  }
}
