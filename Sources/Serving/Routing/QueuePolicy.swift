/// Decides who may wait, and who is still to be run. Holds no clock and no lock.
struct QueuePolicy: Sendable {
  /// Rows of one deployment that wait at most. Default 1048576: what bounds requests of many rows is
  /// their bytes, and the time that those before them take.
  var maxWaitingRows = 1 << 20
  /// Bytes of their bodies at most. Default 256 MiB.
  var maxWaitingBytes = 256 << 20
  /// Threads that run what waits.
  var threads: Int

  /// What waits for a deployment before a new request.
  struct Load: Equatable {
    var requests = 0
    var rows = 0
    var bytes = 0
    /// Nanoseconds until a thread has done with it.
    var wait: UInt64 = 0
  }

  /// What a new request brings, as far as it can be told before it is read.
  struct Demand: Equatable {
    var rows = 1
    var bytes = 0
    /// Nanoseconds that it is expected to run.
    var run: UInt64 = 0
    /// Nanoseconds left until it must have been started, and until it must have its answer.
    var untilStart: UInt64
    var untilDeadline: UInt64

    /// The wait with which a request is let in. Where waiting is bounded (`max_queue_wait_ms`) less
    /// than the bound: no two runs take the same time, and a request is better told at once that it
    /// will come too late than after all of its wait.
    var longestWait: UInt64 {
      untilStart < untilDeadline ? untilStart - untilStart / 4 : untilStart
    }
  }

  enum Admission: Equatable {
    case wait
    /// There is no room.
    case refuse
    /// Its turn, or its end, would come after its time is over: it is told at once.
    case tooLate
  }

  func admission(_ load: Load, _ demand: Demand) -> Admission {
    // One request is always let in, however large it is, and tried by an idle thread, however long
    // it is said to take.
    let rows = load.rows.addingSaturating(demand.rows)
    let bytes = load.bytes.addingSaturating(demand.bytes)
    if load.requests > 0, rows > maxWaitingRows || bytes > maxWaitingBytes { return .refuse }
    if load.wait > demand.longestWait { return .tooLate }
    let (end, overflows) = load.wait.addingReportingOverflow(demand.run)
    return load.wait > 0 && (overflows || end > demand.untilDeadline) ? .tooLate : .wait
  }

  /// Nanoseconds until a thread comes to a new request.
  ///
  /// - Parameters:
  ///   - ahead: What those that come before it will run.
  ///   - running: What is left of each thread's work; 0: it is idle.
  func wait(ahead: UInt64, running: [UInt64]) -> UInt64 {
    guard let first = running.min() else { return 0 }
    if ahead == 0 { return first }
    let rest = running.reduce(ahead) { $0 &+ ($1 - first) }
    return first &+ rest / UInt64(running.count)
  }

  enum Turn: Equatable {
    case run
    case expire
    case drop
  }

  /// What becomes of a request whose turn has come.
  func turn(now: UInt64, startBy: UInt64, callerHasLeft: Bool) -> Turn {
    if callerHasLeft { return .drop }
    return now >= startBy ? .expire : .run
  }
}

extension Int {
  func addingSaturating(_ other: Int) -> Int {
    let (sum, overflows) = addingReportingOverflow(other)
    return overflows ? .max : sum
  }
}
