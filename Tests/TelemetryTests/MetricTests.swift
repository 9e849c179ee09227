import Foundation
import Telemetry
import Testing

@Suite struct MetricTests {
  private func text(_ registry: MetricRegistry) -> String {
    String(decoding: registry.prometheusText(), as: UTF8.self)
  }

  @Test func `a metric asked for again is the same metric`() {
    let registry = MetricRegistry()
    registry.counter("a_total", help: "A.", labels: [("x", "1"), ("y", "2")]).increment()
    registry.counter("a_total", help: "A.", labels: [("y", "2"), ("x", "1")]).increment(by: 2)
    #expect(text(registry).contains("a_total{x=\"1\",y=\"2\"} 3\n"), "\(text(registry))")
  }

  @Test func `counters lose nothing between threads`() {
    let registry = MetricRegistry()
    let counter = registry.counter("n_total", help: "N.")
    DispatchQueue.concurrentPerform(iterations: 8) { _ in
      for _ in 0..<10_000 { counter.increment() }
    }
    #expect(counter.value == 80_000)
  }

  @Test func `a histogram counts each duration in every bucket that holds it`() {
    let registry = MetricRegistry()
    let histogram = registry.histogram("d_seconds", help: "D.")
    histogram.observe(nanoseconds: 50_000)  // exactly the first bound
    histogram.observe(nanoseconds: 50_001)
    histogram.observe(nanoseconds: 120_000_000_000)  // beyond the last
    let lines = text(registry).split(separator: "\n").map(String.init)
    #expect(
      lines.contains {
        $0.hasPrefix("d_seconds_bucket{le=\"0.00005\"} 1")
          || $0.hasPrefix("d_seconds_bucket{le=\"5e-05\"} 1")
      }, "\(lines.prefix(4))")
    #expect(lines.contains("d_seconds_bucket{le=\"0.0001\"} 2"))
    #expect(lines.contains("d_seconds_bucket{le=\"60\"} 2"), "\(lines)")
    #expect(lines.contains("d_seconds_bucket{le=\"+Inf\"} 3"))
    #expect(lines.contains("d_seconds_count 3"))
    #expect(lines.contains { $0.hasPrefix("d_seconds_sum 120.0001") })
  }

  @Test func `label values are escaped and each name is described once`() {
    let registry = MetricRegistry()
    registry.gauge("g", help: "G.", labels: [("path", "a\"b\\c\nd")]).set(-3)
    registry.gauge("g", help: "G.", labels: [("path", "other")]).set(4)
    let text = text(registry)
    #expect(text.contains(#"g{path="a\"b\\c\nd"} -3"#))
    #expect(text.components(separatedBy: "# TYPE g gauge").count == 2)
  }

  @Test func `a deleted deployment's metrics are forgotten and the others stay`() {
    let registry = MetricRegistry()
    registry.counter("r_total", help: "R.", labels: [("endpoint", "a"), ("deployment", "x")])
      .increment()
    registry.counter("r_total", help: "R.", labels: [("endpoint", "b"), ("deployment", "x")])
      .increment()
    registry.remove(labels: [("endpoint", "a"), ("deployment", "x")])
    #expect(!text(registry).contains("endpoint=\"a\""))
    #expect(text(registry).contains("endpoint=\"b\""))
  }
}

@Suite struct MonitorTests {
  @Test func `a wait ends at its deadline`() {
    let monitor = Monitor(0)
    let start = MonotonicClock.system.now()
    let result: Int? = monitor.wait(until: start + 20_000_000) { _ in nil }
    #expect(result == nil)
    #expect(MonotonicClock.system.now() - start >= 20_000_000)
  }

  @Test func `a signal wakes the one who waits`() {
    let monitor = Monitor(0)
    Thread.detachNewThread {
      monitor.withLock { $0 = 7 }
      monitor.signal()
    }
    let result: Int? = monitor.wait { $0 == 0 ? nil : $0 }
    #expect(result == 7)
  }
}
