import Documents
import Foundation
import HTTP
import TestTimes

/// The built `swerve`, run as a process of its own on a workspace of its own, on loopback.
///
/// Ends only the process that it started, by its pid, when it goes out of scope.
final class GatewayProcess {
  let workspace: URL
  private(set) var process = Process()
  private(set) var address = ""
  private(set) var readyLine = ""
  /// Processes that `restart` has put in this one's place, the last one running.
  var successors: [Int32] = []
  private let ownsWorkspace: Bool

  /// The command that was built together with these tests.
  static let executable: URL = {
    let tests = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    return tests.deletingLastPathComponent().appendingPathComponent("swerve")
  }()

  /// The folder of `Package.swift`.
  static let packageRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let models = packageRoot.appendingPathComponent("models")

  struct StartFailure: Error, CustomStringConvertible {
    var description: String
  }

  init(
    workspace: URL? = nil, arguments: [String] = [], environment: [String: String] = [:]
  ) throws {
    ownsWorkspace = workspace == nil
    self.workspace = workspace ?? GatewayProcess.temporaryFolder()
    try start(arguments: arguments, environment: environment)
  }

  static func temporaryFolder() -> URL {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("swerve-test-\(UUID().uuidString)")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  var logPath: URL { workspace.appendingPathComponent("gateway.log") }

  /// The log's lines so far.
  func log() -> String {
    (try? String(contentsOf: logPath, encoding: .utf8)) ?? ""
  }

  /// Starts the gateway again on the same workspace.
  func start(arguments: [String], environment: [String: String] = [:]) throws {
    process = Process()
    process.executableURL = GatewayProcess.executable
    process.arguments =
      ["serve", "--workspace", workspace.path, "--host", "127.0.0.1", "--port", "0"] + arguments
    process.environment = ProcessInfo.processInfo.environment
      .merging(environment) { $1 }
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    if !FileManager.default.fileExists(atPath: logPath.path) {
      _ = FileManager.default.createFile(atPath: logPath.path, contents: nil)
    }
    let log = try FileHandle(forWritingTo: logPath)
    try log.seekToEnd()
    process.standardError = log
    try process.run()

    var line = Data()
    while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
      if byte[0] == UInt8(ascii: "\n") { break }
      line.append(byte)
    }
    readyLine = String(decoding: line, as: UTF8.self)
    guard case .object(let ready)? = try? JSONReader.read(readyLine, source: "ready line"),
      case .string(let text)? = ready["address"]
    else {
      process.waitUntilExit()
      throw StartFailure(
        description: "swerve serve exited \(process.terminationStatus): \(self.log())")
    }
    address = text
  }

  var port: UInt16 {
    UInt16(address.split(separator: ":").last ?? "") ?? 0
  }

  func client() -> HTTPClient {
    HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(30))
  }

  /// Runs `swerve …` against this gateway.
  @discardableResult
  func swerve(_ arguments: String...) throws -> CommandResult {
    try CommandResult.run(arguments + ["--workspace", workspace.path])
  }

  func key(of endpoint: String) throws -> String {
    try swerve(
      "online-endpoint", "get-credentials", "-n", endpoint, "--query", "primaryKey", "-o", "tsv"
    ).output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// kill -9, and waits for the end.
  func killNow() {
    signal(SIGKILL)
    process.waitUntilExit()
  }

  /// SIGTERM, and waits for the end.
  @discardableResult
  func terminate() -> Int32 {
    signal(SIGTERM)
    process.waitUntilExit()
    return process.terminationStatus
  }

  deinit {
    if let last = successors.last {
      kill(last, SIGTERM)
      for _ in 0..<100 where kill(last, 0) == 0 { pause(milliseconds: 20) }
    }
    if process.isRunning {
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    if ownsWorkspace { try? FileManager.default.removeItem(at: workspace) }
  }
}

/// What a command printed and how it ended.
struct CommandResult {
  var status: Int32
  var output: String
  var error: String

  static func run(
    _ arguments: [String], environment: [String: String] = [:], folder: URL? = nil
  ) throws -> CommandResult {
    let process = Process()
    process.executableURL = GatewayProcess.executable
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    if let folder { process.currentDirectoryURL = folder }
    let output = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: output) }
    // Files, not pipes: two full pipes would wait for each other.
    let outputPath = output.appendingPathComponent("out")
    let errorPath = output.appendingPathComponent("err")
    for path in [outputPath, errorPath] {
      _ = FileManager.default.createFile(atPath: path.path, contents: nil)
    }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: outputPath)
    process.standardError = try FileHandle(forWritingTo: errorPath)
    try process.run()
    process.waitUntilExit()
    return CommandResult(
      status: process.terminationStatus,
      output: try String(contentsOf: outputPath, encoding: .utf8),
      error: try String(contentsOf: errorPath, encoding: .utf8))
  }
}
