/// Counts durations, or amounts, in buckets; durations are exposed in seconds. Any thread.
///
/// Two relaxed additions per observation and no lock. A reader on another thread may see the
/// bucket of an observation before its sum; the count is the sum of the buckets, so these two
/// always agree.
package final class Histogram: Sendable {
  /// The upper bounds, inclusive: 50 µs to 60 s.
  package static let latencyBoundsNanoseconds: [UInt64] = [
    50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
    100_000_000, 250_000_000, 500_000_000,
    1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000, 60_000_000_000,
  ]

  /// The upper bounds of amounts, inclusive: 1 to 65,536 by twos.
  package static let amountBounds: [UInt64] = (0...16).map { 1 << $0 }

  package enum Kind: Sendable { case durations, amounts }

  let kind: Kind
  let bounds: [UInt64]
  /// A number for each bound, one for what is above them all, and the sum.
  private let numbers: ThreadShards
  private let sumIndex: Int

  init(_ kind: Kind = .durations) {
    self.kind = kind
    bounds = kind == .durations ? Histogram.latencyBoundsNanoseconds : Histogram.amountBounds
    sumIndex = bounds.count + 1
    numbers = ThreadShards(width: bounds.count + 2)
  }

  package func observe(nanoseconds: UInt64) {
    // From the front: nearly all of what is measured here ends within a few buckets.
    var index = 0
    while index < bounds.count, nanoseconds > bounds[index] { index += 1 }
    numbers.add(1, at: index)
    numbers.add(nanoseconds, at: sumIndex)
  }

  /// The same for an amount.
  package func observe(_ amount: UInt64) { observe(nanoseconds: amount) }

  /// What had been observed at one moment.
  package struct Snapshot: Sendable, Equatable {
    /// Observations at or below each bound, then all of them. Cumulative, as exposed.
    package var cumulativeCounts: [UInt64]
    package var sumNanoseconds: UInt64
    package var count: UInt64 { cumulativeCounts.last ?? 0 }
  }

  package var snapshot: Snapshot {
    var total: UInt64 = 0
    let counts = (0...bounds.count).map { index in
      total &+= numbers.sum(at: index)
      return total
    }
    return Snapshot(cumulativeCounts: counts, sumNanoseconds: numbers.sum(at: sumIndex))
  }
}
