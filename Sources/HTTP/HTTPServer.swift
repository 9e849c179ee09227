internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// Where and how a server listens. All limits have a default.
package struct HTTPServerConfiguration: Sendable {
  package enum Address: Sendable {
    /// `port` 0 picks a free one.
    case tcp(host: String, port: UInt16)
    /// A socket file, mode 0600, under any path length.
    case unix(path: String)
  }

  package struct TLS: Sendable {
    package var certificatePEM: String
    package var keyPEM: String
    package init(certificatePEM: String, keyPEM: String) {
      self.certificatePEM = certificatePEM
      self.keyPEM = keyPEM
    }
  }

  package var address: Address
  /// A listening socket that another process has made for this address; taken over, and closed
  /// with the server. nil: one is made.
  package var inheritedListener: Int32?
  /// False: nothing is accepted before `beginAccepting`.
  package var acceptsAtOnce = true
  /// Called once, with a sentence, when the listening socket has ended and not by us: nobody can
  /// connect any more. On the thread that accepts.
  package var whenListenerEnds: @Sendable (String) -> Void = { _ in }
  package var tls: TLS?
  /// Threads that serve connections. Range 1...64.
  package var threads = 1
  /// Connections beyond this are answered 503 and closed. Default 10,000.
  package var maxConnections = 10_000
  /// Bytes of bodies that may be held at the same time, of all connections together: a request
  /// beyond them is answered 503. Bodies of up to 64 KiB are not counted. Default 1 GiB.
  package var maxBodyBytesInFlight = 1 << 30
  /// From the connection's first byte (or the last answer) to the end of the head. Default 10 s.
  package var headTimeout: Duration = .seconds(10)
  /// From the end of the head to the end of the body: this much, and 1 s more for each 10 KB
  /// (`minBodyBytesPerSecond`). Default 10 s.
  package var bodyTimeout: Duration = .seconds(10)
  package var minBodyBytesPerSecond = 10_240
  /// From the answer to its last byte taken by the client. Default 30 s and the same rate.
  package var sendTimeout: Duration = .seconds(30)
  /// An idle connection is closed after this. Default 75 s.
  package var idleTimeout: Duration = .seconds(75)

  package init(address: Address) { self.address = address }
}

package enum HTTPServerError: Error, Equatable, CustomStringConvertible {
  case addressInUse(String)
  case cannotListen(address: String, reason: String)
  case tls(reason: String)
  case cannotStart(reason: String)

  package var description: String {
    switch self {
    case .addressInUse(let address): "\(address) is in use by another process"
    case .cannotListen(let address, let reason): "cannot listen on \(address): \(reason)"
    case .tls(let reason): "TLS: \(reason)"
    case .cannotStart(let reason): "the HTTP server cannot start: \(reason)"
    }
  }
}

/// A listening server. Owns the socket, the daemons, and the threads that accept and watch
/// deadlines.
package final class HTTPServer: Sendable {
  private let core: ServerCore
  private let listener: Listener
  private let credentials: TLSCredentials?
  private let reaper: DeadlineReaper
  private let acceptor: Acceptor
  /// One for each thread.
  private let daemons: [Daemon]
  private let isStopped = Atomic<Bool>(false)
  /// Another process listens now.
  private let isHandedOver = Atomic<Bool>(false)

  /// Starts listening and serving.
  package init(
    _ configuration: HTTPServerConfiguration, handler: any HTTPHandler
  ) throws(HTTPServerError) {
    // A client that leaves while we write must not end the process.
    signal(SIGPIPE, SIG_IGN)
    credentials = if let tls = configuration.tls { try TLSCredentials(tls) } else { nil }
    let limits = DescriptorLimits(maxConnections: configuration.maxConnections)
    core = ServerCore(configuration, maxConnections: limits.maxConnections, handler: handler)
    let credentials = credentials
    core.credentials.withLock { $0 = credentials }
    listener =
      if let inherited = configuration.inheritedListener {
        Listener(inherited, configuration.address)
      } else {
        try Listener(configuration.address)
      }
    reaper = DeadlineReaper(core)
    let threads = min(64, max(1, configuration.threads))
    // Only a backstop behind our own deadlines.
    let backstop = UInt32(
      clamping: (core.timeouts.idle + core.timeouts.send) / 1_000_000_000 + 60)
    var started: [Daemon] = []
    for _ in 0..<threads {
      guard
        let daemon = Daemon(
          core: core, maxConnections: limits.libraryMaxConnections, backstopSeconds: backstop,
          credentials: credentials)
      else {
        let reason = errnoText()
        for daemon in started { daemon.stop() }
        // Another process's socket is still served by it, under its file.
        if configuration.inheritedListener == nil { listener.unlinkSocketFile() }
        close(listener.descriptor)
        throw .cannotStart(reason: "libmicrohttpd did not start: \(reason)")
      }
      started.append(daemon)
    }
    daemons = started
    acceptor = Acceptor(
      listener: listener.descriptor, daemons: started,
      maxConnections: limits.libraryMaxConnections,
      whenListenerEnds: configuration.whenListenerEnds)
    reaper.start()
    if configuration.acceptsAtOnce { acceptor.start() }
  }

  deinit { stop(deadline: 0) }

  /// The port that was picked; nil for a Unix socket.
  package var port: UInt16? { listener.port }
  package var connectionCount: Int { core.connections.count }
  /// Exchanges between head and last byte sent.
  package var exchangeCount: Int {
    daemons.reduce(0) { $0 + $1.exchangeCount.load(ordering: .sequentiallyConsistent) }
  }

  /// Shows another certificate to the handshakes that begin from now on; connections that are
  /// there go on with theirs.
  ///
  /// - Throws: When it cannot be used; then everything stays as it was.
  package func replaceCertificate(_ tls: HTTPServerConfiguration.TLS) throws(HTTPServerError) {
    guard core.isTLS else { throw .tls(reason: "the server was started without it") }
    let credentials = try TLSCredentials(tls)
    core.credentials.withLock { $0 = credentials }
  }

  /// When the certificate that is shown ends, seconds since 1970; nil without TLS.
  package var certificateExpiryTime: Int64? { core.credentials.withLock { $0?.expiryTime } }

  /// Accepts connections where that was left for later.
  package func beginAccepting() { acceptor.start() }

  /// Whether clients can connect: false when another process that has the same socket has ended it.
  package var isListening: Bool { listener.isListening }

  /// From now on every answer carries `Connection: close`; new connections are still accepted.
  package func beginDrain() { core.isDraining.store(true, ordering: .relaxed) }

  /// Stops in the safe order of `RELIABILITY.md` §0.4: no more connections accepted, the
  /// backlog served, exchanges finished, then the daemon ended. Returns false when `deadline`
  /// (monotonic nanoseconds) passed first and what was left has been cut off.
  @discardableResult
  package func stop(deadline: UInt64) -> Bool {
    guard !isStopped.exchange(true, ordering: .sequentiallyConsistent) else { return true }
    beginDrain()
    var isListening = !isHandedOver.load(ordering: .sequentiallyConsistent)
    func endListening() {
      guard isListening else { return }
      isListening = false
      shutdown(listener.descriptor, Int32(SHUT_RDWR))
      close(listener.descriptor)
    }
    if isListening {
      // A Unix client that comes now finds no file; one that is in the backlog is served.
      listener.unlinkSocketFile()
      if acceptor.stop() { endListening() }
    }
    let isClean = waitForConnections(until: deadline) {
      // Out of descriptors, clients wait in the backlog until connections have ended.
      if isListening, acceptor.acceptBacklog() { endListening() }
      return !isListening
    }
    endListening()
    if !isClean { abandonRest() }
    for daemon in daemons { daemon.stop() }
    reaper.stop()
    return isClean
  }

  /// The port of a listening socket; nil for one that is not of TCP.
  package static func port(ofListener descriptor: Int32) -> UInt16? {
    Listener.boundPort(descriptor)
  }

  /// Whether a listening socket is the one that this address asks for. Port 0 asks for none. A name
  /// that resolves to nothing is no socket's: who then listens at it tells the error.
  package static func isListener(_ descriptor: Int32, at host: String, port: UInt16) -> Bool {
    guard let bound = Listener.boundPort(descriptor), port == 0 || port == bound,
      let wanted = try? SocketAddress.resolve(host: host, port: bound, passive: true),
      let address = SocketAddress(boundTo: descriptor)
    else { return false }
    return wanted.contains { $0.isSameEnd(as: address) }
  }

  /// The listening socket, for a successor.
  package var listenerDescriptor: Int32 { listener.descriptor }

  /// Lets the listening socket go to another process that has it open: from now on that one
  /// accepts all connections, and ours end, each after its next answer. `stop` must follow.
  package func handOver() {
    guard !isHandedOver.exchange(true, ordering: .sequentiallyConsistent) else { return }
    // What waits in the backlog is the other's. No `shutdown`: it would end the socket for both.
    _ = acceptor.stop(servingBacklog: false)
    close(listener.descriptor)
    beginDrain()
  }

  /// How long a connection without a request is kept for its next one when another process has
  /// the socket: a client that uses it is told to close it then, and loses no request. One that
  /// is idle longer may be closed, as always.
  private static let handOverIdle: UInt64 = 3_000_000_000

  private var pendingCount: Int {
    daemons.reduce(0) { $0 + $1.pendingCount.load(ordering: .acquiring) }
  }

  /// Waits until the last connection is closed; those without a request are asked to close.
  ///
  /// - Parameter isBacklogEmpty: Whether nobody waits to be accepted; asked at each turn.
  private func waitForConnections(
    until deadline: UInt64, _ isBacklogEmpty: () -> Bool
  ) -> Bool {
    // One that the library lets go of without a word would be waited for in vain.
    let pendingDeadline = monotonicNanoseconds() + 1_000_000_000
    let isHandedOver = isHandedOver.load(ordering: .sequentiallyConsistent)
    let freshTime = isHandedOver ? Self.handOverIdle : 1_000_000_000
    while true {
      let now = monotonicNanoseconds()
      core.connections.visitAll { connection in
        let seen = connection.phase
        // A connection fresh from the backlog has a moment to send its request.
        let isFresh = seen.phase == .head && now - min(now, connection.startTime) < freshTime
        let idleSince = seen.deadline - min(seen.deadline, core.timeouts.idle)
        if isHandedOver, seen.phase == .idle, now - min(now, idleSince) < Self.handOverIdle {
          return
        }
        guard seen.phase == .idle || (seen.phase == .head && !isFresh) else { return }
        let closing = PhaseDeadline(.closing, until: now + 1_000_000_000)
        if connection.replace(seen, by: closing) { connection.cut(gently: true) }
      }
      // In this order: what is no longer pending is in the table.
      let isPending = !isBacklogEmpty() || (now < pendingDeadline && pendingCount > 0)
      if !isPending, core.connections.count == 0, exchangeCount == 0 { return true }
      if now >= deadline { return false }
      usleep(2_000)
    }
  }

  /// Answers every suspended exchange with 503, gives the answers a moment, and cuts the rest.
  /// The library must never be stopped with suspended connections.
  private func abandonRest() {
    core.isAbandoning.store(true, ordering: .sequentiallyConsistent)
    var suspended: [HTTPExchange] = []
    core.connections.visitAll { connection in
      if let exchange = connection.suspended.withLock({ $0 }) { suspended.append(exchange) }
    }
    for exchange in suspended { exchange.abandon() }
    let last = monotonicNanoseconds() + 500_000_000
    while exchangeCount > 0, monotonicNanoseconds() < last { usleep(2_000) }
    core.connections.visitAll { $0.cut(gently: false) }
  }
}

/// How many connections the process's descriptors allow.
private struct DescriptorLimits {
  var maxConnections: Int
  /// The library stops accepting here, and clients hang: above ours by what we refuse politely.
  var libraryMaxConnections: Int

  /// Descriptors for everything that is not a connection.
  private static let reserve = 128

  init(maxConnections wanted: Int) {
    let wanted = max(1, wanted)
    let needed = rlim_t(wanted + maxRefusedConnections * 2 + Self.reserve)
    var limit = rlimit()
    _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    if limit.rlim_cur < needed {
      limit.rlim_cur = min(needed, limit.rlim_max)
      _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    let ceiling = max(16, Int(clamping: limit.rlim_cur) - Self.reserve)
    libraryMaxConnections = min(wanted + maxRefusedConnections * 2, ceiling)
    maxConnections = min(wanted, max(1, libraryMaxConnections - libraryMaxConnections / 16))
  }
}
