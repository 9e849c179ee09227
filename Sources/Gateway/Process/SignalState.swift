internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// What the process's signals have asked for, for the threads that act on it.
final class SignalState: Sendable {
  private struct State {
    var isServing = false
    var isStopping = false
    var wantsReload = false
    var isHandedOver = false
    var hasFailed = false
  }

  private let state = Monitor(State())

  /// Called before any other thread is made.
  func start(log: Log) {
    _ = SignalThread { [self] signal in
      if receive(signal) {
        log.write(.info, "stopped at once")
        log.flush()
        _exit(0)
      }
    }
  }

  /// - Returns: True when the process is to end at once.
  func receive(_ signal: SignalThread.Signal) -> Bool {
    let endsAtOnce = state.withLock { state in
      switch signal {
      case .reload:
        state.wantsReload = true
        return false
      case .stop:
        // While loading there is nothing to drain: all that was acknowledged is on the disk.
        let ends = state.isStopping || !state.isServing
        state.isStopping = true
        return ends
      }
    }
    state.broadcast()
    return endsAtOnce
  }

  /// From here on a signal to stop leads to a drain: callers may have been answered.
  func beginServing() { state.withLock { $0.isServing = true } }

  /// Stops because another process has taken over.
  func handOver() {
    state.withLock { state in
      state.isHandedOver = true
      state.isStopping = true
    }
    state.broadcast()
  }

  /// Stops because this process is of no use any more.
  func fail() {
    state.withLock { state in
      state.hasFailed = true
      state.isStopping = true
    }
    state.broadcast()
  }

  var hasFailed: Bool { state.withLock { $0.hasFailed } }
  var isHandedOver: Bool { state.withLock { $0.isHandedOver } }

  func waitForStop() {
    let _: Void? = state.wait { state in state.isStopping ? () : nil }
  }

  /// - Returns: False when the process is stopping.
  func waitForReload() -> Bool {
    state.wait { state in
      if state.isStopping { return false }
      guard state.wantsReload else { return nil }
      state.wantsReload = false
      return true
    } ?? false
  }
}
