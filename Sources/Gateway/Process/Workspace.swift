internal import Digest
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

/// The folder that holds everything one gateway owns, opened for this process alone.
struct Workspace {
  let path: String
  let lock: WorkspaceLock

  /// Makes the folder if need be and takes its lock.
  init(_ path: String) throws(GatewayError) {
    try Workspace.makeFolder(path)
    guard let real = realpath(path, nil) else {
      throw GatewayError("workspace \(path): \(lastErrorText())")
    }
    self.path = String(cString: real)
    free(real)
    do {
      lock = try WorkspaceLock(workspace: self.path)
    } catch {
      throw GatewayError(error.description)
    }
    for folder in ["models", "datastores", "datastores/workspaceblobstore", "datastores/.jobs"] {
      try Workspace.makeFolder(self.path + "/" + folder)
    }
  }

  var databasePath: String { path + "/swerve.db" }
  var socketPath: String { path + "/swerve.sock" }
  var modelsPath: String { path + "/models" }
  var datastorePath: String { path + "/datastores/workspaceblobstore" }
  /// What unfinished jobs have written: beside the datastore, not in it, where callers could read
  /// it.
  var jobsPath: String { path + "/datastores/.jobs" }

  /// A new database names no package, so all packages would be garbage: with packages there, a
  /// database that is not is a loss to be told, not a beginning.
  func checkDatabaseIsNotLost() throws(GatewayError) {
    if access(databasePath, F_OK) == 0 { return }
    let packages: [String]
    do {
      packages = try FolderTree.entries(modelsPath).map(\.name).filter { !$0.hasPrefix(".") }
    } catch {
      throw GatewayError(error.description)
    }
    guard packages.isEmpty else {
      throw GatewayError(
        "\(databasePath) is missing, but \(modelsPath) holds \(packages.count) models; restore "
          + "the database, or move the models away and register them again")
    }
  }

  /// The secret that seals endpoint keys: made at the first start, 32 random bytes, mode 0600.
  func sealer() throws(GatewayError) -> Sealer {
    let file = path + "/secret"
    if access(file, F_OK) != 0 {
      do {
        try DurableFile.write(SecureRandom.bytes(Workspace.secretByteCount), to: file, mode: 0o600)
      } catch {
        throw GatewayError(error.description)
      }
    }
    let secret = try fileBytes(file, maxBytes: 4096)
    guard secret.count == Workspace.secretByteCount else {
      throw GatewayError(
        "\(file) has \(secret.count) bytes; expected \(Workspace.secretByteCount)")
    }
    return Sealer(secret: secret)
  }

  private static let secretByteCount = 32

  private static func makeFolder(_ path: String) throws(GatewayError) {
    guard mkdir(path, 0o700) != 0 else { return }
    let reason = errno
    var status = stat()
    if reason == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
    throw GatewayError(
      "workspace folder \(path): "
        + (reason == EEXIST ? "it is no folder" : String(cString: strerror(reason))))
  }
}
