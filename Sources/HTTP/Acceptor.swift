internal import CLinux
internal import Glibc
internal import Synchronization

/// Accepts connections on a thread of its own and gives each to the daemon that has the fewest.
///
/// The library's pool leaves it to chance who accepts: the thread that wakes first takes all that
/// wait, and of sixteen connections that come together one thread may get every one.
final class Acceptor: Sendable {
  private let listener: Int32
  private let daemons: [Daemon]
  /// Beyond it nothing is accepted: clients wait in the backlog.
  private let maxConnections: Int
  /// Called when the socket no longer listens, and nobody here has ended it.
  private let whenListenerEnds: @Sendable (String) -> Void
  private let isStopping = Atomic<Bool>(false)
  private let wakes: WakePipe
  private let thread = Mutex<ServiceThread?>(nil)

  /// A handler that takes longer may take very long.
  private static let longHandling: UInt64 = 2_000_000

  /// When the process has no descriptor left, or no connection may come.
  private static let pauseMs: Int32 = 20

  init(
    listener: Int32, daemons: [Daemon], maxConnections: Int,
    whenListenerEnds: @escaping @Sendable (String) -> Void
  ) {
    self.listener = listener
    self.daemons = daemons
    self.maxConnections = maxConnections
    self.whenListenerEnds = whenListenerEnds
    wakes = WakePipe()
  }

  /// Begins, unless it has begun or been stopped.
  func start() {
    thread.withLock { thread in
      guard thread == nil, !isStopping.load(ordering: .relaxed) else { return }
      thread = ServiceThread("accepting") { self.run() }
    }
  }

  /// Ends the thread; what waits in the backlog is accepted last, so that no client is reset.
  /// The listening socket stays open and is the caller's again.
  ///
  /// - Parameter servingBacklog: False when another process accepts from the same socket.
  /// - Returns: Whether the backlog is empty, or another's; else `acceptBacklog` is to be called
  ///   again, when there may be descriptors once more.
  func stop(servingBacklog: Bool = true) -> Bool {
    isStopping.store(true, ordering: .relaxed)
    wakes.wake()
    thread.withLock { $0.take() }?.join()
    return servingBacklog ? acceptBacklog() : true
  }

  /// Accepts what waits, once the thread has ended. False when descriptors have run out.
  func acceptBacklog() -> Bool {
    var turn = 0
    while true {
      switch accept(&turn) {
      case .accepted: continue
      case .none, .failed: return true
      case .blocked: return false
      }
    }
  }

  private enum Step {
    case accepted
    /// Nobody waits.
    case none
    /// Nothing can be accepted now: the process or the system has run out of something.
    case blocked
    /// The socket does not listen, for this reason.
    case failed(String)
  }

  private func run() {
    var turn = 0
    while !isStopping.load(ordering: .relaxed) {
      let isFull = connectionCount >= maxConnections
      let step = isFull ? .blocked : accept(&turn)
      switch step {
      case .accepted: continue
      case .none: wakes.wait(orFor: listener, milliseconds: -1)
      case .blocked: wakes.wait(orFor: -1, milliseconds: Self.pauseMs)
      case .failed(let reason):
        // For good: a gateway that nobody can reach must not go on holding its workspace.
        return whenListenerEnds(reason)
      }
    }
  }

  private var connectionCount: Int {
    daemons.reduce(0) {
      $0 + $1.connectionCount.load(ordering: .relaxed) + $1.pendingCount.load(ordering: .relaxed)
    }
  }

  private func accept(_ turn: inout Int) -> Step {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      let address = unsafe UnsafeMutableRawPointer(pointer)
        .assumingMemoryBound(to: sockaddr.self)
      let client = unsafe swerve_accept(listener, pointer, &length)
      guard client >= 0 else {
        switch errno {
        case EAGAIN: return .none
        // The client has left meanwhile, or its network has.
        case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH,
          ENOPROTOOPT, EOPNOTSUPP:
          return .accepted
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .blocked
        default: return .failed(errnoText())
        }
      }
      unsafe leastLoaded(&turn).add(client, address, length)
      return .accepted
    }
  }

  /// Among equals they take turns.
  private func leastLoaded(_ turn: inout Int) -> Daemon {
    turn = (turn + 1) % daemons.count
    let now = monotonicNanoseconds()
    var best = daemons[turn]
    var lowest = load(of: best, at: now)
    for offset in 1..<max(daemons.count, 1) {
      let daemon = daemons[(turn + offset) % daemons.count]
      let load = load(of: daemon, at: now)
      if load < lowest { (best, lowest) = (daemon, load) }
    }
    return best
  }

  /// Connections; one whose handler takes long comes after all others.
  private func load(of daemon: Daemon, at now: UInt64) -> Int {
    let since = daemon.handlingSince.load(ordering: .relaxed)
    let isBlocked = since > 0 && now > since && now - since > Self.longHandling
    return daemon.connectionCount.load(ordering: .relaxed)
      + daemon.pendingCount.load(ordering: .relaxed) + (isBlocked ? maxConnections : 0)
  }
}

/// A pipe whose one end wakes who waits at the other.
final class WakePipe: Sendable {
  let reader: Int32
  private let writer: Int32

  init() {
    var ends: [Int32] = [-1, -1]
    let failed = unsafe pipe(&ends)
    precondition(failed == 0, "no pipe: \(errnoText())")
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    (reader, writer) = (ends[0], ends[1])
  }

  deinit {
    close(reader)
    close(writer)
  }

  func wake() {
    var one: UInt8 = 1
    unsafe _ = write(writer, &one, 1)
  }

  /// Forgets the wakes so far.
  func clear() {
    var bytes: [UInt8] = Array(repeating: 0, count: 64)
    while unsafe read(reader, &bytes, bytes.count) == bytes.count {}
  }

  /// Waits for a wake, which is not cleared, for input on `descriptor` (-1: none), or for the time
  /// to pass (-1: for ever).
  func wait(orFor descriptor: Int32, milliseconds: Int32) {
    var polls = [
      pollfd(fd: reader, events: Int16(POLLIN), revents: 0),
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
    ]
    _ = unsafe poll(&polls, nfds_t(polls.count), milliseconds)
  }
}
