/// Decides who may wait, and who is still to be run. Holds no clock and no lock.
struct QueuePolicy: Sendable {
  /// Requests of one deployment that wait at most. Default 256.
  var maxWaiting = 256
  /// Threads that run what waits.
  var threads: Int

  enum Admission: Equatable {
    case wait
    case refuse
  }

  /// - Parameters:
  ///   - waiting: Requests of the deployment that wait now.
  ///   - waitingNanoseconds: What they are expected to take together.
  ///   - remaining: Time to the request's deadline.
  func admission(waiting: Int, waitingNanoseconds: UInt64, remaining: UInt64) -> Admission {
    if waiting >= maxWaiting { return .refuse }
    // Its turn would come when its time is over: refused now, so that the caller knows at once.
    if waiting > 0, waitingNanoseconds / UInt64(max(threads, 1)) > remaining { return .refuse }
    return .wait
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
