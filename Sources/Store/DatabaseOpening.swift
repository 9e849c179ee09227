internal import GRDB
internal import Glibc

/// How the database gets from a file of any age, or none, to one this version works with.
struct DatabaseOpening {
  let path: String
  let migrations: [String]

  func open() throws(StoreError) -> DatabasePool {
    let isNew = !FolderTree.exists(path)
    // The database holds sealed keys; its log files get the same mode from SQLite.
    if isNew {
      let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard file >= 0 else { throw .system(errno, path: path, operation: "create") }
      Glibc.close(file)
    }
    do {
      let pool = try DatabasePool(path: path, configuration: Self.configuration)
      try pool.writeWithoutTransaction { connection in
        // GRDB sets NORMAL when it turns WAL on, which may lose the last commits in a power cut.
        try connection.execute(sql: "PRAGMA synchronous = FULL")
      }
      let version = try pool.writeWithoutTransaction { connection in
        try Int.fetchOne(connection, sql: "PRAGMA user_version") ?? 0
      }
      guard version <= migrations.count else {
        throw StoreError.database(
          reason: "\(path) was written by a newer swerve (its version is \(version), this program "
            + "knows up to \(migrations.count)); start that one, or put back a backup")
      }
      try check(pool)
      try migrate(pool, from: version)
      if isNew { try DurableFile.syncDirectory(DurableFile.parent(of: path)) }
      return pool
    } catch let error as StoreError {
      throw error
    } catch {
      throw StoreError.database(error, path: path)
    }
  }

  /// - Parameter name: The path to be told in errors.
  func openReadOnly(as name: String) throws(StoreError) -> DatabasePool {
    var configuration = Self.configuration
    configuration.readonly = true
    do {
      let pool = try DatabasePool(path: path, configuration: configuration)
      let version = try pool.read { connection in
        try Int.fetchOne(connection, sql: "PRAGMA user_version") ?? 0
      }
      guard (1...migrations.count).contains(version) else {
        throw StoreError.database(
          reason: "\(name) has version \(version); this program knows 1 to \(migrations.count)")
      }
      return pool
    } catch let error as StoreError {
      throw error
    } catch {
      throw StoreError.database(error, path: name)
    }
  }

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = true
    // Another process has the database only while somebody looks into it by hand.
    configuration.busyMode = .timeout(5)
    configuration.label = "swerve"
    return configuration
  }

  private func check(_ pool: DatabasePool) throws {
    let problems = try pool.writeWithoutTransaction { connection in
      try String.fetchAll(connection, sql: "PRAGMA quick_check(5)")
    }
    guard problems == ["ok"] else {
      throw StoreError.database(
        reason: "\(path) is damaged (\(problems.joined(separator: "; "))); put back a copy of it, "
          + "such as a swerve.db.before-… beside it")
    }
  }

  /// Each version is one transaction, so a kill leaves the version before or the one after.
  private func migrate(_ pool: DatabasePool, from version: Int) throws {
    for next in version..<migrations.count {
      if version > 0 { try backUp(pool, before: next + 1) }
      try pool.writeWithoutTransaction { connection in
        try connection.inTransaction(.immediate) {
          try connection.execute(sql: migrations[next])
          try connection.execute(sql: "PRAGMA user_version = \(next + 1)")
          return .commit
        }
      }
    }
  }

  private func backUp(_ pool: DatabasePool, before version: Int) throws {
    let target = "\(path).before-\(version)"
    let aside = target + ".part"
    try FolderTree.remove(aside)
    let copy = try DatabaseQueue(path: aside)
    try pool.backup(to: copy)
    try copy.close()
    for ending in ["-wal", "-shm", "-journal"] { try FolderTree.remove(aside + ending) }
    guard chmod(aside, 0o600) == 0 else {
      throw StoreError.system(errno, path: aside, operation: "protect")
    }
    try DurableFile.syncFile(aside)
    // A backup of an earlier try at the same migration shows the same database.
    try FolderTree.remove(target)
    try DurableFile.rename(aside, to: target)
  }
}
