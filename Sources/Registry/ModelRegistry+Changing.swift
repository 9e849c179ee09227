package import Store
internal import Synchronization

/// Changing and deleting.
extension ModelRegistry {
  /// Changes what may change: description, tags, properties, stage, isArchived.
  package func update(
    name: String, version: String, _ change: (inout ModelVersion) -> Void
  ) throws(RegistryError) -> ModelVersion {
    let updated = try write { (transaction) throws(RegistryError) in
      try update(name: name, version: version, in: transaction, change)
    }
    guard let updated else { throw try notFound(name, version) }
    return updated
  }

  /// `update` inside the caller's transaction; nil when there is no such version.
  package func update(
    name: String, version: String, in transaction: any SQLTransaction,
    _ change: (inout ModelVersion) -> Void
  ) throws(RegistryError) -> ModelVersion? {
    guard
      let old = try rows(
        in: transaction, "WHERE name = ? AND version = ?", [.text(name), .text(version)]
      ).first
    else { return nil }
    var wanted = old
    change(&wanted)
    var new = old
    new.description = wanted.description
    new.tags = wanted.tags
    new.properties = wanted.properties
    new.stage = wanted.stage
    new.isArchived = wanted.isArchived
    if new == old { return old }
    new.modifiedAt = Self.now()
    try execute(
      "UPDATE models SET is_archived = ?, body = ? WHERE name = ? AND version = ?",
      [.integer(new.isArchived ? 1 : 0), .text(new.body), .text(name), .text(version)],
      in: transaction)
    return new
  }

  /// Archives or restores every version of a name.
  package func setArchived(_ isArchived: Bool, name: String) throws(RegistryError) {
    let isKnown = try write { (transaction) throws(RegistryError) -> Bool in
      if try self.rows(in: transaction, "WHERE name = ? LIMIT 1", [.text(name)]).isEmpty {
        return false
      }
      let flag = SQLValue.integer(isArchived ? 1 : 0)
      try execute(
        "UPDATE models SET is_archived = ? WHERE name = ?", [flag, .text(name)], in: transaction)
      try execute(
        "UPDATE model_containers SET is_archived = ? WHERE name = ?", [flag, .text(name)],
        in: transaction)
      return true
    }
    if !isKnown { throw try notFound(name, nil) }
  }

  /// - Parameter usedBy: The deployments that use it, as `endpoint/deployment`; asked inside
  ///   the transaction.
  package func delete(
    name: String, version: String, usedBy: (any SQLTransaction) throws(StoreError) -> [String]
  ) throws(RegistryError) {
    let isKnown = try write { (transaction) throws(RegistryError) -> Bool in
      try delete(name: name, version: version, in: transaction, usedBy: usedBy)
    }
    guard isKnown else { throw try notFound(name, version) }
    onStep(.rowDeleted)
    removeFiles(ofDeleted: name, version: version)
  }

  /// `delete` inside the caller's transaction; false when there is no such version. When that
  /// is committed, `removeFiles`.
  package func delete(
    name: String, version: String, in transaction: any SQLTransaction,
    usedBy: (any SQLTransaction) throws(StoreError) -> [String]
  ) throws(RegistryError) -> Bool {
    if try rows(
      in: transaction, "WHERE name = ? AND version = ?", [.text(name), .text(version)]
    ).isEmpty {
      return false
    }
    let users: [String]
    do throws(StoreError) {
      users = try usedBy(transaction)
    } catch {
      throw .store(error)
    }
    guard users.isEmpty else { throw .inUse(name: name, version: version, by: users) }
    try execute(
      "DELETE FROM models WHERE name = ? AND version = ?", [.text(name), .text(version)],
      in: transaction)
    try execute(
      "DELETE FROM model_containers WHERE name = ? "
        + "AND NOT EXISTS (SELECT 1 FROM models WHERE models.name = model_containers.name)",
      [.text(name)], in: transaction)
    // From here on no `commit` may name this package again: it is about to go.
    staged.withLock { $0[Self.key(name, version)] = nil }
    return true
  }

  /// Removes the package whose row a committed `delete` has removed. Not to be called inside a
  /// transaction.
  ///
  /// The row is gone, so the deletion has happened; files that stay are collected at the next
  /// start. Meanwhile the same version may have been registered again.
  package func removeFiles(ofDeleted name: String, version: String) {
    let key = Self.key(name, version)
    let aside = staged.withLock { table -> String? in
      table[key] == nil ? try? store.moveAside(name: name, version: version) : nil
    }
    onStep(.movedAside)
    if let aside { try? store.removeTree(aside) }
  }
}
