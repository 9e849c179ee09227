internal import HTTP
internal import Serving
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// The certificate that the listeners show, read again when its files change or a signal says so.
final class CertificateFiles: Sendable {
  private struct State {
    var isStopping = false
  }

  /// How often the files are looked at.
  private static let intervalNanoseconds: UInt64 = 1_000_000_000

  private let certificatePath: String
  private let keyPath: String
  private let servers: [HTTPServer]
  private let log: Log
  private let reloads: Counter
  private let failures: Counter
  private let expiry: Gauge
  private let state = Monitor(State())
  /// Held through a reload.
  private let reloading = Monitor(())
  private let threads = Threads()

  /// nil without TLS.
  init?(
    _ configuration: GatewayConfiguration, servers: [HTTPServer], metrics: MetricRegistry, log: Log
  ) {
    guard let certificate = configuration.tlsCertificatePath, let key = configuration.tlsKeyPath
    else { return nil }
    certificatePath = certificate
    keyPath = key
    self.servers = servers
    self.log = log
    reloads = metrics.counter(
      "swerve_tls_reloads_total", help: "Certificates that were put in force while serving.")
    failures = metrics.counter(
      "swerve_tls_reload_failures_total",
      help: "Changed certificates that could not be used; the one before stayed in force.")
    expiry = metrics.gauge(
      "swerve_tls_certificate_expiry_timestamp_seconds",
      help: "When the certificate in force ends, seconds since 1970.")
    tellExpiry()
    let before = stamp
    threads.start(name: "certificate") { [self] in watch(from: before) }
  }

  /// The files' contents for the listeners.
  ///
  /// - Throws: Also when others than their owner may read the key.
  static func read(
    certificate: String, key: String
  ) throws(GatewayError) -> HTTPServerConfiguration.TLS {
    var status = stat()
    if stat(key, &status) == 0, status.st_mode & 0o066 != 0 {
      throw GatewayError(
        "\(key) may be read or written by others than its owner: its mode is "
          + "\(String(status.st_mode & 0o777, radix: 8)); a private key's is 600 or 400")
    }
    return HTTPServerConfiguration.TLS(
      certificatePEM: String(
        decoding: try fileBytes(certificate, maxBytes: 1 << 20), as: UTF8.self),
      keyPEM: String(decoding: try fileBytes(key, maxBytes: 1 << 20), as: UTF8.self))
  }

  /// Puts what the files hold in force for new connections; what cannot be used changes nothing.
  func reload() {
    // The signal's thread and the one that watches: the newer files must not lose.
    reloading.withLock { _ in reloadAlone() }
  }

  private func reloadAlone() {
    do throws(GatewayError) {
      try replace()
    } catch {
      failures.increment()
      return log.write(
        .error, "the changed certificate cannot be used; the one in force stays",
        ["certificate": .string(certificatePath), "reason": .string(error.description)])
    }
    reloads.increment()
    tellExpiry()
    log.write(
      .info, "certificate reloaded",
      [
        "certificate": .string(certificatePath),
        "expires": .string(
          ISOTime.text(milliseconds: (servers.first?.certificateExpiryTime ?? 0) * 1000)),
      ])
  }

  private func replace() throws(GatewayError) {
    let tls = try CertificateFiles.read(certificate: certificatePath, key: keyPath)
    do {
      for server in servers { try server.replaceCertificate(tls) }
    } catch {
      throw GatewayError(error.description)
    }
  }

  func stop() {
    state.withLock { $0.isStopping = true }
    state.broadcast()
    threads.join()
  }

  private func tellExpiry() { expiry.set(servers.first?.certificateExpiryTime ?? 0) }

  /// A change is read when it has been there for one interval: certificate and key are two files,
  /// and are written one after the other.
  private func watch(from first: [Int64]) {
    var (known, last) = (first, first)
    while true {
      let next = MonotonicClock.system.now() &+ Self.intervalNanoseconds
      if state.wait(until: next, { $0.isStopping ? true : nil }) != nil { return }
      let now = stamp
      if now != known, now == last {
        known = now
        reload()
      }
      last = now
    }
  }

  /// Which files these are and when they changed; zeros for one that is not there.
  private var stamp: [Int64] {
    [certificatePath, keyPath].flatMap { path -> [Int64] in
      var status = stat()
      guard stat(path, &status) == 0 else { return [0, 0, 0, 0] }
      return [
        Int64(status.st_ino), Int64(status.st_size), Int64(status.st_mtim.tv_sec),
        Int64(status.st_mtim.tv_nsec),
      ]
    }
  }
}
