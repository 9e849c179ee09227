#if canImport(Glibc)
  import Glibc
#endif

/// Nanoseconds on a clock that never steps back. Tests hand in a clock moved by hand.
package struct MonotonicClock: Sendable {
  package var now: @Sendable () -> UInt64

  package init(now: @escaping @Sendable () -> UInt64) { self.now = now }

  package static let system = MonotonicClock {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
