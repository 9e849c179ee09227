import Foundation
import Synchronization

@testable import HTTP

#if canImport(Glibc)
  import Glibc
#endif

/// A handler made of closures, which counts what it is told.
final class TestHandler: HTTPHandler {
  let admits: @Sendable (HTTPExchange) -> HTTPAdmission
  let handles: @Sendable (HTTPExchange) -> Void
  let admitted = Atomic<Int>(0)
  let finished = Atomic<Int>(0)
  let outcomes = Mutex<[String]>([])

  init(
    admit: @escaping @Sendable (HTTPExchange) -> HTTPAdmission = { _ in
      .collect(maxBodyBytes: 1 << 20)
    },
    handle: @escaping @Sendable (HTTPExchange) -> Void = TestHandler.echo
  ) {
    admits = admit
    handles = handle
  }

  static let echo: @Sendable (HTTPExchange) -> Void = { exchange in
    exchange.respond(HTTPResponse(status: 200, body: .bytes(bytes(exchange))))
  }

  static func bytes(_ exchange: HTTPExchange) -> [UInt8] {
    let body = exchange.body
    return body.indices.map { body[$0] }
  }

  func admit(_ exchange: HTTPExchange) -> HTTPAdmission {
    admitted.add(1, ordering: .relaxed)
    return admits(exchange)
  }

  func handle(_ exchange: HTTPExchange) { handles(exchange) }

  func refusal(
    status: Int, reason: String, of exchange: HTTPExchange?, form: UInt8
  ) -> HTTPResponse {
    var response = HTTPResponse(
      status: status, headers: [("x-form", "\(form)")], body: .bytes(Array(reason.utf8)))
    if let name = exchange?.header("x-name") { response.headers.append("x-name", name) }
    return response
  }

  func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    finished.add(1, ordering: .relaxed)
    outcomes.withLock {
      switch outcome {
      case .sent: $0.append("sent \(exchange.status)")
      case .aborted(let reason): $0.append("aborted: \(reason)")
      }
    }
  }
}

func loopback() -> HTTPServerConfiguration {
  HTTPServerConfiguration(address: .tcp(host: "127.0.0.1", port: 0))
}

func inSeconds(_ seconds: Double) -> UInt64 {
  monotonicNanoseconds() + UInt64(seconds * 1e9)
}

func client(_ server: HTTPServer, timeout: Duration = .seconds(20)) throws -> HTTPClient {
  HTTPClient(.tcp(host: "127.0.0.1", port: try port(server)), timeout: timeout)
}

struct NoPort: Error {}
func port(_ server: HTTPServer) throws -> UInt16 {
  guard let port = server.port else { throw NoPort() }
  return port
}

/// A bare connection, to say what no client would say.
final class RawConnection {
  let descriptor: Int32

  init(_ server: HTTPServer) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(try port(server)).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let connected = withUnsafeBytes(of: &address) {
      connect(
        descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    guard connected == 0 else { throw NoPort() }
  }

  deinit { close(descriptor) }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// All that comes until the end of the stream, or until `seconds` have passed in silence: in
  /// short looks, since the other side needs them too (see `pause`).
  func readAll(seconds: Double = 3) -> (text: String, isClosed: Bool) {
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    var looks = Int(seconds * 100)
    while looks > 0 {
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 10) > 0 else {
        looks -= 1
        continue
      }
      let count = recv(descriptor, &piece, piece.count, 0)
      if count <= 0 { return (String(decoding: all, as: UTF8.self), true) }
      all += piece[..<count]
      looks = Int(seconds * 100)
    }
    return (String(decoding: all, as: UTF8.self), false)
  }
}

func countOccurrences(of needle: String, in text: String) -> Int {
  text.split(separator: needle, omittingEmptySubsequences: false).count - 1
}

/// A limit of descriptors that leaves a few dozen: a child has those that its parent, the whole
/// suite, holds open.
func fewDescriptors() -> rlim_t {
  let free = dup(0)
  precondition(free >= 0)
  close(free)
  return rlim_t(free) + 48
}
