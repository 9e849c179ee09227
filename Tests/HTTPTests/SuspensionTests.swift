import Foundation
import Synchronization
import TestTimes
import Testing

@testable import HTTP

struct SuspensionTests {
  /// Answers exchanges on a thread of its own, after `wait`.
  static func answerLater(
    _ exchange: HTTPExchange, after wait: @escaping @Sendable () -> Void = {}
  ) {
    exchange.suspend()
    let thread = Thread {
      wait()
      exchange.respond(HTTPResponse(status: 200, body: .bytes(TestHandler.bytes(exchange))))
    }
    thread.start()
  }

  /// Something that one thread waits for and another one says, once.
  final class Signal: Sendable {
    private let isGiven = Atomic<Bool>(false)

    func give() { isGiven.store(true, ordering: .sequentiallyConsistent) }

    /// Gives it while this thread goes on: what it does next has begun by then.
    func giveSoon() {
      Thread {
        pause(milliseconds: 100)
        self.give()
      }.start()
    }

    func wait() {
      for _ in 0..<10_000 where !isGiven.load(ordering: .sequentiallyConsistent) { usleep(1000) }
    }
  }

  /// Runs `body` on `count` threads and waits for all.
  static func concurrently(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let done = DispatchGroup()
    for index in 0..<count {
      done.enter()
      Thread {
        body(index)
        done.leave()
      }.start()
    }
    done.wait()
  }

  @Test(arguments: [1, 2])
  func `each suspended request gets its own answer, once`(threads: Int) throws {
    let queue = DispatchQueue(label: "answers", attributes: .concurrent)
    let handler = TestHandler(handle: { exchange in
      if exchange.bodyByteCount % 3 == 0 { return TestHandler.echo(exchange) }
      exchange.suspend()
      queue.async {
        exchange.respond(HTTPResponse(status: 200, body: .bytes(TestHandler.bytes(exchange))))
      }
    })
    var configuration = loopback()
    configuration.threads = threads
    let server = try HTTPServer(configuration, handler: handler)
    let target = HTTPClient.Target.tcp(host: "127.0.0.1", port: try port(server))
    let correct = Atomic<Int>(0)
    Self.concurrently(32) { worker in
      let connection = HTTPClient(target, timeout: .seconds(30))
      for request in 0..<200 {
        let body = Array("worker \(worker) request \(request)".utf8)
        let answer = try? connection.send(method: "POST", path: "/", body: body)
        if answer?.status == 200, answer?.body == body { correct.add(1, ordering: .relaxed) }
      }
    }
    #expect(correct.load(ordering: .relaxed) == 6_400)
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(handler.finished.load(ordering: .relaxed) == 6_400)
    #expect(server.exchangeCount == 0)
  }

  @Test func `a stop with requests in flight loses none`() throws {
    let release = Signal()
    let handler = TestHandler(handle: { exchange in
      SuspensionTests.answerLater(exchange) { release.wait() }
    })
    var configuration = loopback()
    configuration.threads = 2
    let server = try HTTPServer(configuration, handler: handler)
    let target = HTTPClient.Target.tcp(host: "127.0.0.1", port: try port(server))
    let statuses = Mutex<[Int]>([])
    let stopped = Atomic<Bool>(false)
    Self.concurrently(25) { index in
      if index == 24 {
        while server.exchangeCount < 24 { usleep(1000) }
        release.giveSoon()
        stopped.store(server.stop(deadline: inSeconds(5)), ordering: .relaxed)
        return
      }
      let connection = HTTPClient(target, timeout: .seconds(10))
      let answer = try? connection.send(method: "POST", path: "/", body: [1])
      statuses.withLock { $0.append(answer?.status ?? 0) }
      if answer?.header("Connection") != "close" { statuses.withLock { $0.append(-1) } }
    }
    #expect(statuses.withLock { $0 } == Array(repeating: 200, count: 24))
    let wasClean = stopped.load(ordering: .relaxed)
    #expect(wasClean)
  }

  @Test func `a stop beyond its deadline answers 503 for a handler that does not`() throws {
    let kept = Mutex<HTTPExchange?>(nil)
    let handler = TestHandler(handle: { exchange in
      exchange.suspend()
      kept.withLock { $0 = exchange }
    })
    let server = try HTTPServer(loopback(), handler: handler)
    let connection = try RawConnection(server)
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    pause(milliseconds: 100)
    #expect(!server.stop(deadline: inSeconds(0.1)))
    #expect(connection.readAll().text.hasPrefix("HTTP/1.1 503 "))
    // The late answer is dropped.
    kept.withLock { $0 }?.respond(HTTPResponse(status: 200))
    #expect(kept.withLock { $0 }?.clientHasLeft == false)
    #expect(handler.outcomes.withLock { $0 } == ["sent 503"])
  }

  @Test func `a client that leaves is noticed while suspended`() throws {
    let left = Mutex<[Bool]>([])
    let closed = Signal()
    let handler = TestHandler(handle: { exchange in
      exchange.suspend()
      Thread {
        left.withLock { $0.append(exchange.clientHasLeft) }
        closed.wait()
        left.withLock { $0.append(exchange.clientHasLeft) }
        exchange.respond(HTTPResponse(status: 200))
      }.start()
    })
    let server = try HTTPServer(loopback(), handler: handler)
    do {
      let connection = try RawConnection(server)
      connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      while left.withLock(\.isEmpty) { usleep(1000) }
    }
    closed.giveSoon()
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(left.withLock { $0 } == [false, true])
  }

  @Test(arguments: [false, true])
  func `a client that waits has not left because we end its connection`(leaves: Bool) throws {
    let left = Mutex<Bool?>(nil)
    let (blocked, release) = (Signal(), Signal())
    let handler = TestHandler(handle: { exchange in
      if exchange.path == "/block" {
        blocked.give()
        release.wait()
      }
      guard exchange.path == "/later" else {
        return exchange.respond(HTTPResponse(status: 200))
      }
      exchange.suspend()
      Thread.detachNewThread {
        pause(milliseconds: 50)
        left.withLock { $0 = exchange.clientHasLeft }
        exchange.respond(HTTPResponse(status: 200))
      }
    })
    let server = try HTTPServer(loopback(), handler: handler)
    let waiting = try RawConnection(server)
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(waiting.readAll(seconds: 0.3).text.hasPrefix("HTTP/1.1 200"))
    let blocking = try RawConnection(server)
    blocking.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
    blocked.wait()
    // Comes while the only thread is busy, so that the drain takes the connection for idle.
    waiting.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
    if leaves { shutdown(waiting.descriptor, Int32(SHUT_WR)) }
    release.giveSoon()
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(left.withLock { $0 } == leaves)
    #expect(waiting.readAll(seconds: 1).text.hasPrefix("HTTP/1.1 200"))
  }
}
