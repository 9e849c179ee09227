internal import Serving
internal import Synchronization
internal import Telemetry

/// Wrong keys by the address that they come from: whoever guesses is told to go away. A right key
/// is served from any address: behind one there may be many callers.
///
/// Any thread. Holds a bounded number of addresses; those whose minute is over make room first.
final class KeyFailures: Sendable {
  private struct Entry {
    var count: Int
    var since: UInt64
  }

  private static let window: UInt64 = 60_000_000_000
  private static let maxAddresses = 4096

  /// Failures a minute and address that are told as what they are; 0: all of them.
  let limit: Int
  private let clock: MonotonicClock
  private let entries = Mutex<[String: Entry]>([:])
  private let counter: Counter?

  init(limit: Int, metrics: MetricRegistry? = nil, clock: MonotonicClock = .system) {
    self.limit = limit
    self.clock = clock
    counter = metrics?.counter(
      "swerve_key_failures_total", help: "Requests with a key that opens nothing they asked for.")
  }

  var addressCount: Int { entries.withLock { $0.count } }

  /// Takes note of a wrong key.
  ///
  /// - Parameter peer: `192.0.2.1:4711` or `[2001:db8::1]:4711`.
  /// - Returns: Whole seconds to wait, where there were too many; else nil.
  func note(peer: String) -> Int? {
    counter?.increment()
    guard limit > 0 else { return nil }
    let now = clock.now()
    let address = KeyFailures.address(peer)
    return entries.withLock { entries in
      var entry = entries[address] ?? Entry(count: 0, since: now)
      if now - min(now, entry.since) >= Self.window { entry = Entry(count: 0, since: now) }
      if entries[address] == nil, entries.count >= Self.maxAddresses {
        entries = entries.filter { now - min(now, $0.value.since) < Self.window }
        if entries.count >= Self.maxAddresses, let any = entries.keys.first {
          entries[any] = nil
        }
      }
      entry.count += 1
      entries[address] = entry
      guard entry.count > limit else { return nil }
      let left = Self.window - (now - min(now, entry.since))
      return Int(left / 1_000_000_000) + 1
    }
  }

  /// Without the port; of IPv6 the network, since one machine has as many addresses as it likes.
  private static func address(_ peer: String) -> String {
    if peer.hasPrefix("["), let end = peer.firstIndex(of: "]") {
      let groups = peer[peer.index(after: peer.startIndex)..<end].split(
        separator: ":", omittingEmptySubsequences: false)
      return groups.prefix { !$0.isEmpty }.prefix(4).joined(separator: ":") + "::"
    }
    return String(peer.prefix { $0 != ":" })
  }
}
