#if canImport(Glibc)
  import Glibc
#endif

/// The thread that brings lines to a descriptor: one `write` for all that wait.
///
/// It sleeps only when nothing waits; then the first line wakes it. After each round it pauses
/// for a few milliseconds instead of sleeping, so under load callers never pay for a wake-up.
final class LogWriter: Sendable {
  private static let pauseNanoseconds: UInt64 = 5_000_000

  private let descriptor: Int32
  private let buffer: Monitor<LogBuffer>

  init(descriptor: Int32, buffer: Monitor<LogBuffer>) {
    self.descriptor = descriptor
    self.buffer = buffer
  }

  /// Starts the thread. It ends when the buffer is closed and empty.
  func start() {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self)
    // A new thread has its maker's signal mask. With all blocked from its first step it takes
    // no signal meant for others, and a reader that went away gives EPIPE and no SIGPIPE.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    let status = pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<LogWriter>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, context.toOpaque())
    pthread_sigmask(SIG_SETMASK, &before, nil)
    precondition(status == 0, "the log's thread could not be started: error \(status)")
    pthread_detach(thread)
  }

  private func run() {
    var lines: [UInt8] = []
    while takeLines(into: &lines) {
      let lostLines = write(lines)
      buffer.withLock { $0.finishTaken(lostLines: lostLines) }
      buffer.broadcast()  // who waits in `flush`
      pause()
    }
  }

  /// - Returns: false when the buffer is closed and nothing waits any more.
  private func takeLines(into lines: inout [UInt8]) -> Bool {
    buffer.wait { state in
      if state.hasWork {
        state.take(into: &lines)
        return true
      }
      if state.isClosed { return false }
      state.isWriterAsleep = true
      return nil
    } ?? false
  }

  private func pause() {
    let deadline = MonotonicClock.system.now() + Self.pauseNanoseconds
    _ = buffer.wait(until: deadline) { state in
      state.isFlushWanted && state.hasWork || state.isHalfFull || state.isClosed ? true : nil
    }
  }

  /// - Returns: How many lines did not get through.
  private func write(_ lines: [UInt8]) -> UInt64 {
    var written = 0
    let total = lines.count
    lines.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      while written < total {
        let count = Glibc.write(descriptor, start + written, total - written)
        if count > 0 {
          written += count
          continue
        }
        switch errno {
        case EINTR: continue
        case EAGAIN:
          // Somebody made the pipe or terminal non-blocking, for us too.
          var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          poll(&ready, 1, 1000)
        default: return
        }
      }
    }
    guard written < total else { return 0 }
    // A line that was cut off ends here, so that the next one begins on a line of its own.
    if written > 0, lines[written - 1] != UInt8(ascii: "\n") {
      var newline = UInt8(ascii: "\n")
      _ = Glibc.write(descriptor, &newline, 1)
    }
    return lines[written...].reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
  }
}
