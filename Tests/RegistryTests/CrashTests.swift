import Glibc
import Registry
import Store
import Testing

/// A process is killed after each step; the next one sees the state before or after, and no files
/// that nobody names.
struct CrashTests {
  @Test(arguments: [
    PackageStep.folderMade, .copied, .inspected, .manifestWritten, .renamed, .committed,
  ])
  func `a kill while registering leaves the old state or the new`(step: PackageStep) async throws {
    let workspace = Workspace()
    _ = try workspace.registry().register(workspace.registration("1", "old"))
    _ = try workspace.file("model.txt", "new")
    let (path, name) = (workspace.path, step.rawValue)
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = path as String, name = name as String] in
      let workspace = Workspace(path: path)
      let registry = try workspace.registry { if $0.rawValue == name { kill(getpid(), SIGKILL) } }
      _ = try registry.register(
        ModelRegistration(name: "churn", version: "2", path: path + "/source/model.txt"))
    }
    let registry = try workspace.registry()
    try registry.collectGarbage()
    let versions = try registry.versions(of: "churn", .all)
    #expect(versions.map(\.version) == (step == .committed ? ["2", "1"] : ["1"]))
    for version in versions { try registry.verify(version) }
    #expect(try workspace.packages.count == versions.count * 2)
    #expect(try FolderTree.entries(workspace.path + "/models").map(\.name) == ["churn"])
    #expect(
      try registry.register(workspace.registration("2", "new")).created == (step != .committed))
  }

  @Test(arguments: [PackageStep.rowDeleted, .movedAside])
  func `a kill while deleting leaves no files behind`(step: PackageStep) async throws {
    let workspace = Workspace()
    _ = try workspace.registry().register(workspace.registration("1", "old"))
    let (path, name) = (workspace.path, step.rawValue)
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = path as String, name = name as String] in
      let registry = try Workspace(path: path).registry {
        if $0.rawValue == name { kill(getpid(), SIGKILL) }
      }
      try registry.delete(name: "churn", version: "1") { _ in [] }
    }
    let registry = try workspace.registry()
    try registry.collectGarbage()
    #expect(try registry.models(.all).isEmpty)
    #expect(try FolderTree.entries(workspace.path + "/models").isEmpty)
  }
}
