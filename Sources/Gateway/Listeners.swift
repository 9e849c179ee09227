internal import HTTP
internal import Telemetry

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
    do {
      admin = try HTTPServer(
        HTTPServerConfiguration(address: .unix(path: parts.workspace.socketPath)),
        handler: AdminHandler(
          control: parts.control, registry: parts.registry, log: parts.log))
    } catch {
      scoring.stop(deadline: MonotonicClock.system.now())
      throw GatewayError(error.description)
    }
    let host =
      configuration.host.contains(":") && !configuration.host.hasPrefix("[")
      ? "[\(configuration.host)]" : configuration.host
    address =
      "\(settings.tls == nil ? "http" : "https")://\(host):\(scoring.port ?? configuration.port)"
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
