import Foundation
import HTTP
import TestTimes
import Testing

/// The promises of `RELIABILITY.md` §2 in a short form, with their figures. The long forms are
/// in `loadtest/`.
@Suite(.serialized) struct PromiseTests {
  private func started() throws -> (gateway: GatewayProcess, models: URL) {
    let folder = GatewayProcess.temporaryFolder()
    let models = folder.appendingPathComponent("models")
    try FileManager.default.copyItem(at: GatewayProcess.models, to: models)
    return (try GatewayProcess(arguments: ["--apply", models.path]), models)
  }

  @Test func `O1 · rollout and rollback fail no request`() throws {
    let (gateway, models) = try started()
    defer { try? FileManager.default.removeItem(at: models.deletingLastPathComponent()) }
    let key = try gateway.key(of: "breast-cancer")
    let body = try SampleModels.request("breast-cancer/1")
    var expected: [String: [UInt8]] = [:]
    for name in ["blue", "green"] {
      expected[name] = try gateway.client().send(
        method: "POST", path: "/endpoints/breast-cancer/score",
        headers: [("Authorization", "Bearer \(key)"), ("azureml-model-deployment", name)],
        body: body
      ).body
    }
    #expect(expected["blue"] != expected["green"])
    let load = LoadGenerator(
      port: gateway.port, path: "/endpoints/breast-cancer/score", key: key, body: body)
    load.start(clients: 16)
    var changes = 0
    for round in 0..<Campaign.count(20, full: 200) {
      let blue = round % 2 == 0 ? 0 : 100
      let result = try gateway.swerve(
        "online-endpoint", "update", "-n", "breast-cancer", "--traffic",
        "blue=\(blue) green=\(100 - blue)")
      #expect(result.status == 0, "\(result.error)")
      changes += 1
      // Acknowledged: no request sent from now on may be answered by the other one.
      for _ in 0..<5 {
        let response = try gateway.client().send(
          method: "POST", path: "/endpoints/breast-cancer/score",
          headers: [("Authorization", "Bearer \(key)")], body: body)
        #expect(response.header("azureml-model-deployment") == (blue == 100 ? "blue" : "green"))
      }
    }
    let tally = load.stop()
    #expect(tally.notOK == 0, "\(tally.answers) \(tally.failures.prefix(3))")
    #expect(Set(tally.bodies.keys) == Set(expected.values), "every body is one of the two")
    print("O1: \(changes) changes of traffic, \(tally.sent) requests, \(tally.notOK) failed")
  }

  @Test func `O4 · SIGTERM finishes the work in flight`() throws {
    let gateway = try GatewayProcess(
      arguments: ["--apply", GatewayProcess.models.path, "--drain-delay", "1"])
    let key = try gateway.key(of: "iris")
    let body = try SampleModels.request("iris/1")
    let probe = gateway.client()
    #expect(try probe.send(method: "GET", path: "/readyz").status == 200)
    // 64 requests that take a second: the second half of each body comes after the signal.
    let half = body.count / 2
    let connections = (0..<64).compactMap { _ in RawConnection(port: gateway.port) }
    #expect(connections.count == 64)
    for connection in connections {
      connection.send(
        "POST /endpoints/iris/score HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(key)\r\n"
          + "Content-Length: \(body.count)\r\n\r\n")
      connection.send(Array(body[..<half]))
    }
    pause(milliseconds: 200)
    let signalled = Date()
    gateway.signal(SIGTERM)
    var notReadyAfter = -1.0
    while Date().timeIntervalSince(signalled) < 0.9 {
      if try gateway.client().send(method: "GET", path: "/readyz").status == 503 {
        notReadyAfter = Date().timeIntervalSince(signalled)
        break
      }
    }
    #expect(notReadyAfter >= 0 && notReadyAfter < 0.2, "not ready after \(notReadyAfter) s")
    pause(milliseconds: 800)
    for connection in connections { connection.send(Array(body[half...])) }
    var finished = 0
    for connection in connections {
      let answer = connection.receiveAnswer()
      #expect(answer.hasPrefix("HTTP/1.1 200"), "\(answer.prefix(200))")
      #expect(answer.lowercased().contains("connection: close"))
      if answer.hasPrefix("HTTP/1.1 200") { finished += 1 }
    }
    let last = Date()
    gateway.process.waitUntilExit()
    #expect(gateway.process.terminationStatus == 0)
    let overrun = Date().timeIntervalSince(last)
    #expect(overrun < 1.5, "it ended \(overrun) s after the last answer")
    print(
      "O4: \(finished) of 64 finished; not ready after \(Int(notReadyAfter * 1000)) ms; "
        + "ended \(Int(overrun * 1000)) ms after the last answer")
  }

  @Test func `O4 · a second SIGTERM ends it within a second`() throws {
    let gateway = try GatewayProcess(
      arguments: ["--apply", GatewayProcess.models.path, "--drain-delay", "20"])
    gateway.signal(SIGTERM)
    pause(milliseconds: 300)
    #expect(gateway.process.isRunning)
    let start = Date()
    gateway.terminate()
    #expect(Date().timeIntervalSince(start) < 1)
  }

  @Test func `O5 · kill -9 under load is survivable`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "breast-cancer")
    let body = try SampleModels.request("breast-cancer/1")
    var milliseconds: [Int] = []
    for round in 0..<5 {
      let load = LoadGenerator(
        port: gateway.port, path: "/endpoints/breast-cancer/score", key: key, body: body)
      load.start(clients: 4)
      let share = 10 + round
      let update = try gateway.swerve(
        "online-endpoint", "update", "-n", "breast-cancer", "--traffic",
        "blue=\(100 - share) green=\(share)")
      #expect(update.status == 0)
      gateway.killNow()
      _ = load.stop()
      let start = Date()
      try gateway.start(arguments: [])
      milliseconds.append(Int(Date().timeIntervalSince(start) * 1000))
      let now = try gateway.swerve(
        "online-endpoint", "show", "-n", "breast-cancer", "--query", "traffic.green", "-o", "tsv")
      #expect(now.output == "\(share)\n", "what was acknowledged is there")
      #expect(try gateway.key(of: "breast-cancer") == key)
      let response = try gateway.client().send(
        method: "POST", path: "/endpoints/breast-cancer/score",
        headers: [("Authorization", "Bearer \(key)")], body: body)
      #expect(response.status == 200)
      let doctor = try gateway.swerve("doctor")
      #expect(doctor.status == 0, "\(doctor.output)")
    }
    print("O5: 5 kills; ready again after \(milliseconds) ms (this build)")
  }

  @Test func `C9 · a changed configuration is taken whole or not at all`() throws {
    let (gateway, models) = try started()
    defer { try? FileManager.default.removeItem(at: models.deletingLastPathComponent()) }
    let show = { try gateway.swerve("online-endpoint", "list").output }
    let before = try show()
    let file = models.appendingPathComponent("endpoints/breast-cancer.yml")
    let good = try String(contentsOf: file, encoding: .utf8)
    let mutations: [(String, String)] = [
      ("90", "ninety"), ("90", "-1"), ("90", "91"), ("90", "1e99"), ("traffic", "tarffic"),
      ("auth_mode: key", "auth_mode: open"), ("name: breast-cancer", "name: [breast]"),
      ("name: breast-cancer", "name: a"), ("green", "purple"), ("traffic:", "traffic: &a [*a]\nx:"),
      ("name:", "name: x\nname:"), ("$schema", "\t$schema"),
    ]
    var refused = 0
    for (from, to) in mutations {
      try good.replacingOccurrences(of: from, with: to)
        .write(to: file, atomically: true, encoding: .utf8)
      let result = try gateway.swerve("apply", "-f", models.path)
      #expect(result.status == 1, "'\(from)' → '\(to)' was taken: \(result.output)")
      #expect(result.error.contains("breast-cancer"), "\(result.error)")
      #expect(try show() == before, "'\(from)' → '\(to)' changed something")
      refused += result.status == 1 ? 1 : 0
    }
    print("C9: \(refused) of \(mutations.count) mutated configurations refused whole")
  }

  @Test func `C11 · one workspace has one gateway, and kill -9 frees it`() throws {
    let gateway = try GatewayProcess()
    let pid = gateway.process.processIdentifier
    try StolenTime.judged("C11") { bounds in
      let start = Date()
      let second = try CommandResult.run([
        "serve", "--workspace", gateway.workspace.path, "--port", "0",
      ])
      let milliseconds = Int(Date().timeIntervalSince(start) * 1000)
      #expect(second.status == 1)
      #expect(second.error.contains("\(pid)"))
      bounds.expect(milliseconds < 1000, "the second gateway took \(milliseconds) ms")
      print("C11: the second gateway was refused after \(milliseconds) ms")
    }
    gateway.killNow()
    try gateway.start(arguments: [])
    #expect(try gateway.swerve("health").status == 0)
  }
}
