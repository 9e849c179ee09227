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
  init(_ configuration: GatewayConfiguration, _ parts: GatewayParts) throws(GatewayError) {
    let settings = try Listeners.scoringConfiguration(configuration)
    let handler = DataPlaneHandler(
      DataPlaneHandler.Settings(
        maxBodyBytes: configuration.maxBodyBytes,
        defaultEndpoint: configuration.defaultEndpoint,
        allowsOpenEndpoints: configuration.allowsOpenEndpoints,
        serverName: configuration.serverName),
      service: parts.service, readiness: parts.readiness, metrics: parts.metrics, log: parts.log,
      modelControl: configuration.allowsModelControl
        ? ModelControl(control: parts.control, adminKeys: parts.adminKeys) : nil)
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
      uploads: parts.uploads,
      status: {
        [
          "ready": .bool(parts.readiness.state == .ready),
          "version": .string(Version.text), "pid": .integer(Int64(getpid())),
          "address": .string(address),
          "uptime_seconds": .integer(
            Int64((MonotonicClock.system.now() &- startTime) / 1_000_000_000)),
        ]
      },
      scoringAddress: { publicAddress }, log: parts.log)
    do {
      var unix = HTTPServerConfiguration(address: .unix(path: parts.workspace.socketPath))
      // A handler may block: the second thread answers meanwhile.
      unix.threads = 2
      admin = try HTTPServer(unix, handler: adminHandler)
    } catch {
      scoring.stop(deadline: MonotonicClock.system.now())
      throw GatewayError(error.description)
    }
    guard let wanted = configuration.adminAddress.flatMap({ ListenAddress($0) }) else {
      remoteAdmin = nil
      adminAddress = nil
      return
    }
    do {
      var tcp = HTTPServerConfiguration(address: .tcp(host: wanted.host, port: wanted.port))
      tcp.threads = 2
      tcp.maxConnections = Listeners.maxAdminConnections
      tcp.tls = settings.tls
      let server = try HTTPServer(tcp, handler: adminHandler)
      remoteAdmin = server
      adminAddress = UsableAddress.text(
        Listeners.url(
          host: wanted.host, port: server.port ?? wanted.port, isTLS: tcp.tls != nil),
        askedAs: nil)
    } catch {
      let now = MonotonicClock.system.now()
      scoring.stop(deadline: now)
      admin.stop(deadline: now)
      throw GatewayError(error.description)
    }
  }

  /// Administrators are few; whoever has no key holds a connection for seconds only.
  private static let maxAdminConnections = 256

  private static func url(host: String, port: UInt16, isTLS: Bool) -> String {
    let host = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    return "\(isTLS ? "https" : "http")://\(host):\(port)"
  }

  func beginDrain() { scoring.beginDrain() }

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
    if let certificate = configuration.tlsCertificatePath, let key = configuration.tlsKeyPath {
      settings.tls = HTTPServerConfiguration.TLS(
        certificatePEM: String(
          decoding: try fileBytes(certificate, maxBytes: 1 << 20), as: UTF8.self),
        keyPEM: String(decoding: try fileBytes(key, maxBytes: 1 << 20), as: UTF8.self))
    }
    return settings
  }
}
