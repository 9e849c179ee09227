internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// What a connection is doing, which decides what its deadline means.
///
/// `head → body → handling → sending → idle → head …`; any → `closing`; head, body → `timedOut`.
enum ConnectionPhase: UInt64 {
  /// A head is awaited or coming in.
  case head = 1
  /// The head has come and the body is coming in.
  case body = 2
  /// A handler has the request. Its time is the handler's own affair.
  case handling = 3
  /// The answer is on its way.
  case sending = 4
  /// Kept alive, with no request.
  case idle = 5
  /// Told to end; nothing more to decide.
  case closing = 6
  /// Told that its time is over. What still comes gets no second answer.
  case timedOut = 7
}

/// A phase and its deadline in one word, so that the reaper reads both at once.
struct PhaseDeadline: Equatable {
  let word: UInt64

  /// The low 60 bits hold nanoseconds on the monotonic clock: 36 years since boot.
  private static let timeMask: UInt64 = 1 << 60 - 1
  static let never = timeMask

  init(_ phase: ConnectionPhase, until deadline: UInt64) {
    word = phase.rawValue << 60 | min(deadline, Self.timeMask)
  }

  init(word: UInt64) { self.word = word }

  var phase: ConnectionPhase { ConnectionPhase(rawValue: word >> 60) ?? .closing }
  var deadline: UInt64 { word & Self.timeMask }
}

/// One open connection: from `MHD_CONNECTION_NOTIFY_STARTED` to `…_CLOSED`.
///
/// The plain variables belong to the server thread that owns the connection; the atomics are
/// shared with the reaper and with `stop`.
@safe final class Connection: @unchecked Sendable {
  let core: ServerCore
  let daemon: Daemon
  /// Valid while the connection is in the table.
  let descriptor: Int32
  let peer: String
  let peerUserID: UInt32?
  let startTime: UInt64
  /// Beyond the limit: its first request is answered 503.
  let isOverLimit: Bool
  private let phaseWord: Atomic<UInt64>
  /// 0, or the phase in which the reaper cut the connection.
  private let cutPhase = Atomic<UInt64>(0)
  /// The exchange that waits for `respond`, for `stop` to find.
  let suspended = Mutex<HTTPExchange?>(nil)
  /// Its place in the table, guarded by the table.
  var slot = -1
  /// The header fields of the request that is there.
  var fields = ReceivedFields()
  /// The last body's memory, for the next one.
  var spareBody = BodyBuffer()
  /// What the connection's handshake shows: kept as long as its session lasts.
  var credentials: TLSCredentials?
  /// `HTTPExchange.refusalForm` of the request that is there.
  let refusalForm = Atomic<UInt8>(0)
  /// The peer may still be sending a body that nobody will read.
  var needsLingeringClose = false

  init(
    daemon: Daemon, descriptor: Int32, peer: String, peerUserID: UInt32?, isOverLimit: Bool
  ) {
    self.daemon = daemon
    core = daemon.core
    self.descriptor = descriptor
    self.peer = peer
    self.peerUserID = peerUserID
    self.isOverLimit = isOverLimit
    startTime = monotonicNanoseconds()
    phaseWord = Atomic(
      PhaseDeadline(.head, until: startTime + core.timeouts.head).word)
  }

  deinit { spareBody.free() }

  var phase: PhaseDeadline { PhaseDeadline(word: phaseWord.load(ordering: .relaxed)) }

  /// Moves on, unless the connection has been told to end.
  func enter(_ phase: ConnectionPhase, until deadline: UInt64) {
    phaseWord.store(PhaseDeadline(phase, until: deadline).word, ordering: .relaxed)
  }

  /// Moves on, unless the client has been told that its time is over.
  func advance(to phase: ConnectionPhase, until deadline: UInt64) -> Bool {
    let old = phaseWord.exchange(PhaseDeadline(phase, until: deadline).word, ordering: .relaxed)
    guard PhaseDeadline(word: old).phase == .timedOut else { return true }
    phaseWord.store(old, ordering: .relaxed)
    return false
  }

  /// Moves on only if nothing has moved since `seen` was read.
  func replace(_ seen: PhaseDeadline, by next: PhaseDeadline) -> Bool {
    phaseWord.compareExchange(
      expected: seen.word, desired: next.word, ordering: .relaxed
    ).exchanged
  }

  /// Ends the connection. Call only while the table is locked: the descriptor is valid then.
  ///
  /// Gently: no more is received, but what has arrived is still served, with
  /// `Connection: close`. Else: both directions end at once.
  func cut(gently: Bool) {
    let phase = phase.phase
    _ = cutPhase.compareExchange(
      expected: 0, desired: phase.rawValue, ordering: .relaxed)
    shutdown(descriptor, Int32(gently ? SHUT_RD : SHUT_RDWR))
  }

  var isCut: Bool { cutPhase.load(ordering: .relaxed) != 0 }

  /// Why an exchange on this connection came to no good end.
  var abortReason: String {
    switch ConnectionPhase(rawValue: cutPhase.load(ordering: .relaxed)) {
    case .body: "the body did not come in time"
    case .sending: "the client did not take the answer in time"
    case .timedOut: "the request did not come in time"
    case .head, .handling, .idle, .closing: "the server closed the connection"
    case nil: "the client closed the connection"
    }
  }
}

/// All open connections.
final class ConnectionTable: Sendable {
  private let connections = Mutex<[Connection]>([])

  var count: Int { connections.withLock { $0.count } }

  func insert(_ connection: Connection) {
    connections.withLock {
      connection.slot = $0.count
      $0.append(connection)
    }
  }

  /// The last one takes the place of the one removed.
  func remove(_ connection: Connection) {
    connections.withLock { list in
      let last = list.removeLast()
      guard last !== connection else { return }
      last.slot = connection.slot
      list[last.slot] = last
    }
  }

  /// Looks at each connection; none can be closed meanwhile.
  func visitAll(_ visit: (Connection) -> Void) {
    connections.withLock { list in
      for connection in list { visit(connection) }
    }
  }

  /// Ends the kept-alive connection that has been idle longest. False when none is idle.
  func evictLongestIdle() -> Bool {
    connections.withLock { list in
      var victim: Connection?
      var earliest = PhaseDeadline(.idle, until: PhaseDeadline.never)
      for connection in list {
        let seen = connection.phase
        // The idle time is the same for all, so the earliest deadline is the longest idle.
        guard seen.phase == .idle, seen.deadline < earliest.deadline else { continue }
        (victim, earliest) = (connection, seen)
      }
      guard let victim else { return false }
      let closing = PhaseDeadline(.closing, until: monotonicNanoseconds() + 1_000_000_000)
      guard victim.replace(earliest, by: closing) else { return false }
      victim.cut(gently: true)
      return true
    }
  }
}

func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension Duration {
  /// Whole nanoseconds, 0 for a negative duration, at most a year.
  var wholeNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return UInt64(min(seconds, 31_536_000)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
  }
}
