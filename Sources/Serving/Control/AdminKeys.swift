internal import Digest
internal import Registry
package import Store
internal import Synchronization

/// The keys that open the control plane over TCP, by name. The database and this object hold
/// their hashes; a key itself is shown once, by `create`. Any thread.
package final class AdminKeys: Sendable {
  package struct Record: Sendable, Equatable {
    package var name: String
    /// Milliseconds since 1970.
    package var createdAt: Int64
    package var createdBy: String
  }

  private struct Entry {
    var record: Record
    var hash: [UInt8]
  }

  /// More than anybody needs; each request is compared with all of them.
  static let maxKeys = 100

  private let database: Database
  private let entries = Mutex<[Entry]>([])

  /// Reads what the database holds.
  package init(database: Database) throws(ControlError) {
    self.database = database
    do {
      let rows = try database.read { (transaction) throws(StoreError) in
        try transaction.query(
          "SELECT name, hash, created_at, created_by FROM admin_keys ORDER BY name", [])
      }
      entries.withLock { entries in
        entries = rows.map {
          Entry(
            record: Record(
              name: $0.text("name"), createdAt: $0.integer("created_at"),
              createdBy: $0.text("created_by")),
            hash: $0.blob("hash"))
        }
      }
    } catch {
      throw .store(error)
    }
  }

  /// In order of their names.
  package var records: [Record] {
    entries.withLock { $0.map(\.record) }.sorted { $0.name < $1.name }
  }

  /// Makes a key. It is in the database when this returns, and cannot be had again.
  package func create(
    _ name: String, by actor: Actor
  ) throws(ControlError) -> (key: String, record: Record) {
    do throws(RegistryError) {
      try PackageName.check(name, kind: "key name")
    } catch {
      throw .invalid(field: "name", reason: "\(error)")
    }
    let key = AdminKey.make()
    let time = currentTime()
    let entry = Entry(
      record: Record(name: name, createdAt: time, createdBy: actor.name),
      hash: AdminKey.hash(key.utf8))
    try write { (store) throws(ControlError) in
      let names = try store.query("SELECT name FROM admin_keys").map { $0.text("name") }
      guard !names.contains(where: { $0.lowercased() == name.lowercased() }) else {
        throw ControlError.conflict(
          "there is an admin key '\(name)' already; delete it first, or choose another name")
      }
      guard names.count < Self.maxKeys else {
        throw ControlError.conflict(
          "there are \(names.count) admin keys already; delete one that is not used")
      }
      try store.execute(
        "INSERT INTO admin_keys (name, hash, created_at, created_by) VALUES (?, ?, ?, ?)",
        .text(name), .blob(entry.hash), .integer(time), .text(actor.name))
      try store.audit("create", "admin key \(name)", by: actor, at: time)
    }
    entries.withLock { $0.append(entry) }
    return (key, entry.record)
  }

  /// From the next request on the key opens nothing. False when there is none of this name.
  package func delete(_ name: String, by actor: Actor) throws(ControlError) -> Bool {
    let lower = name.lowercased()
    guard let known = records.first(where: { $0.name.lowercased() == lower }) else { return false }
    try write { (store) throws(ControlError) in
      try store.execute("DELETE FROM admin_keys WHERE name = ?", .text(known.name))
      try store.audit("delete", "admin key \(known.name)", by: actor, at: currentTime())
    }
    entries.withLock { $0.removeAll { $0.record.name.lowercased() == lower } }
    return true
  }

  /// The name of the key that was offered; nil when it is none of ours. Compares with every
  /// hash, so that the time tells neither which nor how far it fits.
  package func name(of offered: some Sequence<UInt8>) -> String? {
    let hash = AdminKey.hash(offered)
    return entries.withLock { entries in
      var found: String?
      for entry in entries {
        let isEqual = equalInConstantTime(hash.span, entry.hash.span)
        if isEqual { found = entry.record.name }
      }
      return found
    }
  }

  private func write<Result>(
    _ body: (EndpointStore) throws(ControlError) -> Result
  ) throws(ControlError) -> Result {
    do throws(DatabaseFailure<ControlError>) {
      return try database.write { (transaction) throws(ControlError) in
        try body(EndpointStore(transaction: transaction))
      }
    } catch {
      switch error {
      case .store(let error): throw .store(error)
      case .body(let error): throw error
      }
    }
  }
}
