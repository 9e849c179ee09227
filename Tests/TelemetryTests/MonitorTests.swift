import Foundation
import Testing

@testable import Telemetry

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
