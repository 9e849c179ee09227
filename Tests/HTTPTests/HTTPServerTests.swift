import Synchronization
import TestFolders
import TestTimes
import Testing

@testable import HTTP

#if canImport(Glibc)
  import Glibc
#endif

struct HTTPServerTests {
  @Test func `a request is seen as it was sent`() throws {
    let handler = TestHandler(handle: { exchange in
      let text = [
        exchange.method.rawValue, exchange.path, exchange.query,
        exchange.pathSegments.joined(separator: ","), exchange.header("x-thing") ?? "nil",
        exchange.header("absent") ?? "nil", String(exchange.bodyByteCount),
        String(exchange.peer.prefix(10)), String(exchange.isTLS),
      ].joined(separator: "|")
      exchange.respond(
        HTTPResponse(
          status: 201, headers: [("X-Out", "a\r\nb")], body: .bytes(Array(text.utf8))))
    })
    let server = try HTTPServer(loopback(), handler: handler)
    let answer = try client(server).send(
      method: "PUT", path: "/a%20b/c/?q=1&r", headers: [("x-thing", "7")], body: [1, 2, 3])
    #expect(answer.status == 201)
    #expect(answer.header("x-out") == "a  b")
    #expect(
      String(decoding: answer.body, as: UTF8.self)
        == "PUT|/a%20b/c/|q=1&r|a b,c|7|nil|3|127.0.0.1:|false")
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test(arguments: [0, 1, 5_000, 100_000, 3_000_000])
  func `a body comes back whole, by length or by chunks`(byteCount: Int) throws {
    let handler = TestHandler(admit: { _ in .collect(maxBodyBytes: 4 << 20) })
    let server = try HTTPServer(loopback(), handler: handler)
    let body = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let connection = try client(server)
    #expect(try connection.send(method: "POST", path: "/", body: body).body == body)
    if byteCount == 5_000 {
      let chunks =
        Array("1388\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8)
      let raw = try RawConnection(server)
      raw.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
      _ = chunks.withUnsafeBytes { send(raw.descriptor, $0.baseAddress, $0.count, 0) }
      #expect(raw.readAll().text.contains("Content-Length: 5000"))
    }
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `a file is sent whole`() throws {
    let folder = TemporaryFolder(for: "http")
    let path = folder.path + "/file"
    let contents = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    let file = open(path, O_CREAT | O_RDWR, 0o600)
    #expect(write(file, contents, contents.count) == contents.count)
    let handler = TestHandler(handle: { exchange in
      exchange.respond(
        HTTPResponse(
          status: 200, body: .file(descriptor: open(path, O_RDONLY), byteCount: contents.count)))
    })
    let server = try HTTPServer(loopback(), handler: handler)
    #expect(try client(server).send(method: "GET", path: "/").body == contents)
    close(file)
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `a target with scheme and host is served by its path`() throws {
    let handler = TestHandler(handle: { exchange in
      let text = "\(exchange.path)|\(exchange.query)|\(exchange.pathSegments)"
      exchange.respond(HTTPResponse(status: 200, body: .bytes(Array(text.utf8))))
    })
    let server = try HTTPServer(loopback(), handler: handler)
    let client = try client(server)
    for (target, seen) in [
      (
        "http://gateway:80/endpoints/x/score?a=1",
        #"/endpoints/x/score|a=1|["endpoints", "x", "score"]"#
      ),
      ("HTTP://gateway", "/||[]"), ("https://[::1]?a", "/|a|[]"),
    ] {
      let answer = try client.send(method: "POST", path: target, body: [1])
      #expect(answer.status == 200)
      #expect(String(decoding: answer.body, as: UTF8.self) == seen)
    }
    #expect(try client.send(method: "GET", path: "gopher://gateway/").status == 400)
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `an address in use is named`() throws {
    let server = try HTTPServer(loopback(), handler: TestHandler())
    let taken = try port(server)
    #expect(throws: HTTPServerError.addressInUse("127.0.0.1:\(taken)")) {
      try HTTPServer(
        HTTPServerConfiguration(address: .tcp(host: "127.0.0.1", port: taken)),
        handler: TestHandler())
    }
  }

  @Test func `IPv6 is served`() throws {
    let server = try HTTPServer(
      HTTPServerConfiguration(address: .tcp(host: "::1", port: 0)), handler: TestHandler())
    let connection = HTTPClient(.tcp(host: "::1", port: try port(server)))
    #expect(try connection.send(method: "POST", path: "/", body: [9]).body == [9])
  }

  @Test func `a declared body over the limit is refused without a byte of it`() throws {
    let handler = TestHandler(admit: { _ in .collect(maxBodyBytes: 10) })
    let server = try HTTPServer(loopback(), handler: handler)
    let connection = try RawConnection(server)
    connection.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
    let (answer, isClosed) = connection.readAll()
    #expect(answer.hasPrefix("HTTP/1.1 413 "))
    #expect(!answer.contains("100 Continue"))
    #expect(isClosed)
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(handler.outcomes.withLock { $0 } == ["sent 413"])
  }

  @Test func `a wrong key is refused before the body, which the client may still send`() throws {
    let handler = TestHandler(admit: { _ in
      .refuse(HTTPResponse(status: 401, body: .bytes(Array("no".utf8))))
    })
    let server = try HTTPServer(loopback(), handler: handler)
    let big = [UInt8](repeating: 1, count: 8 << 20)
    let answer = try client(server).send(method: "POST", path: "/", body: big)
    #expect(answer.status == 401)
    #expect(answer.header("Connection") == "close")
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(handler.outcomes.withLock { $0 } == ["sent 401"])
  }

  @Test func `a refused request without a body keeps its connection`() throws {
    let handler = TestHandler(admit: { _ in .refuse(HTTPResponse(status: 404)) })
    let server = try HTTPServer(loopback(), handler: handler)
    let connection = try client(server)
    for _ in 0..<3 {
      let answer = try connection.send(method: "GET", path: "/")
      #expect(answer.status == 404)
      #expect(answer.header("Connection")?.lowercased() != "close")
    }
    #expect(server.connectionCount == 1)
  }

  @Test func `chunks are cut off at the limit with 413`() throws {
    let handler = TestHandler(admit: { _ in .collect(maxBodyBytes: 1000) })
    let server = try HTTPServer(loopback(), handler: handler)
    let connection = try RawConnection(server)
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in 0..<20 { connection.send("64\r\n\(String(repeating: "a", count: 100))\r\n") }
    let (answer, isClosed) = connection.readAll()
    #expect(answer.hasPrefix("HTTP/1.1 413 "))
    #expect(countOccurrences(of: "HTTP/1.1", in: answer) == 1)
    #expect(isClosed)
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(handler.outcomes.withLock { $0 } == ["sent 413"])
  }

  @Test func `a bad body leaves the connection usable`() throws {
    let handler = TestHandler(handle: { exchange in
      exchange.respond(HTTPResponse(status: exchange.bodyByteCount == 1 ? 400 : 200))
    })
    let server = try HTTPServer(loopback(), handler: handler)
    let connection = try client(server)
    #expect(try connection.send(method: "POST", path: "/", body: [1]).status == 400)
    #expect(try connection.send(method: "POST", path: "/", body: [1, 2]).status == 200)
    #expect(server.connectionCount == 1)
  }

  @Test func `at the limit an idle connection gives way, else the answer is 503`() throws {
    var configuration = loopback()
    configuration.maxConnections = 2
    let server = try HTTPServer(configuration, handler: TestHandler())
    let idle = try client(server)
    #expect(try idle.send(method: "GET", path: "/").status == 200)
    let silent = try RawConnection(server)
    pause(milliseconds: 50)
    // The idle one goes.
    let third = try client(server)
    #expect(try third.send(method: "GET", path: "/").status == 200)
    // `third` is idle now; two silent connections take its place and one more.
    let another = try RawConnection(server)
    pause(milliseconds: 50)
    let refused = try RawConnection(server)
    refused.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let (answer, isClosed) = refused.readAll()
    #expect(answer.hasPrefix("HTTP/1.1 503 "))
    #expect(isClosed)
    _ = (silent, another)
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `slow heads and bodies are cut at their deadlines`() throws {
    var configuration = loopback()
    configuration.headTimeout = .milliseconds(300)
    configuration.bodyTimeout = .milliseconds(300)
    let handler = TestHandler()
    let server = try HTTPServer(configuration, handler: handler)
    let starts = ["", "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na"]
    let begin = monotonicNanoseconds()
    let connections = try starts.map { start in
      let connection = try RawConnection(server)
      connection.send(start)
      return connection
    }
    // One byte at a time does not help.
    for _ in 0..<4 {
      pause(milliseconds: 50)
      connections[1].send("T")
      connections[2].send("b")
    }
    let answers = connections.map { $0.readAll() }
    let elapsed = monotonicNanoseconds() - begin
    #expect(elapsed > 250_000_000 && elapsed < 1_500_000_000)
    // The one that has sent nothing is closed without a word.
    #expect(answers.allSatisfy { $0.isClosed })
    #expect(answers[0].text.isEmpty)
    for (answer, part) in zip(answers[1...], ["head", "body"]) {
      #expect(answer.text.hasPrefix("HTTP/1.1 408 Request Timeout\r\n"), "\(answer.text)")
      #expect(answer.text.contains("Connection: close\r\n"))
      #expect(answer.text.hasSuffix("the request's \(part) did not come in time"))
    }
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(handler.outcomes.withLock { $0 } == ["sent 408"])
  }

  @Test func `a refusal is told what it is of, and nothing of the request before`() throws {
    var configuration = loopback()
    configuration.bodyTimeout = .milliseconds(300)
    let handler = TestHandler(admit: { exchange in
      exchange.refusalForm = 3
      return .collect(maxBodyBytes: 10)
    })
    let server = try HTTPServer(configuration, handler: handler)
    let head = "POST / HTTP/1.1\r\nHost: a\r\nX-Name: me\r\n"
    let tooLong = try RawConnection(server)
    tooLong.send(head + "Content-Length: 11\r\n\r\n")
    let tooLongAnswer = tooLong.readAll().text
    #expect(tooLongAnswer.hasPrefix("HTTP/1.1 413 "))
    #expect(tooLongAnswer.contains("x-form: 3\r\n") && tooLongAnswer.contains("x-name: me\r\n"))
    let chunked = try RawConnection(server)
    chunked.send(head + "Transfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n")
    let chunkedAnswer = chunked.readAll().text
    #expect(chunkedAnswer.contains("x-form: 3\r\n") && chunkedAnswer.contains("x-name: me\r\n"))
    let slow = try RawConnection(server)
    slow.send(head + "Content-Length: 5\r\n\r\nab")
    let slowAnswer = slow.readAll().text
    #expect(slowAnswer.hasPrefix("HTTP/1.1 408 ") && slowAnswer.contains("x-form: 3\r\n"))
    // The second is refused before its headers are looked at.
    let two = try RawConnection(server)
    two.send(head + "Content-Length: 2\r\n\r\nab" + "BREW / HTTP/1.1\r\nHost: a\r\n\r\n")
    let twoAnswers = two.readAll().text
    #expect(twoAnswers.contains("HTTP/1.1 501 ") && twoAnswers.contains("x-form: 0\r\n"))
    #expect(!twoAnswers.contains("x-name"))
    #expect(server.stop(deadline: inSeconds(5)))
  }

  /// What the connections of a server hold that is not acknowledged, as Linux counts it.
  private func waitingByteCount(port: UInt16?) throws -> Int {
    // Foundation reads no further than the first page of it.
    let table = try #require(fopen("/proc/net/tcp", "r"))
    defer { fclose(table) }
    var sum = 0
    var buffer = [CChar](repeating: 0, count: 512)
    while fgets(&buffer, 512, table) != nil {
      // "1: 0100007F:1F90 0100007F:C350 01 0004A284:00000000 …": local, remote, state, queues.
      let line = String(
        decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let fields = line.split(separator: " ").map { $0.split(separator: ":") }
      guard fields.count > 4, fields[1].last.flatMap({ UInt16($0, radix: 16) }) == port,
        let waiting = fields[4].first
      else { continue }
      sum += Int(waiting, radix: 16) ?? 0
    }
    return sum
  }

  @Test func `a client that does not take its answer is cut at the deadline`() throws {
    var configuration = loopback()
    configuration.sendTimeout = .milliseconds(300)
    configuration.minBodyBytesPerSecond = 1 << 30
    let handler = TestHandler(handle: { exchange in
      let bytes = [UInt8](repeating: 7, count: 64 << 20)
      exchange.respond(HTTPResponse(status: 200, body: .bytes(bytes)))
    })
    let server = try HTTPServer(configuration, handler: handler)
    let connection = try RawConnection(server)
    let begin = monotonicNanoseconds()
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    var mostWaiting = 0
    while handler.finished.load(ordering: .relaxed) == 0,
      monotonicNanoseconds() < begin + 5_000_000_000
    {
      mostWaiting = max(mostWaiting, try waitingByteCount(port: server.port))
      usleep(5_000)
    }
    // Neither is the kernel to hold what nobody takes.
    #expect(mostWaiting > 0 && mostWaiting < 1 << 20, "\(mostWaiting) bytes wait in the kernel")
    let elapsed = monotonicNanoseconds() - begin
    #expect(elapsed > 250_000_000 && elapsed < 1_500_000_000)
    #expect(
      handler.outcomes.withLock { $0 } == ["aborted: the client did not take the answer in time"])
    #expect(try client(server).send(method: "HEAD", path: "/next").status == 200)
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `out of descriptors, clients wait and are served when there are some again`() async {
    await #expect(processExitsWith: .success) {
      let server = try HTTPServer(loopback(), handler: TestHandler())
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let before = limit.rlim_cur
      limit.rlim_cur = fewDescriptors()
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      // All taken but one, for the client: the server finds none to accept with.
      var held: [Int32] = []
      for _ in 0..<2 {
        while case let taken = dup(0), taken >= 0 { held.append(taken) }
        // Whoever held one for a moment while the process started is done now.
        pause(milliseconds: 50)
      }
      close(held.removeLast())
      let connection = try RawConnection(server)
      connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      let (nothing, isClosed) = connection.readAll(seconds: 0.3)
      guard nothing.isEmpty, !isClosed else { exit(2) }
      limit.rlim_cur = before
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      // The library looks again when something happens on its sockets, at the latest.
      let other = try RawConnection(server)
      other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      for waiting in [connection, other] {
        guard waiting.readAll(seconds: 1).text.hasPrefix("HTTP/1.1 200") else { exit(3) }
      }
      exit(server.stop(deadline: inSeconds(5)) ? 0 : 4)
    }
  }

  @Test func `a stop that is out of descriptors serves the backlog when there are some`() async {
    await #expect(processExitsWith: .success) {
      let server = try HTTPServer(loopback(), handler: TestHandler())
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let before = limit.rlim_cur
      limit.rlim_cur = fewDescriptors()
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      var held: [Int32] = []
      for _ in 0..<2 {
        while case let taken = dup(0), taken >= 0 { held.append(taken) }
        pause(milliseconds: 50)
      }
      close(held.removeLast())
      let connection = try RawConnection(server)
      connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      pause(milliseconds: 50)
      let stopping = ServiceThread("the stop") {
        if !server.stop(deadline: inSeconds(5)) { exit(2) }
      }
      pause(milliseconds: 200)
      limit.rlim_cur = before
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let (answer, isClosed) = connection.readAll(seconds: 3)
      guard answer.hasPrefix("HTTP/1.1 200"), isClosed else { exit(3) }
      stopping.join()
      exit(0)
    }
  }

  @Test func `a client that ends its half behind its request is let go`() throws {
    let server = try HTTPServer(loopback(), handler: TestHandler())
    for text in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTT", "", "\r\n"] {
      let connection = try RawConnection(server)
      connection.send(text)
      shutdown(connection.descriptor, Int32(SHUT_WR))
      let (answer, isClosed) = connection.readAll(seconds: 3)
      #expect(isClosed, "\(text.debugDescription)")
      #expect(answer.isEmpty || text.count > 20)
    }
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `an idle connection is closed in the end`() throws {
    var configuration = loopback()
    configuration.idleTimeout = .milliseconds(200)
    let server = try HTTPServer(configuration, handler: TestHandler())
    let connection = try RawConnection(server)
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let (answer, isClosed) = connection.readAll()
    #expect(answer.hasPrefix("HTTP/1.1 200"))
    #expect(isClosed)
  }

  @Test func `a head that drips in on a kept connection is cut`() throws {
    var configuration = loopback()
    configuration.headTimeout = .milliseconds(400)
    let server = try HTTPServer(configuration, handler: TestHandler())
    let connection = try RawConnection(server)
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    pause(milliseconds: 200)
    let begin = monotonicNanoseconds()
    connection.send("GE")
    pause(milliseconds: 100)
    connection.send("T")
    let (answer, isClosed) = connection.readAll(seconds: 3)
    let elapsed = monotonicNanoseconds() - begin
    #expect(isClosed)
    #expect(answer.contains("\r\n\r\nHTTP/1.1 408 "), "\(answer)")
    // The deadline, the time between two looks, and some for a busy machine.
    #expect(elapsed > 350_000_000 && elapsed < 1_000_000_000)
  }

  /// One thread with all connections would leave the others idle.
  @Test func `connections that come together are spread over the threads`() throws {
    let threads = Mutex<[UInt: Int]>([:])
    let handler = TestHandler(handle: { exchange in
      threads.withLock { $0[UInt(pthread_self()), default: 0] += 1 }
      exchange.respond(HTTPResponse(status: 200))
    })
    var configuration = loopback()
    configuration.threads = 4
    let server = try HTTPServer(configuration, handler: handler)
    defer { server.stop(deadline: inSeconds(5)) }
    // Kept open together, as a pool of a client's keeps them.
    let clients = try (0..<16).map { _ in try client(server) }
    for client in clients { #expect(try client.send(method: "GET", path: "/").status == 200) }
    #expect(threads.withLock { $0.values.sorted() } == [4, 4, 4, 4])
  }

  @Test func `new connections pass by a thread whose handler blocks`() throws {
    final class Flag: Sendable { let isBlocked = Atomic<Bool>(true) }
    let flag = Flag()
    let handler = TestHandler(handle: { exchange in
      while exchange.path == "/block", flag.isBlocked.load(ordering: .relaxed) { usleep(1_000) }
      exchange.respond(HTTPResponse(status: 200))
    })
    var configuration = loopback()
    configuration.threads = 2
    let server = try HTTPServer(configuration, handler: handler)
    defer { server.stop(deadline: inSeconds(5)) }
    let blocked = try RawConnection(server)
    blocked.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
    pause(milliseconds: 50)
    // More than the blocked thread has: each would be its turn every other time.
    for _ in 0..<6 {
      let quick = try client(server, timeout: .seconds(5))
      #expect(try quick.send(method: "GET", path: "/quick").status == 200)
    }
    flag.isBlocked.store(false, ordering: .relaxed)
  }

  @Test(arguments: [false, true])
  func `bodies beyond what may be held at once are refused, and room comes back`(chunked: Bool)
    throws
  {
    var configuration = loopback()
    configuration.maxBodyBytesInFlight = 300_000
    let server = try HTTPServer(configuration, handler: TestHandler())
    let head =
      chunked
      ? "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n"
      : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    let first = try RawConnection(server)
    first.send(head + String(repeating: "x", count: 199_999))
    pause(milliseconds: 200)
    let second = try RawConnection(server)
    second.send(head + (chunked ? String(repeating: "x", count: 150_000) : ""))
    #expect(second.readAll(seconds: 2).text.hasPrefix("HTTP/1.1 503"))
    // Small ones are not counted.
    let body = [UInt8](repeating: 1, count: 60_000)
    #expect(try client(server).send(method: "POST", path: "/", body: body).status == 200)
    first.send("x" + (chunked ? "\r\n0\r\n\r\n" : ""))
    #expect(first.readAll(seconds: 0.5).text.hasPrefix("HTTP/1.1 200"))
    let large = [UInt8](repeating: 1, count: 200_000)
    for _ in 0..<3 {
      #expect(try client(server).send(method: "POST", path: "/", body: large).status == 200)
    }
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `a body that was taken outlives its exchange, and the connection goes on`() throws {
    let handler = TakingHandler()
    let server = try HTTPServer(loopback(), handler: handler)
    let client = try client(server)
    let bodies = [1, 5_000, 100_000].map { count in (0..<count).map { UInt8($0 % 251) } }
    for body in bodies {
      #expect(try client.send(method: "POST", path: "/", body: body).status == 200)
    }
    #expect(server.stop(deadline: inSeconds(5)))
    let taken = handler.taken.withLock { $0 }
    #expect(taken.count == 3)
    for (body, expected) in zip(taken, bodies) {
      let bytes = body.bytes
      #expect(bytes.count == expected.count)
      #expect(bytes.indices.allSatisfy { bytes[$0] == expected[$0] })
    }
  }
}

/// Keeps the bodies of what has ended.
private final class TakingHandler: HTTPHandler {
  let taken = Mutex<[HTTPBody]>([])

  func admit(_ exchange: HTTPExchange) -> HTTPAdmission { .collect(maxBodyBytes: 1 << 20) }
  func handle(_ exchange: HTTPExchange) { exchange.respond(HTTPResponse(status: 200)) }
  func refusal(
    status: Int, reason: String, of exchange: HTTPExchange?, form: UInt8
  ) -> HTTPResponse { HTTPResponse(status: status) }
  func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    let body = exchange.takeBody()
    taken.withLock { $0.append(body) }
  }
}
