import Digest
import Registry
import Store
import Testing

@testable import Serving

@Suite struct AdminKeysTests {
  @Test func `a key opens after a restart, its hash alone is stored, and a deleted one does not`()
    throws
  {
    let bench = try ControlBench()
    let keys = try AdminKeys(database: bench.database)
    let key = try keys.create("ci", by: bench.actor).key
    #expect(keys.name(of: key.utf8) == "ci")
    #expect(keys.name(of: key.dropLast().utf8) == nil)
    #expect(keys.name(of: "".utf8) == nil)
    let rows = try bench.database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT * FROM admin_keys", [])
    }
    #expect(rows.map { $0.blob("hash") } == [AdminKey.hash(key.utf8)])
    #expect(!"\(rows)".contains(key))

    try bench.restart()
    let again = try AdminKeys(database: bench.database)
    #expect(again.name(of: key.utf8) == "ci")
    #expect(try again.delete("CI", by: bench.actor))
    #expect(try again.delete("ci", by: bench.actor) == false)
    #expect(again.name(of: key.utf8) == nil)
    #expect(try AdminKeys(database: bench.database).records == [])
    let audit = try bench.database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT action, resource FROM audit ORDER BY sequence", [])
    }
    #expect(
      audit.map { $0.text("action") + " " + $0.text("resource") } == [
        "create admin key ci", "delete admin key ci",
      ])
  }

  @Test func `a name is used once, and there is a limit`() throws {
    let bench = try ControlBench()
    let keys = try AdminKeys(database: bench.database)
    _ = try keys.create("ci", by: bench.actor)
    for name in ["ci", "CI", "", "a b", "../x"] {
      #expect(throws: ControlError.self, "\(name)") { try keys.create(name, by: bench.actor) }
    }
    for index in 1..<AdminKeys.maxKeys { _ = try keys.create("k\(index)", by: bench.actor) }
    #expect(throws: ControlError.self) { try keys.create("more", by: bench.actor) }
    #expect(keys.records.count == AdminKeys.maxKeys)
  }
}
