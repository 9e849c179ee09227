import Testing

@testable import Telemetry

@Suite struct MetricRegistryTests {
  private let registry = MetricRegistry()
  private var text: String { String(decoding: registry.prometheusText(), as: UTF8.self) }

  @Test func `the same name and labels in any order are the same metric`() {
    let first = registry.counter("c", help: "", labels: [("a", "1"), ("b", "2")])
    let second = registry.counter("c", help: "", labels: [("b", "2"), ("a", "1")])
    let other = registry.counter("c", help: "", labels: [("a", "1")])
    #expect(first === second)
    #expect(first !== other)
  }

  @Test func `names and series come in order with help and type once`() {
    registry.counter("requests_total", help: "All.", labels: [("code", "500")]).increment()
    registry.counter("requests_total", help: "All.", labels: [("code", "200")]).increment(by: 7)
    registry.gauge("connections", help: "Open\nnow \\ \"here\".").set(-3)
    #expect(
      text == """
        # HELP connections Open\\nnow \\\\ "here".
        # TYPE connections gauge
        connections -3
        # HELP requests_total All.
        # TYPE requests_total counter
        requests_total{code="200"} 7
        requests_total{code="500"} 1

        """)
  }

  @Test func `a histogram is exposed in seconds and its buckets add up`() {
    let histogram = registry.histogram("d_seconds", help: "h", labels: [("stage", "decode")])
    for nanoseconds in [10_000, 70_000, 2_000_000, 90_000_000_000] as [UInt64] {
      histogram.observe(nanoseconds: nanoseconds)
    }
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.count == 2 + 20 + 2)
    #expect(lines[2] == #"d_seconds_bucket{stage="decode",le="0.00005"} 1"#)
    #expect(lines[3] == #"d_seconds_bucket{stage="decode",le="0.0001"} 2"#)
    #expect(lines.contains(#"d_seconds_bucket{stage="decode",le="0.0025"} 3"#))
    #expect(lines.contains(#"d_seconds_bucket{stage="decode",le="60"} 3"#))
    #expect(lines[21] == #"d_seconds_bucket{stage="decode",le="+Inf"} 4"#)
    #expect(lines[22] == #"d_seconds_sum{stage="decode"} 90.00208"#)
    #expect(lines[23] == #"d_seconds_count{stage="decode"} 4"#)
  }

  @Test func `a hostile label value stays inside its quotes`() {
    registry.gauge("g", help: "", labels: [("name", "a\"} 1\n\\")]).set(1)
    #expect(text.contains(#"g{name="a\"} 1\n\\"} 1"#))
    #expect(text.split(separator: "\n").count == 3)
  }

  @Test func `a deleted deployment takes its series along and no others`() {
    for deployment in ["blue", "green"] {
      _ = registry.counter(
        "requests_total", help: "", labels: [("endpoint", "e"), ("deployment", deployment)])
    }
    _ = registry.gauge("queue_rows", help: "", labels: [("endpoint", "e"), ("deployment", "blue")])
    registry.remove(labels: [("deployment", "blue"), ("endpoint", "e")])
    #expect(!text.contains("blue"))
    #expect(!text.contains("queue_rows"))
    #expect(text.contains(#"requests_total{deployment="green",endpoint="e"} 0"#))
  }

  @Test(arguments: [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (10_000_000_000, "10")])
  func `seconds are exact decimals`(nanoseconds: UInt64, expected: String) {
    #expect(PrometheusText.seconds(nanoseconds) == expected)
  }
}
