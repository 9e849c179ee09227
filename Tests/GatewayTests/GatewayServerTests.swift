import Foundation
import Serving
import Telemetry
import TestFolders
import Testing

@testable import Gateway

struct GatewayServerTests {
  @Test func `a reload that began before a stop ends before the stop does`() throws {
    let home = TemporaryFolder(for: "server")
    let folder = home.path
    let documents = folder + "/apply"
    try FileManager.default.createDirectory(
      atPath: documents, withIntermediateDirectories: true)
    // What takes a while to be read.
    for index in 0..<1500 {
      try "apiVersion: v1\nkind: Secret\n".write(
        toFile: documents + "/other-\(index).yml", atomically: false, encoding: .utf8)
    }
    var configuration = GatewayConfiguration()
    configuration.workspace = folder + "/workspace"
    configuration.port = 0
    configuration.applyPath = documents
    configuration.logLevel = "error"
    // The process that runs the tests is not to be ended by this drain.
    configuration.drainTimeout = .seconds(3000)
    let server = try GatewayServer(configuration, handlesSignals: false)
    try "name: churn\nauth_mode: key\n".write(
      toFile: documents + "/churn.yml", atomically: false, encoding: .utf8)
    let threads = Threads()
    threads.start(name: "run") { _ = server.run() }
    #expect(!server.signals.receive(.reload))
    while server.parts.reloads.value == 0 { usleep(200) }
    #expect(!server.signals.receive(.stop))
    threads.join()
    #expect(server.parts.reloadFailures.value == 0)
    #expect(try server.control.endpoints().map(\.specification.name) == ["churn"])
  }
}
