import Documents
import Glibc
import Registry
import Store
import Synchronization
import TestFolders

/// A workspace of its own for one test, with a folder `source` to register from.
final class Workspace: Sendable {
  let path: String
  /// nil where another process made it.
  private let folder: TemporaryFolder?

  init() {
    let folder = TemporaryFolder(for: "registry")
    self.folder = folder
    path = folder.path
    mkdir(path + "/source", 0o755)
  }

  /// One that another process made.
  init(path: String) {
    self.path = path
    folder = nil
  }

  func registry(
    onStep: @escaping @Sendable (PackageStep) -> Void = { _ in }
  ) throws -> ModelRegistry {
    try ModelRegistry(
      database: Database(path: path + "/swerve.db"), folder: path + "/models",
      inspector: SizeInspector(), onStep: onStep)
  }

  /// Writes `text` to `source/<name>` and returns its path.
  @discardableResult
  func file(_ name: String, _ text: String) throws -> String {
    let path = path + "/source/" + name
    try DurableFile.makeDirectory(DurableFile.parent(of: path))
    try DurableFile.write(Array(text.utf8), to: path)
    return path
  }

  func registration(_ version: String?, _ text: String) throws -> ModelRegistration {
    try file("model.txt", text)
    return ModelRegistration(name: "churn", version: version, path: path + "/source/model.txt")
  }

  /// Everything below `models`, by path.
  var packages: [String] {
    get throws { try list("models") }
  }

  private func list(_ relative: String) throws -> [String] {
    var paths: [String] = []
    for entry in try FolderTree.entries(path + "/" + relative) {
      let inner = relative + "/" + entry.name
      paths += entry.kind == .folder ? try list(inner) : [inner]
    }
    return paths
  }
}

/// Refuses what contains "rotten", and says of the rest what the artifact is.
struct SizeInspector: PackageInspector {
  func inspect(
    package: String, artifact: String, type: String
  ) throws(RegistryError) -> DocumentValue {
    do throws(StoreError) {
      let folder = try ContainedFolder(package)
      if try folder.kind(of: artifact).kind == .folder { return ["format": "folder"] }
      let bytes = try folder.read(artifact, maxBytes: 1 << 30)
      if String(decoding: bytes.prefix(100), as: UTF8.self).contains("rotten") {
        throw StoreError.database(reason: "rotten")
      }
      return ["format": "text", "bytes": .integer(Int64(bytes.count))]
    } catch {
      throw .refused(reason: "operator 'Rotten' is not supported")
    }
  }
}
