import Synchronization

/// Counts durations in buckets; exposed in seconds. Any thread.
///
/// Two relaxed additions per observation and no lock. A reader on another thread may see the
/// bucket of an observation before its sum; the count is the sum of the buckets, so these two
/// always agree.
package final class Histogram: @unchecked Sendable {
  /// The upper bounds, inclusive: 50 µs to 60 s.
  package static let latencyBoundsNanoseconds: [UInt64] = [
    50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
    100_000_000, 250_000_000, 500_000_000,
    1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000, 30_000_000_000, 60_000_000_000,
  ]

  private let bounds = Histogram.latencyBoundsNanoseconds
  // Owned, one more than there are bounds: the last one holds what is above them all. Atomics
  // cannot be elements of an array, and need an address that never moves.
  private let buckets: UnsafeMutablePointer<Atomic<UInt64>>
  private let sum = Atomic<UInt64>(0)

  init() {
    buckets = .allocate(capacity: bounds.count + 1)
    for index in 0...bounds.count { (buckets + index).initialize(to: Atomic(0)) }
  }

  deinit {
    buckets.deinitialize(count: bounds.count + 1)
    buckets.deallocate()
  }

  package func observe(nanoseconds: UInt64) {
    // From the front: nearly all of what is measured here ends within a few buckets.
    var index = 0
    while index < bounds.count, nanoseconds > bounds[index] { index += 1 }
    buckets[index].wrappingAdd(1, ordering: .relaxed)
    sum.wrappingAdd(nanoseconds, ordering: .relaxed)
  }

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
      total &+= buckets[index].load(ordering: .relaxed)
      return total
    }
    return Snapshot(cumulativeCounts: counts, sumNanoseconds: sum.load(ordering: .relaxed))
  }
}
