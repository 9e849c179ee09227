internal import Documents
internal import HTTP
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// The two addresses: scoring, and the admin socket in the workspace.
struct Listeners: Sendable {
  let scoring: HTTPServer
  let admin: HTTPServer
  let address: String

  /// Both answer from here on; `/readyz` says 503 until everything is loaded.
  init(_ configuration: GatewayConfiguration, _ parts: GatewayParts) throws(GatewayError) {
    let settings = try Listeners.scoringConfiguration(configuration)
    let handler = DataPlaneHandler(
      DataPlaneHandler.Settings(
        maxBodyBytes: configuration.maxBodyBytes,
        defaultEndpoint: configuration.defaultEndpoint,
        allowsOpenEndpoints: configuration.allowsOpenEndpoints),
      service: parts.service, readiness: parts.readiness, metrics: parts.metrics, log: parts.log)
    do {
      scoring = try HTTPServer(settings, handler: handler)
    } catch {
      throw GatewayError(error.description)
    }
    let host =
      configuration.host.contains(":") && !configuration.host.hasPrefix("[")
      ? "[\(configuration.host)]" : configuration.host
    let listening =
      "\(settings.tls == nil ? "http" : "https")://\(host):\(scoring.port ?? configuration.port)"
    address = UsableAddress.text(listening, askedAs: nil)
    do {
      var settings = HTTPServerConfiguration(address: .unix(path: parts.workspace.socketPath))
      // A handler may block: the second thread answers meanwhile.
      settings.threads = 2
      let startTime = MonotonicClock.system.now()
      let address = address
      admin = try HTTPServer(
        settings,
        handler: AdminHandler(
          control: parts.control, registry: parts.registry,
          status: {
            [
              "ready": .bool(parts.readiness.state == .ready),
              "version": .string(Version.text), "pid": .integer(Int64(getpid())),
              "address": .string(address),
              "uptime_seconds": .integer(
                Int64((MonotonicClock.system.now() &- startTime) / 1_000_000_000)),
            ]
          },
          scoringAddress: { listening }, log: parts.log))
    } catch {
      scoring.stop(deadline: MonotonicClock.system.now())
      throw GatewayError(error.description)
    }
  }

  func beginDrain() { scoring.beginDrain() }

  /// - Returns: False when requests were cut off at the deadline.
  @discardableResult
  func stop(deadline: UInt64) -> Bool {
    let isClean = scoring.stop(deadline: deadline)
    admin.stop(deadline: MonotonicClock.system.now() &+ Listeners.adminGrace)
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
