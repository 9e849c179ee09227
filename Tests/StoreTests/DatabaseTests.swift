import Glibc
import Store
import Synchronization
import TestFolders
import Testing

struct DatabaseTests {
  let folder = TemporaryFolder(for: "store")
  var path: String { folder.path + "/swerve.db" }

  struct Refused: Error {}

  func count(_ database: Database) throws -> Int64 {
    try database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT count(*) AS n FROM counters", []).first?.integer("n") ?? -1
    }
  }

  func insert(_ name: String, into database: Database) throws {
    try database.write { (transaction) throws(StoreError) in
      try transaction.execute(
        "INSERT INTO counters (name, value) VALUES (?, 1)", [.text(name)])
    }
  }

  @Test func `the writer waits for the disk, keeps foreign keys and writes a log ahead`() throws {
    let database = try Database(path: path)
    #expect(try database.writerSetting("synchronous") == .integer(2))
    #expect(try database.writerSetting("journal_mode") == .text("wal"))
    #expect(try database.writerSetting("foreign_keys") == .integer(1))
    #expect(try database.writerSetting("busy_timeout") == .integer(5000))
    #expect(database.integrityProblems().isEmpty)
    var status = stat()
    #expect(stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  @Test func `a closed database is whole without its log`() throws {
    let database = try Database(path: path)
    try insert("a", into: database)
    #expect(try count(database) == 1)
    database.close()
    #expect(system("cp \(path) \(folder.path)/copy.db") == 0)
    let copy = try Database(path: folder.path + "/copy.db")
    #expect(try count(copy) == 1)
    copy.close()
  }

  @Test func `every kind of value comes back as it went in`() throws {
    let database = try Database(path: path)
    let values: [SQLValue] = [
      .null, .integer(.min), .real(0.1), .text("Grüße"), .blob([]), .blob([0, 255, 1]),
    ]
    for value in values {
      let row = try database.read { (transaction) throws(StoreError) in
        try transaction.query("SELECT ? AS v", [value])
      }
      #expect(row.first?["v"] == value)
    }
  }

  @Test func `a text that would be cut at a NUL is refused`() throws {
    let database = try Database(path: path)
    let error = #expect(throws: StoreError.self) {
      try database.read { (transaction) throws(StoreError) in
        try transaction.query("SELECT ?", [.text("a\u{0}b")])
      }
    }
    // Nobody need wait for it to be taken.
    guard case .unstorable? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func `an error of the body rolls all of it back`() throws {
    let database = try Database(path: path)
    do {
      try database.write { (transaction) throws(Refused) in
        do {
          try transaction.execute("INSERT INTO counters (name, value) VALUES ('a', 1)", [])
        } catch {
          Issue.record(error)
        }
        throw Refused()
      }
      Issue.record("the write came through")
    } catch DatabaseFailure<Refused>.body {
    }
    #expect(try count(database) == 0)
  }

  @Test func `a failed statement is told with SQLite's reason and rolls back`() throws {
    let database = try Database(path: path)
    #expect {
      try database.write { (transaction) throws(StoreError) in
        try transaction.execute("INSERT INTO counters (name, value) VALUES ('a', 1)", [])
        try transaction.execute("INSERT INTO counters (name, value) VALUES ('a', 2)", [])
      }
    } throws: {
      "\($0)".contains("UNIQUE constraint failed: counters.name")
    }
    #expect(try count(database) == 0)
  }

  @Test func `a reader cannot write`() throws {
    let database = try Database(path: path)
    #expect(throws: StoreError.self) {
      try database.read { (transaction) throws(StoreError) in
        try transaction.execute("DELETE FROM counters", [])
      }
    }
  }

  @Test func `writers wait for each other and lose nothing`() throws {
    let database = try Database(path: path)
    try insert("total", into: database)
    let errors = Mutex<[String]>([])
    concurrently(8) { _ in
      for _ in 0..<25 {
        do {
          try database.write { (transaction) throws(StoreError) in
            let value =
              try transaction.query("SELECT value FROM counters", [])
              .first?.integer("value") ?? 0
            try transaction.execute("UPDATE counters SET value = ?", [.integer(value + 1)])
          }
        } catch {
          errors.withLock { $0.append("\(error)") }
        }
      }
    }
    #expect(errors.withLock { $0 } == [])
    let total = try database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT value FROM counters", []).first?.integer("value")
    }
    #expect(total == 201)
  }

  @Test func `what was written is there after closing and opening`() throws {
    let first = try Database(path: path)
    try insert("a", into: first)
    first.close()
    #expect(throws: DatabaseFailure<StoreError>.self) { try insert("b", into: first) }
    let second = try Database(path: path)
    #expect(try count(second) == 1)
  }

  @Test func `a migration keeps the database of before beside it`() throws {
    let old = try Database(path: path)
    try insert("kept", into: old)
    old.close()
    let next = Migrations.versions + ["ALTER TABLE counters ADD COLUMN unit TEXT"]
    let new = try Database(path: path, migrations: next)
    #expect(try new.writerSetting("user_version") == .integer(Int64(next.count)))
    #expect(try count(new) == 1)
    new.close()
    let backup = try Database(path: path + ".before-\(next.count)")
    #expect(try backup.writerSetting("user_version") == .integer(Int64(next.count - 1)))
    #expect(try count(backup) == 1)
    #expect(access(path + ".before-\(next.count).part", F_OK) != 0)
    // A new database has nothing to be kept.
    #expect(access(path + ".before-1", F_OK) != 0)
  }

  @Test func `a migration that fails leaves the database at the version before`() throws {
    let old = try Database(path: path)
    try insert("kept", into: old)
    old.close()
    let broken = Migrations.versions + ["DELETE FROM counters; CREATE TABLE counters (x);"]
    #expect(throws: StoreError.self) { try Database(path: path, migrations: broken) }
    let again = try Database(path: path)
    #expect(try count(again) == 1)
  }

  @Test func `a database of a newer version is refused`() throws {
    try Database(path: path, migrations: Migrations.versions + ["CREATE TABLE later (x)"]).close()
    #expect {
      try Database(path: path)
    } throws: {
      "\($0)".contains("was written by a newer swerve (its version is")
    }
  }

  @Test func `a damaged file is refused with its name`() throws {
    try Database(path: path).close()
    let file = open(path, O_WRONLY)
    let garbage = [UInt8](repeating: 0x5a, count: 3000)
    #expect(pwrite(file, garbage, garbage.count, 4096) == garbage.count)
    close(file)
    #expect {
      try Database(path: path)
    } throws: {
      "\($0)".contains("swerve.db is damaged")
    }
    #expect(truncate(path, 0) == 0)
    let text = Array("this is no database, whatever its name may say about it".utf8)
    let other = open(path, O_WRONLY)
    #expect(write(other, text, text.count) == text.count)
    close(other)
    #expect(throws: StoreError.self) { try Database(path: path) }
  }
}

/// Runs `body` on as many threads, and waits for all.
func concurrently(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Work: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
  let threads = (0..<count).map { index in
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work { body(index) })
    pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, work.toOpaque())
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}
