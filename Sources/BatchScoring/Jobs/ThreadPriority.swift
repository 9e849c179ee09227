internal import CLinux
internal import Glibc

/// Lets what answers requests go before a job: what the calling thread becomes. In Linux all of this
/// is a thread's own, and 0 is the caller.
enum ThreadPriority {
  /// For threads that read and score: one of the idle class gives its CPU up as soon as another
  /// wakes. At nice 19 it would end its turn of some milliseconds, and the request wait for it. Such
  /// a thread holds no lock that requests take: it may stand still for a second with it.
  static func computeWhenIdle() {
    var none = sched_param(sched_priority: 0)
    if sched_setscheduler(0, idleClass, &none) != 0 { setNice(19) }
  }

  /// For a job's own thread: it commits, and others wait for the database meanwhile. What wakes
  /// beside it waits for the end of its turn.
  static func coordinateInShortTurns() {
    if swerve_take_short_turns(10, 100_000) != 0 { setNice(10) }
  }

  /// Lets whoever waits for this CPU have it, between two pieces of work of a tenth of a millisecond.
  ///
  /// Who wakes takes the CPU of the idle class at once. But where something of a higher class has
  /// stood in between, an interrupted request waits beside a job's thread, and the scheduler may well
  /// give that its turn: until the next tick, 4 ms later, unless it gives way.
  static func giveWay() { sched_yield() }

  private static func setNice(_ value: Int32) {
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, value)
  }

  /// `SCHED_IDLE` of linux/sched.h, which Glibc's module does not show.
  private static let idleClass: Int32 = 5
}
