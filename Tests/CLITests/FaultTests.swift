import Foundation
import HTTP
import TestTimes
import Testing

/// What the system may refuse a running gateway: each fault goes in by strace, at one call or at
/// all of them, and scoring must not notice.
@Suite(.serialized) struct FaultTests {
  /// strace at work on a running gateway.
  private final class Fault {
    private let process = Process()
    private let trace: URL

    /// - Parameter when: `3`: the third call; `1+`: each.
    init(_ gateway: GatewayProcess, calls: String, error: String, when: String) throws {
      trace = GatewayProcess.temporaryFolder().appendingPathComponent("trace")
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      // The tests' threads block signals, a child inherits that, and strace ends by one.
      let unblock = """
        import os, signal, sys
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execv("/usr/bin/strace", sys.argv)
        """
      process.arguments = [
        "python3", "-c", unblock, "-f", "-o", trace.path, "-p",
        "\(gateway.process.processIdentifier)", "-e",
        "trace=\(calls)", "-e", "inject=\(calls):error=\(error):when=\(when)",
      ]
      let output = Pipe()
      process.standardError = output
      process.standardInput = FileHandle.nullDevice
      try process.run()
      var text = ""
      while !text.contains(" attached") {
        let piece = output.fileHandleForReading.availableData
        if piece.isEmpty { throw Failure(description: "strace: \(text)") }
        text += String(decoding: piece, as: UTF8.self)
      }
      // One thread after the other is attached.
      pause(milliseconds: 100)
    }

    /// Lets go of the gateway.
    ///
    /// - Returns: How many calls have failed.
    func end() -> Int {
      process.terminate()
      process.waitUntilExit()
      let text = (try? String(contentsOf: trace, encoding: .utf8)) ?? ""
      try? FileManager.default.removeItem(at: trace.deletingLastPathComponent())
      return text.split(separator: "\n").count(where: { $0.contains("(INJECTED)") })
    }

    deinit { if process.isRunning { process.terminate() } }
  }

  private struct Failure: Error, CustomStringConvertible { var description: String }

  private static let model =
    GatewayProcess.models.appendingPathComponent("breast-cancer/1/model.json").path

  private static func create(_ name: String, _ gateway: GatewayProcess) throws -> CommandResult {
    try gateway.swerve("model", "create", "-n", name, "--version", "1", "-p", model)
  }

  private static func exists(_ name: String, _ gateway: GatewayProcess) throws -> Bool {
    try gateway.swerve("model", "show", "-n", name, "--version", "1").status == 0
  }

  private static func scores(_ gateway: GatewayProcess, key: String) throws -> Bool {
    try gateway.client().send(
      method: "POST", path: "/endpoints/iris/score",
      headers: [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")],
      body: try SampleModels.request("iris/1")
    ).status == 200
  }

  /// Registers models with one fault after the other, until a registration meets none.
  ///
  /// - Returns: Faults met.
  private func sweep(_ gateway: GatewayProcess, calls: String, error: String) throws -> Int {
    let key = try gateway.key(of: "iris")
    var acknowledged: [String] = []
    var refused: [String] = []
    var count = 0
    for number in 1...60 {
      let name = "m\(error.lowercased())-\(number)"
      let fault = try Fault(gateway, calls: calls, error: error, when: "\(number)")
      let result = try Self.create(name, gateway)
      let met = fault.end()
      #expect(gateway.process.isRunning)
      #expect(try Self.scores(gateway, key: key), "\(error) at call \(number) of \(calls)")
      if result.status == 0 { acknowledged.append(name) } else { refused.append(name) }
      if met == 0 { break }
      count += met
      if calls.contains("fsync") {
        // A failed fsync is reported once: what it was to keep may be lost.
        #expect(result.status != 0, "\(error) at call \(number) of \(calls) was acknowledged")
      }
      if result.status != 0 { #expect(!result.error.isEmpty) }
    }
    // Without a fault it works again, or says that it waits for a restart; then a restart does it.
    let after = try Self.create("after-\(error.lowercased())", gateway)
    #expect(gateway.terminate() == 0)
    try gateway.start(arguments: [])
    for name in acknowledged {
      #expect(try Self.exists(name, gateway), "\(name) was acknowledged and is gone")
    }
    let doctor = try gateway.swerve("doctor")
    #expect(doctor.status == 0, "\(doctor.output)")
    for name in refused {
      let folder = gateway.workspace.appendingPathComponent("models/\(name)/1")
      #expect(
        FileManager.default.fileExists(atPath: folder.path) == (try Self.exists(name, gateway)),
        "\(name): the files and the database disagree")
    }
    #expect(try Self.scores(gateway, key: key))
    print(
      "\(error) at each of \(calls): \(count) met, \(acknowledged.count) acknowledged, "
        + "\(refused.count) refused; then: \(after.status == 0 ? "works" : after.error)")
    return count
  }

  private func started() throws -> GatewayProcess {
    try #require(
      FileManager.default.isExecutableFile(atPath: "/usr/bin/strace"), "strace is not installed")
    return try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
  }

  @Test func `C3 · a registration whose fsync fails is not acknowledged`() throws {
    #expect(try sweep(try started(), calls: "fsync,fdatasync", error: "EIO") > 3)
  }

  @Test func `C4 · a disk that is full at any write leaves nothing half-made`() throws {
    #expect(try sweep(try started(), calls: "pwrite64", error: "ENOSPC") > 1)
  }

  @Test func `C4 · a full disk is told as such, and room is enough to go on`() throws {
    // A disk of its own, where that may be made.
    let disk = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: disk) }
    guard try CommandLineTool.run("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk.path) == 0
    else { return print("C4: no tmpfs may be mounted here: skipped") }
    defer { _ = try? CommandLineTool.run("umount", disk.path) }
    let workspace = disk.appendingPathComponent("w")
    try FileManager.default.createDirectory(at: workspace, withIntermediateDirectories: true)
    let gateway = try GatewayProcess(
      workspace: workspace,
      arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    let filler = disk.appendingPathComponent("filler")
    _ = FileManager.default.createFile(atPath: filler.path, contents: nil)
    let handle = try FileHandle(forWritingTo: filler)
    while (try? handle.write(contentsOf: Data(count: 1 << 12))) != nil {}
    try handle.close()
    let full = try Self.create("full", gateway)
    #expect(full.status != 0)
    #expect(full.error.contains("space"), "\(full.error)")
    #expect(try Self.scores(gateway, key: key))
    let metrics = try gateway.client().send(method: "GET", path: "/metrics")
    #expect(metrics.status == 200)
    try FileManager.default.removeItem(at: filler)
    let again = try Self.create("full", gateway)
    #expect(again.status == 0, "\(again.error)")
    #expect(gateway.terminate() == 0)
  }

  @Test(arguments: ["EACCES", "EMFILE", "ENOMEM", "EIO"])
  func `C5 · files that cannot be opened end an operation, not the gateway`(error: String) throws {
    let gateway = try started()
    let key = try gateway.key(of: "iris")
    for calls in ["openat", "mkdir,mkdirat", "rename,renameat,renameat2"] {
      let name = "m\(calls.prefix(4))"
      let fault = try Fault(gateway, calls: calls, error: error, when: "1+")
      let result = try Self.create(name, gateway)
      let isScored = try Self.scores(gateway, key: key)
      let ready = try gateway.client().send(method: "GET", path: "/readyz").status
      let before = cpuTicks(gateway)
      pause(milliseconds: 500)
      let spent = cpuTicks(gateway) - before
      let met = fault.end()
      #expect(isScored && ready == 200, "\(error) at \(calls)")
      if met > 0 { #expect(result.status != 0, "\(error) at \(calls) was passed over") }
      #expect(spent <= 10, "\(error) at \(calls): \(spent) ticks in half a second")
      #expect(gateway.process.isRunning)
      #expect(try Self.create(name + "-again", gateway).status == 0, "\(error) at \(calls)")
    }
    // What could not be removed while nothing could be opened goes at the next start.
    #expect(gateway.terminate() == 0)
    try gateway.start(arguments: [])
    let doctor = try gateway.swerve("doctor")
    #expect(doctor.status == 0, "\(doctor.output)")
    #expect(gateway.terminate() == 0)
  }

  @Test func `C5 · a process without descriptors neither spins nor dies`() throws {
    let gateway = try started()
    // A number of them: a call that strace is taken from in its middle answers ENOSYS, which is none
    // of a system that only lacks descriptors.
    let fault = try Fault(gateway, calls: "accept4", error: "EMFILE", when: "1..50")
    let waiting = RawConnection(port: gateway.port)
    waiting?.send("GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
    let before = cpuTicks(gateway)
    pause(milliseconds: 1000)
    #expect(cpuTicks(gateway) - before <= 20)
    #expect(waiting?.receiveAnswer().hasPrefix("HTTP/1.1 200") == true)
    #expect(fault.end() == 50)
    #expect(gateway.terminate() == 0)
  }

  /// User and system time, hundredths of a second.
  private func cpuTicks(_ gateway: GatewayProcess) -> Int {
    let path = "/proc/\(gateway.process.processIdentifier)/stat"
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    return fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
  }

  @Test func `C7 · a damaged database is refused, or answers as before`() throws {
    let flips = ProcessInfo.processInfo.environment["SWERVE_FLIPS"].flatMap(Int.init) ?? 12
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    func answer() throws -> HTTPClient.Response {
      try gateway.client().send(
        method: "POST", path: "/endpoints/iris/score",
        headers: [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")],
        body: try SampleModels.request("iris/1"))
    }
    let expected = try answer().body
    #expect(gateway.terminate() == 0)
    let file = gateway.workspace.appendingPathComponent("swerve.db")
    let whole = try Data(contentsOf: file)
    var state: UInt64 = 20_261_121
    func next(below bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(max(bound, 1)))
    }
    var refused = 0
    for number in 0..<flips {
      var damaged = whole
      if number % 4 == 3 {
        damaged = damaged.prefix(next(below: whole.count))
      } else {
        for _ in 0..<(number % 4 == 2 ? 64 : 1) {
          damaged[next(below: whole.count)] ^= UInt8(1 << next(below: 8))
        }
      }
      for suffix in ["-wal", "-shm"] {
        try? FileManager.default.removeItem(atPath: file.path + suffix)
      }
      try damaged.write(to: file)
      do {
        try gateway.start(arguments: [])
      } catch let failure as GatewayProcess.StartFailure {
        refused += 1
        let last = failure.description.split(separator: "\n").last ?? ""
        #expect(failure.description.contains("exited 1"), "\(number): \(last)")
        #expect(last.contains("swerve.db") || last.contains("database"), "\(number): \(last)")
        continue
      }
      let response = try answer()
      // A key or an endpoint may be lost with its row; another model's answer may not come.
      if response.status == 200 {
        #expect(response.body == expected, "\(number)")
      } else {
        #expect([401, 404, 424, 503].contains(response.status), "\(number): \(response.status)")
      }
      gateway.terminate()
    }
    print("C7: \(flips) damaged databases, \(refused) refused, no wrong answer")
  }
}

/// A program of the system, for its exit status.
enum CommandLineTool {
  static func run(_ arguments: String...) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }
}
