import Synchronization
import Testing

@testable import HTTP

struct MalformedRequestTests {
  static let host = "Host: a\r\n"

  /// Answered by our checks: exactly one head.
  static let refusedByUs: [(String, Int)] = [
    ("POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    (
      "POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400
    ),
    ("POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip\r\n\r\n", 400),
    ("POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)\(host)\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)Content-Length : 0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)X\u{1}: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)X: a\u{1}\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)Author: k\r\n ization: b\r\n\r\n", 400),
    ("GET /%2e%2e/a HTTP/1.1\r\n\(host)\r\n", 400),
    ("GET /a%00 HTTP/1.1\r\n\(host)\r\n", 400),
    ("GET /?\(String(repeating: "a&", count: 600)) HTTP/1.1\r\n\(host)\r\n", 414),
    ("GET /?\(String(repeating: "a&", count: 3000)) HTTP/1.1\r\n\(host)\r\n", 414),
    ("GET / HTTP/1.1\n\(host)\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)X:b\r\nY: c\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\(host)X:  b\r\n c\r\n\r\n", 400),
    ("BREW / HTTP/1.1\r\n\(host)\r\n", 501),
  ]

  @Test(arguments: refusedByUs)
  func `a malformed request is answered once and closed`(request: String, status: Int) throws {
    let handler = TestHandler()
    let server = try HTTPServer(loopback(), handler: handler)
    for prefix in ["", "GET /good HTTP/1.1\r\n\(Self.host)\r\n"] {
      let connection = try RawConnection(server)
      if !prefix.isEmpty {
        connection.send(prefix)
        let (good, _) = connection.readAll(seconds: 0.1)
        #expect(good.hasPrefix("HTTP/1.1 200"))
      }
      connection.send(request)
      let (answer, isClosed) = connection.readAll()
      #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer.prefix(200))")
      #expect(countOccurrences(of: "HTTP/1.1 ", in: answer) == 1)
      #expect(isClosed)
    }
    #expect(try client(server).send(method: "GET", path: "/next").status == 200)
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(
      handler.admitted.load(ordering: .relaxed) == handler.finished.load(ordering: .relaxed))
  }

  @Test(arguments: [
    "X-A:  b", "X-A:b", "X-A:\t b", "X-A:", "X-A:   ", "X-A: b ",
    "x:\(String(repeating: " ", count: 40))b",
    "X-A: a:b", "Content-Length:  0", "X-A: b\r\nX-B:c\r\nX-C:   d",
  ])
  func `a lawful header is taken however it is spaced`(header: String) throws {
    let server = try HTTPServer(loopback(), handler: TestHandler())
    let connection = try RawConnection(server)
    for _ in 0..<2 {
      connection.send("GET / HTTP/1.1\r\n\(Self.host)\(header)\r\n\r\n")
      let (answer, isClosed) = connection.readAll(seconds: 0.2)
      #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(answer.prefix(200))")
      #expect(!isClosed)
    }
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\n\r\n", "GARBAGE\r\n\r\n", "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 40_000))\r\n\r\n",
  ])
  func `what the library refuses by itself never reaches a handler`(request: String) throws {
    let handler = TestHandler()
    let server = try HTTPServer(loopback(), handler: handler)
    let connection = try RawConnection(server)
    connection.send(request)
    let (answer, isClosed) = connection.readAll()
    #expect(!answer.hasPrefix("HTTP/1.1 2"))
    #expect(isClosed)
    #expect(try client(server).send(method: "GET", path: "/next").status == 200)
    #expect(handler.finished.load(ordering: .relaxed) <= 2)
    #expect(server.stop(deadline: inSeconds(5)))
  }
}
