internal import Glibc
internal import Synchronization

/// Closes connections whose deadline has passed.
///
/// The library's own time-out is an idle timer that one byte resets; these deadlines are
/// absolute. One thread looks at all connections at each tick, and meanwhile drains the sockets
/// that linger after a refusal.
final class DeadlineReaper: Sendable {
  private let core: ServerCore
  private let tickMs: Int32
  private let isStopping = Atomic<Bool>(false)
  private let thread = Mutex<ServiceThread?>(nil)

  init(_ core: ServerCore) {
    self.core = core
    let timeouts = core.timeouts
    let shortest = min(timeouts.head, timeouts.body, timeouts.send, timeouts.idle)
    tickMs = Int32(min(250, max(10, shortest / 8_000_000)))
  }

  func start() {
    thread.withLock { $0 = ServiceThread("the deadlines") { self.run() } }
  }

  /// Ends the thread and waits for it.
  func stop() {
    isStopping.store(true, ordering: .relaxed)
    core.lingering.wake()
    thread.withLock { $0.take() }?.join()
    core.lingering.closeAll()
  }

  private func run() {
    var nextTick = monotonicNanoseconds()
    var ticks = 0
    while !isStopping.load(ordering: .relaxed) {
      let now = monotonicNanoseconds()
      if now >= nextTick {
        ticks += 1
        // A system call for each idle connection: at every second tick.
        let looksAtIdle = ticks % 2 == 0
        core.connections.visitAll { reap($0, now: now, looksAtIdle: looksAtIdle) }
        nextTick = now + UInt64(tickMs) * 1_000_000
      }
      core.lingering.drain(waitingMs: Int32((nextTick - min(now, nextTick)) / 1_000_000) + 1)
    }
  }

  private func reap(_ connection: Connection, now: UInt64, looksAtIdle: Bool) {
    let seen = connection.phase
    guard now >= seen.deadline else {
      guard looksAtIdle else { return }
      switch seen.phase {
      case .idle:
        if !closeIfHalfClosed(connection, seen, now: now) {
          noticeSlowHead(connection, seen, now: now)
        }
      case .head, .body: _ = closeIfHalfClosed(connection, seen, now: now)
      case .handling, .sending, .closing, .timedOut: break
      }
      return
    }
    switch seen.phase {
    case .handling:
      break
    case .idle:
      // Gently first, for a request that is just arriving; one second later at all events.
      let closing = PhaseDeadline(.closing, until: now + 1_000_000_000)
      if connection.replace(seen, by: closing) { connection.cut(gently: true) }
    case .head, .body:
      // A client that has sent nothing may be one that opens connections in advance.
      let isAnswered =
        !core.isTLS && (seen.phase == .body || hasReceived(connection))
        && connection.replace(seen, by: PhaseDeadline(.timedOut, until: now + 1_000_000_000))
      if isAnswered { answerTimeout(connection, seen.phase) }
      connection.cut(gently: false)
      if !isAnswered {
        _ = connection.replace(seen, by: PhaseDeadline(.closing, until: now + 1_000_000_000))
      }
    case .sending, .closing, .timedOut:
      connection.cut(gently: false)
      // Again in a second if that was not enough. Who was told 408 stays so: what still lies in
      // the socket must not be carried out.
      let next = seen.phase == .timedOut ? ConnectionPhase.timedOut : .closing
      _ = connection.replace(seen, by: PhaseDeadline(next, until: now + 1_000_000_000))
    }
  }

  /// Says 408 behind the library's back, which sends nothing while a request is coming in. Over
  /// TLS the session is the server thread's: there the connection just ends.
  private func answerTimeout(_ connection: Connection, _ phase: ConnectionPhase) {
    let part = phase == .body ? "body" : "head"
    let response = core.handler.refusal(
      status: 408, reason: "the request's \(part) did not come in time", of: nil,
      form: phase == .body ? connection.refusalForm.load(ordering: .relaxed) : 0)
    let message = ResponseSender.message(response)
    unsafe message.withUnsafeBytes { bytes in
      _ = unsafe send(
        connection.descriptor, bytes.baseAddress, bytes.count,
        Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
  }

  /// Whether any byte has come on a connection; true where the system does not tell.
  private func hasReceived(_ connection: Connection) -> Bool {
    if core.isUnix { return true }
    // Glibc's `tcp_info` is older than the kernel's and ends before this member.
    let bytesReceivedOffset = 128
    return unsafe withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { info in
      var length = socklen_t(info.count)
      let failed = unsafe getsockopt(
        connection.descriptor, Int32(IPPROTO_TCP), TCP_INFO, info.baseAddress, &length)
      guard failed == 0, Int(length) >= bytesReceivedOffset + 8 else { return true }
      return unsafe info.load(fromByteOffset: bytesReceivedOffset, as: UInt64.self) > 0
    }
  }

  /// Ends a connection whose client will send no more and has no whole request with us.
  ///
  /// The library's epoll loop misses the end of a stream that comes together with its last bytes:
  /// the connection would stay until its deadline.
  private func closeIfHalfClosed(
    _ connection: Connection, _ seen: PhaseDeadline, now: UInt64
  ) -> Bool {
    guard !core.isUnix else { return false }
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    var unread: Int32 = 0
    // What has just come, or still lies in the socket, may be a request yet.
    let quietMs = 500
    let closeWait: UInt8 = 8
    let hasEnded =
      unsafe getsockopt(
        connection.descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) == 0
      && info.tcpi_state == closeWait && info.tcpi_last_data_recv >= UInt32(quietMs)
      && ioctl(connection.descriptor, UInt(FIONREAD), &unread) == 0 && unread == 0
    guard hasEnded else { return false }
    let closing = PhaseDeadline(.closing, until: now + 1_000_000_000)
    guard connection.replace(seen, by: closing) else { return false }
    connection.cut(gently: false)
    return true
  }

  /// A kept-alive connection on which bytes have come since the last answer, but no whole
  /// request line: from now on the head's deadline holds.
  private func noticeSlowHead(_ connection: Connection, _ seen: PhaseDeadline, now: UInt64) {
    let timeouts = core.timeouts
    let idleMs = (now + timeouts.idle - min(seen.deadline, now + timeouts.idle)) / 1_000_000
    guard idleMs > 20, !core.isUnix else { return }
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    let failed = unsafe getsockopt(
      connection.descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
    // The kernel counts in steps of a few milliseconds.
    let age = UInt64(info.tcpi_last_data_recv)
    guard failed == 0, age + 10 < idleMs else { return }
    let deadline = now - min(now, age * 1_000_000) + timeouts.head
    _ = connection.replace(seen, by: PhaseDeadline(.head, until: deadline))
  }
}

/// A thread of ours, joined once.
@safe final class ServiceThread: @unchecked Sendable {
  private var thread = pthread_t()

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init(_ name: String, _ run: @escaping @Sendable () -> Void) {
    let body = unsafe Unmanaged.passRetained(Body(run))
    let failed = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        body.run()
        return nil
      }, body.toOpaque())
    precondition(failed == 0, "no thread for \(name): \(failed)")
  }

  func join() { pthread_join(thread, nil) }
}
