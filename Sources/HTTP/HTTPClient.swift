/// A small HTTP/1.1 client over TCP, TLS or a Unix socket: one connection, one request at a time.
package final class HTTPClient {
  package enum Target: Sendable, Equatable {
    case tcp(host: String, port: UInt16)
    /// TLS with the system's trust store, or with the authorities in `caFile` (PEM).
    case tls(host: String, port: UInt16, caFile: String?)
    case unix(path: String)
  }

  package struct Response: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    package func header(_ name: String) -> String? {
      headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
  }

  package enum Failure: Error, Equatable, CustomStringConvertible {
    case cannotConnect(target: String, reason: String)
    case connectionLost(reason: String)
    case malformedResponse(reason: String)
    case timedOut

    package var description: String {
      switch self {
      case .cannotConnect(let target, let reason): "cannot connect to \(target): \(reason)"
      case .connectionLost(let reason): "the connection was lost: \(reason)"
      case .malformedResponse(let reason): "the server's answer is malformed: \(reason)"
      case .timedOut: "the server did not answer in time"
      }
    }
  }

  package init(_ target: Target, timeout: Duration = .seconds(300)) { fatalError("skeleton") }

  /// Sends one request and reads its whole answer; connects first when needed, and again once
  /// when a kept connection turns out closed before the first byte of the answer.
  package func send(
    method: String, path: String, headers: [(name: String, value: String)] = [],
    body: [UInt8] = []
  ) throws(Failure) -> Response { fatalError("skeleton") }
}
