import Foundation
import Testing

@testable import HTTP

struct SocketTests {
  @Test(arguments: [20, 200])
  func `a Unix socket is served under a path of any length`(nameLength: Int) throws {
    let folder = temporaryFolder() + "/" + String(repeating: "f", count: 100)
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
    let folder = temporaryFolder()
    let stale = try Listener(.unix(path: folder + "/socket"))
    close(stale.descriptor)
    let configuration = HTTPServerConfiguration(address: .unix(path: folder + "/socket"))
    let server = try HTTPServer(configuration, handler: TestHandler())
    let answer = try HTTPClient(.unix(path: folder + "/socket")).send(method: "GET", path: "/")
    #expect(answer.status == 200)
    #expect(server.stop(deadline: inSeconds(5)))
    close(open(folder + "/file", O_CREAT | O_RDWR, 0o600))
    #expect(throws: HTTPServerError.self) {
      try HTTPServer(
        HTTPServerConfiguration(address: .unix(path: folder + "/file")), handler: TestHandler())
    }
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
    let folder = temporaryFolder()
    let made = try Self.run([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder + "/key", "-out",
      folder + "/certificate",
    ])
    #expect(made.status == 0, "\(made.output)")
    var configuration = loopback()
    configuration.tls = HTTPServerConfiguration.TLS(
      certificatePEM: try String(contentsOfFile: folder + "/certificate", encoding: .utf8),
      keyPEM: try String(contentsOfFile: folder + "/key", encoding: .utf8))
    let server = try HTTPServer(configuration, handler: TestHandler())
    let port = try port(server)
    let body = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
    for host in ["127.0.0.1", "localhost"] {
      let trusting = HTTPClient(.tls(host: host, port: port, caFile: folder + "/certificate"))
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
}
