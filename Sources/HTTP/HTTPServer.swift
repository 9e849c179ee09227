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
  package var tls: TLS?
  /// Threads that serve connections. Range 1...64.
  package var threads = 1
  /// Connections beyond this are answered 503 and closed. Default 10,000.
  package var maxConnections = 10_000
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

/// A listening server. Owns the daemon, its socket and the deadline thread.
package final class HTTPServer: Sendable {
  /// Starts listening and serving.
  package init(
    _ configuration: HTTPServerConfiguration, handler: any HTTPHandler
  ) throws(HTTPServerError) { fatalError("skeleton") }

  /// The port that was picked; nil for a Unix socket.
  package var port: UInt16? { fatalError("skeleton") }
  package var connectionCount: Int { fatalError("skeleton") }
  /// Exchanges between head and last byte sent.
  package var exchangeCount: Int { fatalError("skeleton") }

  /// From now on every answer carries `Connection: close`; new connections are still accepted.
  package func beginDrain() { fatalError("skeleton") }

  /// Stops in the safe order of `RELIABILITY.md` §0.4: no more connections accepted, the
  /// backlog served, exchanges finished, then the daemon ended. Returns false when `deadline`
  /// (monotonic nanoseconds) passed first and what was left has been cut off.
  @discardableResult
  package func stop(deadline: UInt64) -> Bool { fatalError("skeleton") }
}
