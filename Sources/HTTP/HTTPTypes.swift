/// A request's method. Others than these are refused with 501 before a handler sees them.
package enum HTTPMethod: String, Sendable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"
  case trace = "TRACE"
}

/// An answer to be sent.
package struct HTTPResponse: Sendable {
  package enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// The whole of an open regular file, closed after sending.
    case file(descriptor: Int32, byteCount: Int)
  }

  package var status: Int
  package var headers: HTTPHeaders
  package var body: Body
  /// Ends the connection after this answer.
  package var closes: Bool

  package init(
    status: Int, headers: HTTPHeaders = [], body: Body = .none,
    closes: Bool = false
  ) {
    self.status = status
    self.headers = headers
    self.body = body
    self.closes = closes
  }
}

/// What to do with a request whose head has come.
package enum HTTPAdmission: Sendable {
  /// Collect the body, at most `maxBodyBytes` of it (beyond: 413 by the server, by way of
  /// `HTTPHandler.tooLarge`), then call `handle`.
  case collect(maxBodyBytes: Int)
  /// Answer at once, before a byte of the body is read; `100 Continue` is not sent.
  case refuse(HTTPResponse)
}

/// How an exchange ended.
package enum HTTPOutcome: Sendable {
  case sent
  /// The client left, or a deadline of ours closed the connection.
  case aborted(reason: String)
}

/// What the server calls. All calls come from the server's threads; one exchange's calls come
/// one after the other.
package protocol HTTPHandler: AnyObject, Sendable {
  /// The head has come and is well-formed. Look at method, path and headers.
  func admit(_ exchange: HTTPExchange) -> HTTPAdmission

  /// More of a body whose length was not declared has come.
  func received(_ exchange: HTTPExchange, byteCount: Int)

  /// The body has come too. Leads to exactly one `exchange.respond`, at once or later from any
  /// thread after `exchange.suspend()`.
  func handle(_ exchange: HTTPExchange)

  /// The answer for a request that the server itself refuses: 400 malformed head, 405, 408,
  /// 413, 431, 501, 503 connection limit.
  ///
  /// - Parameters:
  ///   - reason: A sentence for the client.
  ///   - exchange: nil where the time for a request is over: it is another thread's then.
  ///   - form: The exchange's `refusalForm`.
  func refusal(
    status: Int, reason: String, of exchange: HTTPExchange?, form: UInt8
  ) -> HTTPResponse

  /// The exchange is over: metrics and the log line.
  func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome)
}

extension HTTPHandler {
  package func received(_ exchange: HTTPExchange, byteCount: Int) {}
}
