import Foundation
import Testing

/// Promise C1 in a short form: killed at every write-class system call of an operation, the
/// gateway comes back with the state before or after it, and never one between.
@Suite(.serialized) struct CrashTests {
  private static let strace = "/usr/bin/strace"

  /// Starts a gateway under strace that is killed at the `count`th call of `calls`, asks it for
  /// `operation`, and returns whether the operation was acknowledged.
  private func killed(
    at count: Int, of calls: String, workspace: URL, operation: [String]
  ) throws -> (acknowledged: Bool, survived: Bool) {
    let gateway = Process()
    gateway.executableURL = URL(fileURLWithPath: CrashTests.strace)
    let log = workspace.appendingPathComponent("gateway.log")
    if !FileManager.default.fileExists(atPath: log.path) {
      _ = FileManager.default.createFile(atPath: log.path, contents: nil)
    }
    let output = Pipe()
    gateway.arguments = [
      "-f", "-o", "/dev/null", "-e", "trace=\(calls)",
      "-e", "inject=\(calls):signal=SIGKILL:when=\(count)",
      GatewayProcess.executable.path, "serve", "--workspace", workspace.path, "--port", "0",
    ]
    gateway.standardOutput = output
    let logHandle = try FileHandle(forWritingTo: log)
    try logHandle.seekToEnd()
    gateway.standardError = logHandle
    gateway.standardInput = FileHandle.nullDevice
    try gateway.run()
    defer {
      // strace waits for the one process that it started; that one is ended by its pid.
      let pid = gateway.processIdentifier
      let children = try? String(
        contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
      let child = children?.split(separator: " ").first.flatMap { Int32($0) }
      if gateway.isRunning, let child { kill(child, SIGKILL) }
      gateway.waitUntilExit()
    }
    var sawReady = false
    while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
      if byte[0] == UInt8(ascii: "\n") {
        sawReady = true
        break
      }
    }
    guard sawReady else { return (false, false) }
    let result = try CommandResult.run(operation + ["--workspace", workspace.path])
    let survived = gateway.isRunning
    return (result.status == 0, survived)
  }

  @Test func `C1 · killed at every step of a registration, old state or new`() throws {
    try #require(
      FileManager.default.isExecutableFile(atPath: CrashTests.strace), "strace is not installed")
    let workspace = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: workspace) }
    let model = GatewayProcess.models.appendingPathComponent("breast-cancer/1/model.json").path
    var kills = 0
    var acknowledged = 0
    for calls in ["fsync,fdatasync", "rename,renameat,renameat2", "pwrite64", "mkdir,mkdirat"] {
      var when = 1
      while when <= 40 {
        let name = "m\(kills)"
        let outcome = try killed(
          at: when, of: calls, workspace: workspace,
          operation: ["model", "create", "-n", name, "--version", "1", "-p", model])
        if outcome.survived { break }
        kills += 1
        let gateway = try GatewayProcess(workspace: workspace)
        let shown = try gateway.swerve("model", "show", "-n", name, "--version", "1")
        if outcome.acknowledged {
          acknowledged += 1
          #expect(shown.status == 0, "\(calls) \(when): an acknowledged model is gone")
        }
        let folder = workspace.appendingPathComponent("models/\(name)/1")
        #expect(
          FileManager.default.fileExists(atPath: folder.path) == (shown.status == 0),
          "\(calls) \(when): the files and the database disagree")
        let doctor = try gateway.swerve("doctor")
        #expect(doctor.status == 0, "\(calls) \(when): \(doctor.output)")
        gateway.terminate()
        // Later steps are far apart; the short form takes each of the first ten, then every third.
        when += when < 10 ? 1 : 3
      }
    }
    #expect(kills > 10)
    print("C1: \(kills) kills during a registration, \(acknowledged) acknowledged, none lost")
  }
}
