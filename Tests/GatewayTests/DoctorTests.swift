import Foundation
import Registry
import Serving
import Store
import TestFolders
import Testing

@testable import Gateway

struct DoctorTests {
  /// A workspace as a gateway leaves it, with one registered model.
  private final class Bench {
    private let home = TemporaryFolder(for: "doctor")
    var folder: String { home.path }
    var workspace: String { folder + "/workspace" }
    private(set) var database: Database?

    init() throws {
      let files = FileManager.default
      try files.createDirectory(atPath: workspace, withIntermediateDirectories: true)
      try Data(repeating: 7, count: 32).write(to: URL(fileURLWithPath: workspace + "/secret"))
      try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: workspace + "/secret")
      let database = try Database(path: workspace + "/swerve.db")
      self.database = database
      let registry = try ModelRegistry(
        database: database, folder: workspace + "/models", inspector: ModelInspector())
      _ = try registry.register(
        ModelRegistration(
          name: "iris", version: "1", path: repository + "/models/iris/1/model.onnx"))
    }

    deinit { database?.close() }

    func close() {
      database?.close()
      database = nil
    }

    /// What a kill leaves: the log still holds what was committed.
    func copyAsKilled() throws -> String {
      let target = folder + "/killed"
      try FileManager.default.copyItem(atPath: workspace, toPath: target)
      try FileManager.default.removeItem(atPath: target + "/swerve.db-shm")
      let log = try FileManager.default.attributesOfItem(atPath: target + "/swerve.db-wal")
      #expect((log[.size] as? Int ?? 0) > 0)
      return target
    }

    /// Every file with its bytes and time.
    func state(_ folder: String) throws -> [String: [String]] {
      var state: [String: [String]] = [:]
      for name in try FileManager.default.subpathsOfDirectory(atPath: folder) + [""] {
        let path = folder + "/" + name
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        let bytes = FileManager.default.contents(atPath: path) ?? Data()
        state[name] = ["\(attributes[.modificationDate] ?? 0)", bytes.base64EncodedString()]
      }
      return state
    }
  }

  @Test func `a workspace that cannot be read is said to be that`() throws {
    let folder = TemporaryFolder(for: "doctor")
    let path = folder.path + "/file"
    // Nobody may enter a plain file, root included.
    try Data().write(to: URL(fileURLWithPath: path))
    let report = Doctor.examine(workspace: path)
    #expect(report.findings.count == 1)
    #expect(report.findings.first?.contains("cannot be read by user id") == true)
    #expect(report.facts.isEmpty)
  }

  @Test func `a workspace at rest is found well and left as it is`() throws {
    let bench = try Bench()
    bench.close()
    let before = try bench.state(bench.workspace)
    let report = Doctor.examine(workspace: bench.workspace)
    #expect(report.findings == [])
    #expect(report.facts.contains { $0.contains("1 model versions match") })
    #expect(try bench.state(bench.workspace) == before)
  }

  @Test func `a workspace that a kill left is read with its log, and left as it is`() throws {
    let bench = try Bench()
    let workspace = try bench.copyAsKilled()
    let before = try bench.state(workspace)
    let report = Doctor.examine(workspace: workspace)
    #expect(report.findings == [])
    #expect(report.facts.contains { $0.contains("1 model versions match") })
    #expect(try bench.state(workspace) == before)
  }

  @Test func `a gateway that runs goes on, and its files keep their bytes`() throws {
    let bench = try Bench()
    let lock = try WorkspaceLock(workspace: bench.workspace)
    func bytes() throws -> [Data?] {
      ["", "-wal"].map { FileManager.default.contents(atPath: bench.workspace + "/swerve.db" + $0) }
    }
    let before = try bytes()
    let report = Doctor.examine(workspace: bench.workspace)
    #expect(report.isRunning)
    #expect(report.findings == [])
    #expect(try bytes() == before)
    try bench.database?.write { (transaction) throws(StoreError) in
      try transaction.execute("INSERT INTO counters (name, value) VALUES ('x', 1)", [])
    }
    lock.release()
  }

  @Test func `an older database is looked at without being brought up to date`() throws {
    let bench = try Bench()
    bench.close()
    let path = bench.workspace + "/swerve.db"
    try FileManager.default.removeItem(atPath: path)
    try Database(path: path, migrations: [Migrations.versions[0]]).close()
    try FileManager.default.removeItem(atPath: bench.workspace + "/models/iris")
    let before = try bench.state(bench.workspace)
    #expect(Doctor.examine(workspace: bench.workspace).findings == [])
    #expect(try bench.state(bench.workspace) == before)
  }

  @Test func `a changed artifact and a lost models folder are findings`() throws {
    let bench = try Bench()
    bench.close()
    let artifact = bench.workspace + "/models/iris/1/model.onnx"
    var bytes = try #require(FileManager.default.contents(atPath: artifact))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: artifact))
    #expect(
      Doctor.examine(workspace: bench.workspace).findings.contains { $0.contains("iris:1") })
    try FileManager.default.removeItem(atPath: bench.workspace + "/models")
    #expect(
      Doctor.examine(workspace: bench.workspace).findings == [
        "\(bench.workspace)/models is missing"
      ])
    #expect(!FileManager.default.fileExists(atPath: bench.workspace + "/models"))
  }
}
