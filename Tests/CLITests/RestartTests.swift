import Documents
import Foundation
import HTTP
import TestTimes
import Testing

/// `swerve restart` and what a running gateway takes over from changed files.
@Suite(.serialized) struct RestartTests {
  @Test func `O3 · restarts under load fail no request and refuse no connection`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    let before = Resources(of: gateway.process.processIdentifier)
    let load = LoadGenerator(
      port: gateway.port, path: "/endpoints/iris/score", key: key,
      body: try SampleModels.request("iris/1"))
    load.start(clients: 8)
    var milliseconds: [Int] = []
    var processes = [gateway.process.processIdentifier]
    let rounds = Campaign.count(4, full: 100)
    var failed = 0
    for round in 0..<rounds {
      pause(milliseconds: 300)
      // One in five fails: a program that ends at once.
      let isBad = round % 5 == 1
      let start = Date()
      let result = try gateway.restart(isBad ? ["--executable", "/bin/false"] : [])
      #expect(result.status == (isBad ? 1 : 0), "\(result.error)")
      if isBad {
        #expect(result.error.contains("ended with status 1"), "\(result.error)")
        failed += 1
      } else {
        milliseconds.append(Int(Date().timeIntervalSince(start) * 1000))
        processes.append(gateway.successors.last ?? 0)
      }
      #expect(try gateway.swerve("health").status == 0)
    }
    pause(milliseconds: 300)
    let tally = load.stop()
    #expect(tally.notOK == 0, "\(tally.answers) \(tally.failures.prefix(5))")
    #expect(tally.bodies.count == 1, "every answer is the same")
    #expect(Set(processes).count == 1 + rounds - failed, "each a new process")
    for process in processes.dropLast() { #expect(gateway.hasEnded(process)) }
    // Where each restart left something behind, it would show.
    let after = before.settled(of: processes.last ?? 0)
    #expect(abs(after.descriptors - before.descriptors) <= 1, "\(before) \(after)")
    #expect(after.threads == before.threads, "\(before) \(after)")
    // What is changed now is changed by the last one, and stays.
    #expect(
      try gateway.swerve(
        "online-endpoint", "update", "-n", "iris", "--set", "tags.restarted=yes"
      ).status == 0)
    print(
      "O3: \(rounds - failed) restarts of \(milliseconds) ms and \(failed) that failed (this build), "
        + "\(tally.sent) requests, \(tally.notOK) failed")
  }

  @Test func `a new process that cannot start is told of, and the old one changes things again`()
    throws
  {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let settings = folder.appendingPathComponent("settings.yml")
    try "log-level: info\n".write(to: settings, atomically: true, encoding: .utf8)
    let gateway = try GatewayProcess(arguments: [
      "--apply", GatewayProcess.models.path, "--config", settings.path,
    ])
    // Wrong before anything is handed over, and behind it.
    try "log-level: loud\n".write(to: settings, atomically: true, encoding: .utf8)
    let wrong = try gateway.restart([])
    #expect(wrong.status == 1)
    #expect(wrong.error.contains("loud"), "\(wrong.error)")
    try "keys-dir: \(folder.path)/keys\n".write(
      to: settings, atomically: true, encoding: .utf8)
    let keys = folder.appendingPathComponent("keys/iris")
    try FileManager.default.createDirectory(at: keys, withIntermediateDirectories: true)
    try "".write(to: keys.appendingPathComponent("primary"), atomically: true, encoding: .utf8)
    let late = try gateway.restart([])
    #expect(late.status == 1)
    #expect(late.error.contains("is empty"), "\(late.error)")
    #expect(gateway.process.isRunning)
    let changed = try gateway.swerve(
      "online-endpoint", "update", "-n", "iris", "--set", "tags.still=here")
    #expect(changed.status == 0, "\(changed.error)")
    let key = try gateway.key(of: "iris")
    let answer = try gateway.client().send(
      method: "POST", path: "/endpoints/iris/score",
      headers: [("Authorization", "Bearer \(key)")], body: try SampleModels.request("iris/1"))
    #expect(answer.status == 200)
  }

  /// A program that follows as far as it is told, and then loads for a minute.
  private func slowProgram(in folder: URL) throws -> URL {
    let program = folder.appendingPathComponent("slow")
    try """
    #!/bin/bash
    line=${SWERVE_HANDOVER#control=}
    line=${line%% *}
    echo prepared >&$line
    read -r word <&$line
    echo $$ >\(folder.path)/pid
    exec sleep 60
    """.write(to: program, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o700], ofItemAtPath: program.path)
    return program
  }

  @Test func `SIGTERM during a slow restart ends both processes, and the address is free`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let port = gateway.port
    let program = try slowProgram(in: folder)
    let restart = Process()
    restart.executableURL = GatewayProcess.executable
    restart.arguments = [
      "restart", "--workspace", gateway.workspace.path, "--executable", program.path,
    ]
    restart.standardError = FileHandle.nullDevice
    try restart.run()
    let note = folder.appendingPathComponent("pid")
    var successor: Int32?
    for _ in 0..<200 where successor == nil {
      pause(milliseconds: 20)
      successor = (try? String(contentsOf: note, encoding: .utf8))
        .flatMap { Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    let follower = try #require(successor)
    let begun = Date()
    #expect(gateway.terminate() == 0)
    #expect(Date().timeIntervalSince(begun) < 5)
    #expect(gateway.hasEnded(follower), "a successor without its sockets is left behind")
    restart.waitUntilExit()
    // The whole workspace is there for the next start, at the same address.
    let next = try GatewayProcess(
      workspace: gateway.workspace, arguments: ["--port", String(port)])
    #expect(try next.client().send(method: "GET", path: "/readyz").status == 200)
    #expect(next.port == port)
  }

  @Test(arguments: ["line", "listener"])
  func `a successor whose forerunner has gone before it is ready does not stay`(end: String) throws
  {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    // The forerunner: it lets the other load, and is gone, or has ended the sockets, meanwhile.
    let forerunner = """
      import os, socket, subprocess, sys
      program, workspace, end = sys.argv[1:]
      scoring = socket.create_server(("127.0.0.1", 0))
      admin = socket.socket(socket.AF_UNIX)
      admin.bind(workspace + "/swerve.sock")
      admin.listen()
      ours, theirs = socket.socketpair()
      numbers = [s.fileno() for s in (theirs, scoring, admin)]
      value = "control=%d scoring=%d admin=%d" % tuple(numbers)
      child = subprocess.Popen(
          [program, "serve", "--workspace", workspace, "--port", str(scoring.getsockname()[1])],
          pass_fds=numbers, env=dict(os.environ, SWERVE_HANDOVER=value),
          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
      theirs.close()
      words = ours.makefile("rw")
      assert words.readline() == "prepared\\n"
      if end == "listener":
          scoring.shutdown(socket.SHUT_RDWR)
          words.write("go\\n")
          words.flush()
          assert words.readline() == "ready\\n"
          words.write("take\\n")
          words.flush()
      else:
          ours.sendall(b"go\\n")
          words.close()
          ours.close()
      try:
          error = child.communicate(timeout=20)[1]
      except subprocess.TimeoutExpired:
          child.kill()
          sys.exit("the successor stays")
      print(child.returncode, error.strip().splitlines()[-1])
      assert os.path.exists(workspace + "/swerve.sock"), "the socket file was removed"
      """
    let script = folder.appendingPathComponent("forerunner.py")
    try forerunner.write(to: script, atomically: true, encoding: .utf8)
    let workspace = folder.appendingPathComponent("w")
    try FileManager.default.createDirectory(at: workspace, withIntermediateDirectories: true)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", script.path, GatewayProcess.executable.path, workspace.path, end,
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(
      decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    #expect(text.hasPrefix("1 "), "\(text)")
    #expect(text.contains("has ended"), "\(text)")
  }

  @Test func `a changed certificate is in force within seconds, a broken one is not`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
    for name in ["first", "second"] { try Certificate.make(path(name), key: path(name + ".key")) }
    func use(_ certificate: String, key: String) throws {
      for (from, to) in [(certificate, "cert.pem"), (key, "key.pem")] {
        try Data(contentsOf: URL(fileURLWithPath: path(from)))
          .write(to: URL(fileURLWithPath: path(to)))
      }
      chmod(path("key.pem"), 0o600)
    }
    try use("first", key: "first.key")
    let gateway = try GatewayProcess(arguments: [
      "--tls-cert", path("cert.pem"), "--tls-key", path("key.pem"),
    ])
    func served(_ authority: String) -> HTTPClient {
      HTTPClient(
        .tls(host: "127.0.0.1", port: gateway.port, caFile: path(authority)), timeout: .seconds(10))
    }
    let old = served("first")
    #expect(try old.send(method: "GET", path: "/livez").status == 200)
    try use("second", key: "second.key")
    #expect(gateway.logs("certificate reloaded", within: 10))
    #expect(try served("second").send(method: "GET", path: "/livez").status == 200)
    #expect(try old.send(method: "GET", path: "/livez").status == 200)
    // A key that is not the certificate's: by the signal, which does not wait.
    try use("first", key: "second.key")
    gateway.signal(SIGHUP)
    #expect(gateway.logs("the changed certificate cannot be used", within: 10))
    #expect(try served("second").send(method: "GET", path: "/livez").status == 200)
    // Nor is one whose key everybody can read.
    try use("second", key: "second.key")
    chmod(path("key.pem"), 0o644)
    #expect(gateway.logs("may be read or written by others than its owner", within: 10))
    let metrics = try served("second").send(method: "GET", path: "/metrics").body
    let text = String(decoding: metrics, as: UTF8.self)
    #expect(text.contains("swerve_tls_reloads_total 1"))
    #expect(!text.contains("swerve_tls_reload_failures_total 0"))
  }
}

/// What a process holds.
struct Resources: Equatable {
  var descriptors: Int
  var threads: Int

  init(of process: Int32) {
    func entries(_ folder: String) -> [String] {
      (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/\(folder)")) ?? []
    }
    // Sockets, pipes and the like: the database has a file more or less open for its readers.
    descriptors =
      entries("fd").filter { number in
        let link = try? FileManager.default.destinationOfSymbolicLink(
          atPath: "/proc/\(process)/fd/\(number)")
        return link.map { !$0.hasPrefix("/") } ?? false
      }.count
    threads = entries("task").count
  }

  /// What `process` holds when it holds as much as this, or after five seconds: it hears of a
  /// connection's end after the client.
  func settled(of process: Int32) -> Resources {
    var now = Resources(of: process)
    for _ in 0..<50 where now != self {
      pause(milliseconds: 100)
      now = Resources(of: process)
    }
    return now
  }
}

/// Certificates for tests, each its own authority.
enum Certificate {
  static func make(_ certificate: String, key: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate,
    ]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
  }
}

extension GatewayProcess {
  /// Whether the log has such a line within so many seconds.
  func logs(_ words: String, within seconds: Int) -> Bool {
    for _ in 0..<(seconds * 20) {
      if log().contains(words) { return true }
      pause(milliseconds: 50)
    }
    return false
  }

  /// Runs `swerve restart` and takes note of the new process.
  func restart(_ arguments: [String]) throws -> CommandResult {
    let result = try CommandResult.run(
      ["restart", "--workspace", workspace.path, "--query", "pid", "-o", "tsv"] + arguments)
    let text = result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    if result.status == 0, let process = Int32(text) { successors.append(process) }
    return result
  }

  /// Whether a process is gone, or within five seconds will be. Ours or not: a successor's parent
  /// is whoever takes orphans.
  func hasEnded(_ process: Int32) -> Bool {
    for _ in 0..<100 {
      if !self.process.isRunning, process == self.process.processIdentifier { return true }
      if kill(process, 0) != 0 { return true }
      // One that has ended and that nobody has asked about.
      let state = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
      if state?.contains(") Z ") ?? true { return true }
      pause(milliseconds: 50)
    }
    return false
  }
}
