internal import Documents
internal import HTTP
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// The addresses: scoring, the admin socket in the workspace, and the admin API over TCP if asked
/// for.
struct Listeners: Sendable {
  let scoring: HTTPServer
  let admin: HTTPServer
  let remoteAdmin: HTTPServer?
  let address: String
  let scoringAddress: String
  /// `https://127.0.0.1:8081`; nil when the admin API is on its socket only.
  let adminAddress: String?

  /// All answer from here on; `/readyz` says 503 until everything is loaded.
  ///
  /// - Parameters:
  ///   - inherited: The sockets of the process before this one, which `beginAccepting` begins to
  ///     use; nil: they are made.
  ///   - whenListenerEnds: Called when nobody can connect any more.
  init(
    _ configuration: GatewayConfiguration, _ parts: GatewayParts, inherited: Inheritance? = nil,
    whenListenerEnds: @escaping @Sendable (String) -> Void
  ) throws(GatewayError) {
    var settings = try Listeners.scoringConfiguration(configuration)
    settings.inheritedListener = inherited?.scoring
    settings.acceptsAtOnce = inherited == nil
    settings.whenListenerEnds = whenListenerEnds
    if let inherited, let port = HTTPServer.port(ofListener: inherited.scoring),
      configuration.port != 0, port != configuration.port
    {
      throw GatewayError(
        "the port is \(configuration.port), and the socket handed over is at \(port); a restart "
          + "keeps the address: stop the gateway and start it again")
    }
    let handler = DataPlaneHandler(
      DataPlaneHandler.Settings(
        maxBodyBytes: configuration.maxBodyBytes,
        defaultEndpoint: configuration.defaultEndpoint,
        allowsOpenEndpoints: configuration.allowsOpenEndpoints,
        serverName: configuration.serverName,
        queueFullStatus: configuration.queueFullStatus),
      service: parts.service, readiness: parts.readiness, metrics: parts.metrics, log: parts.log,
      modelControl: configuration.allowsModelControl
        ? ModelControl(control: parts.control, adminKeys: parts.adminKeys) : nil,
      batchCalls: parts.batchCalls, keyFailures: parts.keyFailures,
      identifiers: parts.identifiers)
    do {
      scoring = try HTTPServer(settings, handler: handler)
    } catch {
      throw GatewayError(error.description)
    }
    let listening = Listeners.url(
      host: configuration.host, port: scoring.port ?? configuration.port,
      isTLS: settings.tls != nil)
    let address = UsableAddress.text(listening, askedAs: nil)
    self.address = address
    scoringAddress =
      configuration.publicURL.flatMap(UsableAddress.publicAddress) ?? address
    let publicAddress = configuration.publicURL.flatMap(UsableAddress.publicAddress) ?? listening
    let startTime = MonotonicClock.system.now()
    let adminHandler = AdminHandler(
      control: parts.control, registry: parts.registry, adminKeys: parts.adminKeys,
      uploads: parts.uploads, desk: parts.desk,
      status: {
        [
          "ready": .bool(parts.readiness.state == .ready),
          "version": .string(Version.text), "pid": .integer(Int64(getpid())),
          "address": .string(address),
          "uptime_seconds": .integer(
            Int64((MonotonicClock.system.now() &- startTime) / 1_000_000_000)),
        ]
      },
      scoringAddress: { publicAddress }, log: parts.log, keyFailures: parts.keyFailures,
      metrics: { parts.metrics.prometheusText() },
      restart: { (executable, timeout) throws(GatewayError) in
        try parts.succession.run(executable: executable, timeout: timeout)
      })
    do {
      var unix = HTTPServerConfiguration(address: .unix(path: parts.workspace.socketPath))
      // A handler may block: the second thread answers meanwhile.
      unix.threads = 2
      unix.inheritedListener = inherited?.admin
      unix.acceptsAtOnce = inherited == nil
      unix.whenListenerEnds = whenListenerEnds
      admin = try HTTPServer(unix, handler: adminHandler)
    } catch {
      Listeners.giveUp([scoring], inherited)
      throw GatewayError(error.description)
    }
    guard let wanted = configuration.adminAddress.flatMap({ ListenAddress($0) }) else {
      // One that is not wanted any more is not left open with nobody behind it.
      if let remote = inherited?.remoteAdmin { close(remote) }
      remoteAdmin = nil
      adminAddress = nil
      return
    }
    if let remote = inherited?.remoteAdmin,
      !HTTPServer.isListener(remote, at: wanted.host, port: wanted.port)
    {
      Listeners.giveUp([scoring, admin], inherited)
      throw GatewayError(
        "the admin address is \(wanted.host):\(wanted.port), and the socket handed over is at "
          + "another; a restart keeps the address: stop the gateway and start it again")
    }
    do {
      var tcp = HTTPServerConfiguration(address: .tcp(host: wanted.host, port: wanted.port))
      tcp.threads = 2
      tcp.inheritedListener = inherited?.remoteAdmin
      tcp.acceptsAtOnce = inherited == nil
      tcp.whenListenerEnds = whenListenerEnds
      tcp.maxConnections = Listeners.maxAdminConnections
      tcp.tls = settings.tls
      let server = try HTTPServer(tcp, handler: adminHandler)
      remoteAdmin = server
      adminAddress = UsableAddress.text(
        Listeners.url(
          host: wanted.host, port: server.port ?? wanted.port, isTLS: tcp.tls != nil),
        askedAs: nil)
    } catch {
      Listeners.giveUp([scoring, admin], inherited)
      throw GatewayError(error.description)
    }
  }

  /// Ends what has begun of listeners that cannot all be had. Inherited sockets go on belonging to
  /// the process before this one; what was accepted from them is answered here.
  private static func giveUp(_ servers: [HTTPServer], _ inherited: Inheritance?) {
    if inherited != nil { for server in servers { server.handOver() } }
    let grace: UInt64 = inherited == nil ? 0 : 5_000_000_000
    for server in servers { server.stop(deadline: MonotonicClock.system.now() &+ grace) }
  }

  /// Administrators are few; whoever has no key holds a connection for seconds only.
  private static let maxAdminConnections = 256

  private static func url(host: String, port: UInt16, isTLS: Bool) -> String {
    let host = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    return "\(isTLS ? "https" : "http")://\(host):\(port)"
  }

  /// Lets go of inherited sockets that the process before this one goes on with.
  func giveUp() {
    handOver()
    stop(deadline: MonotonicClock.system.now())
  }

  private var all: [HTTPServer] { [admin, scoring] + [remoteAdmin].compactMap { $0 } }

  /// Accepts from inherited sockets; others have begun already.
  ///
  /// - Throws: When one of them has been ended by the process before this one.
  func beginAccepting() throws(GatewayError) {
    guard all.allSatisfy(\.isListening) else {
      throw GatewayError("the process before this one has ended the listening sockets")
    }
    for server in all { server.beginAccepting() }
  }

  func beginDrain() { scoring.beginDrain() }

  /// What a successor is given.
  var inheritance: (scoring: Int32, admin: Int32, remoteAdmin: Int32?) {
    (scoring.listenerDescriptor, admin.listenerDescriptor, remoteAdmin?.listenerDescriptor)
  }

  /// From now on the successor accepts, first of all what changes something.
  func handOver() {
    admin.handOver()
    remoteAdmin?.handOver()
    scoring.handOver()
  }

  /// - Returns: False when requests were cut off at the deadline.
  @discardableResult
  func stop(deadline: UInt64) -> Bool {
    let isClean = scoring.stop(deadline: deadline)
    let adminDeadline = MonotonicClock.system.now() &+ Listeners.adminGrace
    remoteAdmin?.stop(deadline: adminDeadline)
    admin.stop(deadline: adminDeadline)
    return isClean
  }

  private static let adminGrace: UInt64 = 500_000_000

  private static func scoringConfiguration(
    _ configuration: GatewayConfiguration
  ) throws(GatewayError) -> HTTPServerConfiguration {
    var settings = HTTPServerConfiguration(
      address: .tcp(host: configuration.host, port: configuration.port))
    settings.threads =
      configuration.threads > 0 ? configuration.threads : min(CPUQuota.processorCount, 64)
    settings.maxConnections = configuration.maxConnections
    settings.maxBodyBytesInFlight =
      configuration.maxBodyBytesInFlight ?? max(1 << 30, configuration.maxBodyBytes)
    if let certificate = configuration.tlsCertificatePath, let key = configuration.tlsKeyPath {
      settings.tls = try CertificateFiles.read(certificate: certificate, key: key)
    }
    return settings
  }
}
