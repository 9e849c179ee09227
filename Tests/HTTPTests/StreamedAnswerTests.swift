import Testing

@testable import HTTP

/// `HTTPClient.send` with `receive`: bodies that need not fit in memory.
struct StreamedAnswerTests {
  private static let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 / 3) }

  private func server() throws -> HTTPServer {
    try HTTPServer(
      loopback(),
      handler: TestHandler(handle: { exchange in
        exchange.respond(
          HTTPResponse(
            status: exchange.path == "/missing" ? 404 : 200,
            body: .bytes(exchange.path == "/empty" ? [] : Self.body)))
      }))
  }

  @Test func `the body of a 200 comes in pieces, and the connection takes another request`() throws
  {
    let server = try server()
    let client = try client(server)
    for _ in 0..<2 {
      var received: [UInt8] = []
      var pieces = 0
      let response = try client.send(method: "GET", path: "/") { piece in
        received += piece
        pieces += 1
        return true
      }
      #expect(response.status == 200 && response.body.isEmpty)
      #expect(received == Self.body)
      #expect(pieces > 1)
    }
    var isCalled = false
    let empty = try client.send(method: "GET", path: "/empty") { _ in
      isCalled = true
      return true
    }
    #expect(empty.status == 200 && !isCalled)
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `an error's body is collected, not streamed`() throws {
    let server = try server()
    let response = try client(server).send(method: "GET", path: "/missing") { _ in
      Issue.record("a 404 is no content")
      return true
    }
    #expect(response.status == 404 && response.body == Self.body)
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `who wants no more is not given more`() throws {
    let server = try server()
    let client = try client(server)
    #expect(throws: HTTPClient.Failure.self) {
      try client.send(method: "GET", path: "/") { _ in false }
    }
    #expect(try client.send(method: "GET", path: "/empty").status == 200)
    #expect(server.stop(deadline: inSeconds(5)))
  }
}
