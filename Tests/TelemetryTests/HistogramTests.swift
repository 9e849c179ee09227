import Testing

@testable import Telemetry

@Suite struct HistogramTests {
  @Test(arguments: [
    (0, 0), (50_000, 0), (50_001, 1), (1_000_000, 4), (60_000_000_000, 18),
    (60_000_000_001, 19), (UInt64.max, 19),
  ])
  func `a duration is counted in the first bucket that holds it`(
    nanoseconds: UInt64, bucket: Int
  ) {
    let histogram = Histogram()
    histogram.observe(nanoseconds: nanoseconds)
    let counts = histogram.snapshot.cumulativeCounts
    #expect(counts.count == Histogram.latencyBoundsNanoseconds.count + 1)
    #expect(counts == counts.indices.map { $0 < bucket ? 0 : 1 })
    #expect(histogram.snapshot.sumNanoseconds == nanoseconds)
  }

  @Test func `bounds grow from 50 microseconds to a minute`() {
    let bounds = Histogram.latencyBoundsNanoseconds
    #expect(bounds == bounds.sorted() && Set(bounds).count == 19)
    #expect(bounds.first == 50_000 && bounds.last == 60_000_000_000)
  }

  @Test func `nothing is lost between threads`() async {
    let histogram = Histogram()
    let counter = MetricRegistry().counter("c", help: "")
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<4 {
        group.addTask {
          for step in 0..<10_000 {
            histogram.observe(nanoseconds: UInt64(thread * 10_000 + step))
            counter.increment()
          }
        }
      }
    }
    #expect(histogram.snapshot.count == 40_000)
    #expect(histogram.snapshot.sumNanoseconds == 40_000 * 39_999 / 2)
    #expect(counter.value == 40_000)
  }
}
