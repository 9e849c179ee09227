import Synchronization
import Telemetry
import Testing

@testable import Gateway

struct KeyFailuresTests {
  @Test func `twenty a minute are told as what they are, of each address`() {
    let time = Mutex<UInt64>(5)
    let failures = KeyFailures(limit: 20, clock: MonotonicClock { time.withLock { $0 } })
    for number in 0..<20 { #expect(failures.note(peer: "192.0.2.1:\(number)") == nil) }
    #expect(failures.note(peer: "192.0.2.1:99") == 61)
    #expect(failures.note(peer: "192.0.2.2:1") == nil)
    time.withLock { $0 += 30_000_000_000 }
    #expect(failures.note(peer: "192.0.2.1:99") == 31)
    time.withLock { $0 += 30_000_000_000 }
    #expect(failures.note(peer: "192.0.2.1:99") == nil)
  }

  @Test func `a network of IPv6 counts as one address`() {
    let failures = KeyFailures(limit: 1)
    #expect(failures.note(peer: "[2001:db8:1:2:3::4]:1") == nil)
    #expect(failures.note(peer: "[2001:db8:1:2:9::7]:1") != nil)
    #expect(failures.note(peer: "[2001:db8:1:3::4]:1") == nil)
  }

  @Test func `so many addresses are kept and no more, and 0 is no limit`() {
    let failures = KeyFailures(limit: 1)
    for number in 0..<10_000 { _ = failures.note(peer: "10.0.\(number / 250).\(number % 250):1") }
    #expect(failures.addressCount <= 4096)
    let none = KeyFailures(limit: 0)
    for _ in 0..<100 { #expect(none.note(peer: "192.0.2.1:1") == nil) }
    #expect(none.addressCount == 0)
  }
}
