internal import Serving
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Receives the process's signals on a thread of its own, where anything may be done.
///
/// A handler puts the signal's number into a pipe, and the thread reads it. Waiting for blocked
/// signals would not do: OpenBLAS makes a thread while it is loaded, before `main`, with no
/// signal blocked, and a signal without a handler that reaches it ends the process. Made before
/// our own threads, which inherit the blocked signals, so that none of them is interrupted.
final class SignalThread: Sendable {
  enum Signal: Sendable {
    case stop
    case reload
  }

  private static let numbers = [SIGTERM, SIGINT, SIGHUP]
  private let threads = Threads()

  /// - Parameter receive: Called on the signal thread.
  init(_ receive: @escaping @Sendable (Signal) -> Void) {
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0, "no pipe for signals: error \(errno)")
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    signalPipe = ends[1]
    let readEnd = ends[0]
    SignalThread.installHandlers()
    SignalThread.mask(SIG_BLOCK)
    threads.start(name: "signals") {
      SignalThread.mask(SIG_UNBLOCK)
      var number: UInt8 = 0
      while true {
        guard read(readEnd, &number, 1) == 1 else { continue }
        receive(Int32(number) == SIGHUP ? .reload : .stop)
      }
    }
  }

  private static func mask(_ how: Int32) {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in numbers { sigaddset(&signals, number) }
    pthread_sigmask(how, &signals, nil)
  }

  private static func installHandlers() {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { number in
      // Only what a handler may do: one write, and `errno` as it was.
      let saved = errno
      var byte = UInt8(truncatingIfNeeded: number)
      _ = write(signalPipe, &byte, 1)
      errno = saved
    }
    action.sa_flags = SA_RESTART
    for number in numbers { sigaction(number, &action, nil) }
  }
}

/// The pipe's write end, where the handler finds it. Written once, before handlers are installed.
nonisolated(unsafe) private var signalPipe: Int32 = -1
