/// One request in flight and its one answer.
///
/// Made by the server at the head, kept until the answer is sent or the client gone.
package final class HTTPExchange: @unchecked Sendable {
  package var method: HTTPMethod { fatalError("skeleton") }
  /// The path as sent, still percent-encoded, without the query: `/endpoints/iris/score`.
  package var path: String { fatalError("skeleton") }
  /// The query as sent, without the question mark; empty when there is none.
  package var query: String { fatalError("skeleton") }
  /// The path's segments, percent-decoded: `["endpoints", "iris", "score"]`.
  package var pathSegments: [String] { fatalError("skeleton") }

  /// The first header of this name, any letter case; nil when absent. Valid until the answer.
  package func header(_ name: StaticString) -> String? { fatalError("skeleton") }

  /// The body, whole when `handle` is called.
  package var body: Span<UInt8> {
    @_lifetime(borrow self)
    get { fatalError("skeleton") }
  }

  package var bodyByteCount: Int { fatalError("skeleton") }
  /// When the head came and when the body was whole, nanoseconds on the monotonic clock.
  package var headTime: UInt64 { fatalError("skeleton") }
  package var bodyTime: UInt64 { fatalError("skeleton") }
  /// `192.0.2.1:4711`; `unix` for a local socket.
  package var peer: String { fatalError("skeleton") }
  /// The user id of the process at the other end of a Unix socket; nil over TCP.
  package var peerUserID: UInt32? { fatalError("skeleton") }
  package var isTLS: Bool { fatalError("skeleton") }
  /// The status of the answer once given; 0 before.
  package var status: Int { fatalError("skeleton") }
  /// Bytes of the answer's body once given.
  package var responseByteCount: Int { fatalError("skeleton") }

  /// The handler's own state for this exchange.
  package var context: AnyObject?

  /// Leaves the server's thread: `respond` will come later, from any thread. Only in `handle`.
  package func suspend() { fatalError("skeleton") }

  /// Gives the one answer. A second one is a mistake of ours.
  package func respond(_ response: HTTPResponse) { fatalError("skeleton") }

  /// Whether the client has closed its end while the exchange is suspended (it is not told).
  package var clientHasLeft: Bool { fatalError("skeleton") }

  init() {}
}
