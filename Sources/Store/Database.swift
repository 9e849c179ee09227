internal import GRDB
internal import Synchronization

/// The workspace's database: SQLite, WAL, `synchronous = FULL`. One writer.
package final class Database: Sendable {
  private let path: String
  private let migrations: [String]
  /// nil while another process has the workspace.
  private let openPool: Mutex<DatabasePool?>
  /// Why nothing is written any more: an fsync failed. What of the log is on the disk is unknown
  /// from then on, and only a start reads it again.
  private let writeStop = Mutex<StoreError?>(nil)
  /// What is open in place of the file itself; nil when that is open.
  private let copy: DatabaseCopy?

  /// Opens or makes the database, checks its integrity, and migrates it to this version
  /// (after an online backup beside it).
  package convenience init(path: String) throws(StoreError) {
    try self.init(path: path, migrations: Migrations.versions)
  }

  package init(path: String, migrations: [String]) throws(StoreError) {
    self.path = path
    self.migrations = migrations
    copy = nil
    openPool = Mutex(try DatabaseOpening(path: path, migrations: migrations).open())
  }

  /// Opens the database to look into it: nothing is made, migrated or written, in the file or
  /// beside it. What writes to it fails.
  ///
  /// - Parameter isInUse: Another process has it open, as a running gateway has.
  package init(readingOnly path: String, isInUse: Bool) throws(StoreError) {
    self.path = path
    migrations = Migrations.versions
    copy = isInUse ? nil : try DatabaseCopy(of: path)
    openPool = Mutex(
      try DatabaseOpening(path: copy?.path ?? path, migrations: Migrations.versions)
        .openReadOnly(as: path))
  }

  /// Runs `body` in one immediate transaction: all of it is committed and on the disk when this
  /// returns, or none of it. `body`'s error rolls back and is thrown on.
  ///
  /// Neither `write` nor `read` may be called from inside `body`.
  package func write<Result, Failure: Error>(
    _ body: (any SQLTransaction) throws(Failure) -> Result
  ) throws(DatabaseFailure<Failure>) -> Result {
    if let stop = writeStop.withLock({ $0 }) { throw .store(stop) }
    let pool: DatabasePool
    do throws(StoreError) { pool = try self.pool() } catch { throw .store(error) }
    var outcome: Swift.Result<Result, Failure>?
    do {
      try pool.writeWithoutTransaction { connection in
        try connection.inTransaction(.immediate) {
          do throws(Failure) {
            outcome = .success(try body(GRDBTransaction(connection, path: path)))
            return .commit
          } catch {
            outcome = .failure(error)
            return .rollback
          }
        }
      }
    } catch {
      let reason = StoreError.database(error, path: path)
      if StoreError.isFailedSync(error) {
        writeStop.withLock {
          $0 = .database(
            reason: "read only until the gateway is started again, because an earlier write could "
              + "not be brought to the disk (\(reason))")
        }
      }
      // What the body threw came first and tells more than a rollback that failed after it.
      if case .failure(let failure) = outcome { throw .body(failure) }
      throw .store(reason)
    }
    switch outcome {
    case .success(let result): return result
    case .failure(let failure): throw .body(failure)
    case nil: preconditionFailure("SQLite ended a transaction without running its body")
    }
  }

  /// Runs `body` on a consistent snapshot. Any thread; never waits for a writer.
  package func read<Result>(
    _ body: (any SQLTransaction) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    let pool = try pool()
    var outcome: Swift.Result<Result, StoreError>?
    do {
      try pool.read { connection in
        do throws(StoreError) {
          outcome = .success(try body(GRDBTransaction(connection, path: path)))
        } catch {
          outcome = .failure(error)
        }
      }
    } catch {
      throw StoreError.database(error, path: path)
    }
    switch outcome {
    case .success(let result): return result
    case .failure(let error): throw error
    case nil: preconditionFailure("SQLite ended a read without running its body")
    }
  }

  /// Why nothing can be written any more; nil when all is well.
  package var writeProblem: StoreError? { writeStop.withLock { $0 } }

  /// What SQLite finds wrong in the file, all of it read; empty when all is well.
  package func integrityProblems() -> [String] {
    do throws(StoreError) {
      return try read { (transaction) throws(StoreError) in
        let problems = try transaction.query("PRAGMA integrity_check", [])
          .map { $0.text("integrity_check") }
          .filter { $0 != "ok" }
        let orphans = try transaction.query("PRAGMA foreign_key_check", [])
          .map { "a row of \($0.text("table")) names one of \($0.text("parent")) that is missing" }
        return problems + orphans
      }
    } catch {
      return ["\(error)"]
    }
  }

  /// Runs `pragma` where writes run: what a test asserts about the connection.
  package func writerSetting(_ pragma: String) throws(StoreError) -> SQLValue {
    let pool = try pool()
    do {
      return try pool.writeWithoutTransaction { connection in
        SQLValue(try DatabaseValue.fetchOne(connection, sql: "PRAGMA \(pragma)") ?? .null)
      }
    } catch {
      throw StoreError.database(error, path: path)
    }
  }

  private func pool() throws(StoreError) -> DatabasePool {
    guard let pool = openPool.withLock({ $0 }) else {
      throw .busy(
        path: path, operation: "use",
        reason: "it is closed, because the gateway stops or hands it to its successor")
    }
    return pool
  }

  /// Waits for what runs, writes the log back into the database, and gives up its files. Later
  /// calls fail, until `reopen`.
  package func close() {
    let pool = openPool.withLock { pool in
      defer { pool = nil }
      return pool
    }
    guard let pool else { return }
    // SQLite writes the log back when the last connection goes, which here is a reader's: it may
    // not. A copy of the file alone would then be one of a database without its last commits.
    do {
      _ = try pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
    } catch {
      // The log stays, and the next start reads it.
    }
    // A reader that has not yet finished makes SQLite refuse.
    for _ in 0..<100 {
      if (try? pool.close()) != nil { return }
      pauseBriefly()
    }
  }

  /// Opens what `close` has closed: nobody has taken the workspace over.
  package func reopen() throws(StoreError) {
    let pool = try DatabaseOpening(path: path, migrations: migrations).open()
    openPool.withLock { $0 = pool }
  }
}
