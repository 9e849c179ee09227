import Foundation
import Synchronization
import TestFolders
import TestTimes
import Testing

@testable import HTTP

struct SocketTests {
  @Test(arguments: [20, 200])
  func `a Unix socket is served under a path of any length`(nameLength: Int) throws {
    let outer = TemporaryFolder(for: "http")
    let folder = outer.path + "/" + String(repeating: "f", count: 100)
    #expect(mkdir(folder, 0o700) == 0)
    let path = folder + "/" + String(repeating: "s", count: nameLength)
    let handler = TestHandler(handle: { exchange in
      let text = "\(exchange.peer) \(exchange.peerUserID.map(String.init) ?? "nil")"
      exchange.respond(HTTPResponse(status: 200, body: .bytes(Array(text.utf8))))
    })
    let server = try HTTPServer(
      HTTPServerConfiguration(address: .unix(path: path)), handler: handler)
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    let answer = try HTTPClient(.unix(path: path)).send(method: "GET", path: "/")
    #expect(String(decoding: answer.body, as: UTF8.self) == "unix \(getuid())")
    #expect(throws: HTTPServerError.addressInUse(path)) {
      try HTTPServer(HTTPServerConfiguration(address: .unix(path: path)), handler: handler)
    }
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(lstat(path, &status) != 0)
  }

  @Test func `a stale socket file is replaced, another file is not`() throws {
    let folder = TemporaryFolder(for: "http")
    let stale = try Listener(.unix(path: folder.path + "/socket"))
    close(stale.descriptor)
    let configuration = HTTPServerConfiguration(address: .unix(path: folder.path + "/socket"))
    let server = try HTTPServer(configuration, handler: TestHandler())
    let answer = try HTTPClient(.unix(path: folder.path + "/socket")).send(method: "GET", path: "/")
    #expect(answer.status == 200)
    #expect(server.stop(deadline: inSeconds(5)))
    close(open(folder.path + "/file", O_CREAT | O_RDWR, 0o600))
    #expect(throws: HTTPServerError.self) {
      try HTTPServer(
        HTTPServerConfiguration(address: .unix(path: folder.path + "/file")), handler: TestHandler()
      )
    }
  }

  @Test func `a listening socket that somebody else has ended is told once`() throws {
    let ends = Mutex(0)
    var configuration = loopback()
    configuration.whenListenerEnds = { _ in ends.withLock { $0 += 1 } }
    let server = try HTTPServer(configuration, handler: TestHandler())
    #expect(server.isListening)
    shutdown(server.listenerDescriptor, Int32(SHUT_RDWR))
    for _ in 0..<100 where ends.withLock({ $0 }) == 0 { usleep(10_000) }
    #expect(!server.isListening)
    #expect(ends.withLock { $0 } == 1)
    #expect(server.stop(deadline: inSeconds(5)))
    #expect(ends.withLock { $0 } == 1)
  }

  @Test func `an inherited socket is accepted from when it is told to`() throws {
    let listener = try Listener(.tcp(host: "127.0.0.1", port: 0))
    var configuration = loopback()
    configuration.inheritedListener = listener.descriptor
    configuration.acceptsAtOnce = false
    let handler = TestHandler()
    let server = try HTTPServer(configuration, handler: handler)
    let early = try RawConnection(server)
    early.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    pause(milliseconds: 100)
    #expect(handler.admitted.load(ordering: .relaxed) == 0)
    server.beginAccepting()
    #expect(early.readAll(seconds: 0.5).text.hasPrefix("HTTP/1.1 200"))
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `a listening socket is known by its address`() throws {
    let server = try HTTPServer(loopback(), handler: TestHandler())
    let port = try port(server)
    let socket = server.listenerDescriptor
    #expect(HTTPServer.isListener(socket, at: "127.0.0.1", port: port))
    #expect(HTTPServer.isListener(socket, at: "127.0.0.1", port: 0))
    #expect(!HTTPServer.isListener(socket, at: "127.0.0.1", port: port &+ 1))
    #expect(!HTTPServer.isListener(socket, at: "127.0.0.2", port: port))
    #expect(!HTTPServer.isListener(socket, at: "::1", port: port))
    #expect(server.stop(deadline: inSeconds(5)))
  }

  static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }

  @Test func `TLS 1_2 and 1_3 are served, older ones and strangers are not`() throws {
    let folder = TemporaryFolder(for: "http")
    let made = try Self.run([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder.path + "/key", "-out",
      folder.path + "/certificate",
    ])
    #expect(made.status == 0, "\(made.output)")
    var configuration = loopback()
    configuration.tls = HTTPServerConfiguration.TLS(
      certificatePEM: try String(contentsOfFile: folder.path + "/certificate", encoding: .utf8),
      keyPEM: try String(contentsOfFile: folder.path + "/key", encoding: .utf8))
    let server = try HTTPServer(configuration, handler: TestHandler())
    let port = try port(server)
    let body = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
    for host in ["127.0.0.1", "localhost"] {
      let trusting = HTTPClient(.tls(host: host, port: port, caFile: folder.path + "/certificate"))
      for _ in 0..<2 {
        #expect(try trusting.send(method: "POST", path: "/", body: body).body == body)
      }
    }
    #expect(throws: HTTPClient.Failure.self) {
      try HTTPClient(.tls(host: "127.0.0.1", port: port, caFile: nil)).send(
        method: "GET", path: "/")
    }
    for (version, isServed) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
      let probe = try Self.run([
        "openssl", "s_client", "-cipher", "DEFAULT@SECLEVEL=0", version, "-connect",
        "127.0.0.1:\(port)",
      ])
      #expect((probe.status == 0) == isServed, "\(version): \(probe.output)")
    }
    configuration.tls?.keyPEM = "rubbish"
    #expect(throws: HTTPServerError.self) {
      try HTTPServer(configuration, handler: TestHandler())
    }
    #expect(server.stop(deadline: inSeconds(5)))
  }

  /// A certificate of its own authority, in `folder`.
  private func certificate(
    _ name: String, in folder: String
  ) throws -> HTTPServerConfiguration.TLS {
    let made = try Self.run([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "\(folder)/\(name).key", "-out",
      "\(folder)/\(name)",
    ])
    #expect(made.status == 0, "\(made.output)")
    return HTTPServerConfiguration.TLS(
      certificatePEM: try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8),
      keyPEM: try String(contentsOfFile: "\(folder)/\(name).key", encoding: .utf8))
  }

  @Test func `a new certificate is for new connections, and a bad one for none`() throws {
    let folder = TemporaryFolder(for: "http")
    let (first, second) = (
      try certificate("first", in: folder.path), try certificate("second", in: folder.path)
    )
    var configuration = loopback()
    configuration.tls = first
    let server = try HTTPServer(configuration, handler: TestHandler())
    let port = try port(server)
    func trusting(_ name: String) -> HTTPClient {
      HTTPClient(.tls(host: "localhost", port: port, caFile: "\(folder.path)/\(name)"))
    }
    let old = trusting("first")
    #expect(try old.send(method: "GET", path: "/").status == 200)
    try server.replaceCertificate(second)
    // On its own connection, whose handshake is over.
    #expect(try old.send(method: "GET", path: "/").status == 200)
    #expect(try trusting("second").send(method: "GET", path: "/").status == 200)
    #expect(throws: HTTPClient.Failure.self) {
      try trusting("first").send(method: "GET", path: "/")
    }
    for (bad, words) in [
      (HTTPServerConfiguration.TLS(certificatePEM: "rubbish", keyPEM: second.keyPEM), "TLS"),
      (
        HTTPServerConfiguration.TLS(certificatePEM: first.certificatePEM, keyPEM: second.keyPEM),
        "TLS"
      ),
    ] {
      let error = try #require(throws: HTTPServerError.self) {
        try server.replaceCertificate(bad)
      }
      #expect(error.description.contains(words))
    }
    #expect(try trusting("second").send(method: "GET", path: "/").status == 200)
    #expect(try old.send(method: "GET", path: "/").status == 200)
    let inTwoDays = Int64(time(nil)) + 2 * 86_400
    #expect(abs((server.certificateExpiryTime ?? 0) - inTwoDays) < 3600)
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `O21 · fifty changes of the certificate fail no request`() throws {
    let folder = TemporaryFolder(for: "http")
    let both = [
      try certificate("first", in: folder.path), try certificate("second", in: folder.path),
    ]
    try (both[0].certificatePEM + both[1].certificatePEM)
      .write(toFile: folder.path + "/both", atomically: true, encoding: .utf8)
    var configuration = loopback()
    configuration.tls = both[0]
    configuration.threads = 2
    let server = try HTTPServer(configuration, handler: TestHandler())
    let port = try port(server)
    let isDone = Atomic(false)
    let failures = Mutex<[String]>([])
    let sent = Atomic(0)
    let group = DispatchGroup()
    for number in 0..<4 {
      group.enter()
      Thread.detachNewThread {
        var client = HTTPClient(.tls(host: "localhost", port: port, caFile: folder.path + "/both"))
        while !isDone.load(ordering: .relaxed) {
          if number % 2 == 0 {
            client = HTTPClient(.tls(host: "localhost", port: port, caFile: folder.path + "/both"))
          }
          do {
            let answer = try client.send(method: "GET", path: "/")
            if answer.status != 200 { failures.withLock { $0.append("\(answer.status)") } }
          } catch {
            failures.withLock { $0.append("\(error)") }
          }
          sent.add(1, ordering: .relaxed)
        }
        group.leave()
      }
    }
    for round in 0..<50 {
      try server.replaceCertificate(both[(round + 1) % 2])
      usleep(10_000)
    }
    isDone.store(true, ordering: .relaxed)
    group.wait()
    #expect(failures.withLock { $0 } == [])
    print("O21: 50 certificates, \(sent.load(ordering: .relaxed)) requests, 0 failed")
    #expect(server.stop(deadline: inSeconds(5)))
  }

  @Test func `a server that hands over loses no request of those who keep their connection`()
    throws
  {
    let first = try HTTPServer(loopback(), handler: TestHandler())
    let port = try port(first)
    let kept = HTTPClient(.tcp(host: "127.0.0.1", port: port))
    #expect(try kept.send(method: "GET", path: "/").status == 200)
    var configuration = loopback()
    configuration.inheritedListener = dup(first.listenerDescriptor)
    let second = try HTTPServer(configuration, handler: TestHandler())
    #expect(second.port == port)
    first.handOver()
    let ending = Atomic(false)
    Thread.detachNewThread {
      #expect(first.stop(deadline: inSeconds(10)))
      ending.store(true, ordering: .sequentiallyConsistent)
    }
    pause(milliseconds: 100)
    // Its next request is answered, and the one after that by the other server.
    let last = try kept.send(method: "GET", path: "/")
    #expect(last.status == 200)
    #expect(last.header("connection") == "close")
    for _ in 0..<20 {
      let answer = try HTTPClient(.tcp(host: "127.0.0.1", port: port)).send(
        method: "GET", path: "/")
      #expect(answer.status == 200)
      #expect(answer.header("connection") == nil)
    }
    for _ in 0..<500 where !ending.load(ordering: .sequentiallyConsistent) { usleep(10_000) }
    let hasEnded = ending.load(ordering: .sequentiallyConsistent)
    #expect(hasEnded)
    #expect(second.stop(deadline: inSeconds(5)))
  }
}
