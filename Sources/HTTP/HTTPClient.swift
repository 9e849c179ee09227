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

  private let target: Target
  private let timeout: UInt64
  private var stream: ClientStream?

  package init(_ target: Target, timeout: Duration = .seconds(300)) {
    self.target = target
    self.timeout = timeout.wholeNanoseconds
  }

  /// Sends one request and reads its whole answer; connects first when needed, and again once
  /// when a kept connection turns out closed before the first byte of the answer.
  ///
  /// - Parameter receive: Gets the body of a 200 piece by piece as it comes, so that it need not fit
  ///   in memory; the response's own `body` is then empty. False ends the transfer.
  package func send(
    method: String, path: String, headers: [(name: String, value: String)] = [],
    body: [UInt8] = [], receive: ((ArraySlice<UInt8>) -> Bool)? = nil
  ) throws(Failure) -> Response {
    let deadline = monotonicNanoseconds() + timeout
    let request = message(method: method, path: path, headers: headers, body: body)
    if let kept = stream.take() {
      do throws(Failure) {
        return try exchange(
          request, method: method, over: kept, deadline: deadline, receive: receive)
      } catch {
        // A server may close an idle connection at any moment. The request was not begun when
        // not one byte has come back.
        guard case .connectionLost = error, !kept.hasReceived else { throw error }
      }
    }
    let fresh = try ClientStream(target, deadline: deadline)
    return try exchange(
      request, method: method, over: fresh, deadline: deadline, receive: receive)
  }

  private func exchange(
    _ request: [UInt8], method: String, over stream: ClientStream, deadline: UInt64,
    receive: ((ArraySlice<UInt8>) -> Bool)?
  ) throws(Failure) -> Response {
    stream.hasReceived = false
    var sendFailure: Failure?
    do throws(Failure) {
      try stream.write(request, deadline: deadline)
    } catch .connectionLost(let reason) {
      // A server that refuses early answers first and closes then: the answer may be there.
      sendFailure = .connectionLost(reason: reason)
    }
    var reader = ResponseReader(stream: stream, deadline: deadline, receive: receive)
    do throws(Failure) {
      let (response, isKept) = try reader.read(method: method)
      if isKept && sendFailure == nil { self.stream = stream }
      return response
    } catch {
      throw sendFailure ?? error
    }
  }

  private func message(
    method: String, path: String, headers: [(name: String, value: String)], body: [UInt8]
  ) -> [UInt8] {
    var head = "\(method) \(path) HTTP/1.1\r\n"
    let names = Set(headers.map { $0.name.lowercased() })
    if !names.contains("host") { head += "Host: \(hostHeader)\r\n" }
    for header in headers {
      head += "\(header.name): \(cleaned(header.value))\r\n"
    }
    let takesBody = !["GET", "HEAD", "DELETE", "OPTIONS"].contains(method)
    if !names.contains("content-length") && (takesBody || !body.isEmpty) {
      head += "Content-Length: \(body.count)\r\n"
    }
    return Array((head + "\r\n").utf8) + body
  }

  /// The value with each control character replaced by a space.
  private func cleaned(_ value: String) -> String {
    String(decoding: value.utf8.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
  }

  private var hostHeader: String {
    switch target {
    case .tcp(let host, let port), .tls(let host, let port, _):
      host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix: "localhost"
    }
  }
}
