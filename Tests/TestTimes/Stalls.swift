import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Time in which a thread that goes before all others did not run.
///
/// Where the system grants no such priority, as to nobody but root, it sees nothing.
final class Stalls: Sendable {
  private final class Count: Sendable {
    let lateNanoseconds = Atomic<UInt64>(0)
    let hasEnded = Atomic<Bool>(false)
  }

  private let count = Count()
  private let begin = Stalls.now()

  init() {
    let thread = Thread { [count] in
      var priority = sched_param(sched_priority: 1)
      guard pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) == 0 else { return }
      while !count.hasEnded.load(ordering: .relaxed) {
        let before = Stalls.now()
        usleep(2_000)
        let passed = Stalls.now() - before
        // What a timer may be late by.
        if passed > 7_000_000 { count.lateNanoseconds.add(passed - 2_000_000, ordering: .relaxed) }
      }
    }
    thread.start()
  }

  deinit { count.hasEnded.store(true, ordering: .relaxed) }

  /// Of the time since.
  var share: Double {
    let late = count.lateNanoseconds.load(ordering: .relaxed)
    return Double(late) / Double(max(Stalls.now() - begin, 1))
  }

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
