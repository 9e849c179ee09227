internal import Serving
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Receives the process's signals on a thread of its own, where anything may be done.
///
/// Made before any other thread: they inherit the blocked signals, so none is interrupted.
final class SignalThread: Sendable {
  enum Signal: Sendable {
    case stop
    case reload
  }

  private let threads = Threads()

  /// - Parameter receive: Called on the signal thread.
  init(_ receive: @escaping @Sendable (Signal) -> Void) {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    let blocked = signals
    threads.start(name: "signals") {
      var waited = blocked
      while true {
        var number: Int32 = 0
        guard sigwait(&waited, &number) == 0 else { continue }
        receive(number == SIGHUP ? .reload : .stop)
      }
    }
  }
}
