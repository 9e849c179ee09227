internal import Documents
internal import Glibc
package import Store
internal import Synchronization

/// Which model packages exist. Any thread; writes are serialised.
///
/// Copying and hashing need no lock. `staged` is held for the moment in which a package gets its
/// name or loses it; it may be taken inside a transaction, so no write begins while it is held.
package final class ModelRegistry: Sendable {
  private let database: Database
  let store: PackageStore
  private let inspector: any PackageInspector
  private let onStep: @Sendable (PackageStep) -> Void
  /// What lies under its final path since this process began and may not be in the database yet.
  private let staged = Mutex<[String: Placement]>([:])

  private struct Placement {
    var token: UInt64
    var version: ModelVersion
    var userCount: Int
  }

  /// - Parameters:
  ///   - folder: `<workspace>/models`.
  ///   - onStep: Called after each step on the disk: where a test kills the process.
  package init(
    database: Database, folder: String, inspector: any PackageInspector,
    onStep: @escaping @Sendable (PackageStep) -> Void = { _ in }
  ) throws(RegistryError) {
    self.database = database
    self.store = try PackageStore(folder: folder)
    self.inspector = inspector
    self.onStep = onStep
  }

  /// A package that lies complete and durable under its final path, inspected, but that no
  /// database row names yet.
  package struct Staged: Sendable {
    package var version: ModelVersion
    /// False when exactly this version with this content exists already: nothing to commit.
    package var isNew: Bool
    fileprivate var token: UInt64
  }

  // MARK: Registering

  /// Copies, hashes, inspects, fsyncs and renames. Nothing is visible before `commit`.
  ///
  /// Not to be called inside a transaction. When the transaction of `commit` fails, `discard`.
  package func stage(_ registration: ModelRegistration) throws(RegistryError) -> Staged {
    try PackageName.check(registration.name, kind: "model name")
    if let version = registration.version {
      try PackageName.check(version, kind: "version")
    }
    let source = try PackageSource(registration)
    if let version = registration.version,
      let existing = try existing(name: registration.name, version: version)
    {
      let files = try store.files(of: source)
      try requireSame(existing, registration, PackageManifest.contentHash(of: files))
      return Staged(version: existing, isNew: false, token: 0)
    }
    let package = try store.makeIncoming()
    do throws(RegistryError) {
      onStep(.folderMade)
      let files = try store.copy(source, to: package)
      onStep(.copied)
      let inspection = try inspector.inspect(
        package: package, artifact: source.artifact, type: registration.type)
      onStep(.inspected)
      let now = Self.now()
      let version = ModelVersion(
        name: registration.name, version: registration.version ?? "", type: registration.type,
        description: registration.description, tags: registration.tags,
        properties: registration.properties, stage: registration.stage, isArchived: false,
        createdAt: now, modifiedAt: now, contentHash: PackageManifest.contentHash(of: files),
        artifact: source.artifact, files: files, inspection: inspection)
      let result = try place(package, version, registration)
      onStep(.renamed)
      // Somebody else's package of the same content may be in place already.
      try store.remove(package)
      return result
    } catch {
      try? store.removeTree(package)
      throw error
    }
  }

  /// Gives the finished package its version and its path.
  private func place(
    _ package: String, _ offered: ModelVersion, _ registration: ModelRegistration
  ) throws(RegistryError) -> Staged {
    try staged.withLock { (staged) throws(RegistryError) in
      var version = offered
      if registration.version == nil {
        version.version = try nextVersion(
          of: version.name, beside: staged.values.map(\.version).filter { $0.name == version.name })
      } else if let existing = try existing(name: version.name, version: version.version) {
        try requireSame(existing, registration, version.contentHash)
        return Staged(version: existing, isNew: false, token: 0)
      }
      let key = Self.key(version.name, version.version)
      if let placement = staged[key] {
        try requireSame(placement.version, registration, version.contentHash)
        staged[key]?.userCount += 1
        return Staged(version: version, isNew: true, token: placement.token)
      }
      try store.writeManifest(
        PackageManifest(
          name: version.name, version: version.version, artifact: version.artifact,
          files: version.files), in: package)
      onStep(.manifestWritten)
      try store.moveIn(package, name: version.name, version: version.version)
      let token = UInt64.random(in: 1 ... .max)
      staged[key] = Placement(token: token, version: version, userCount: 1)
      return Staged(version: version, isNew: true, token: token)
    }
  }

  private func requireSame(
    _ existing: ModelVersion, _ offered: ModelRegistration, _ offeredHash: String
  ) throws(RegistryError) {
    guard existing.contentHash == offeredHash else {
      throw .immutable(
        name: existing.name, version: existing.version, existing: existing.contentHash,
        offered: offeredHash)
    }
    guard existing.type == offered.type else {
      throw .refused(
        reason: "model \(existing.name):\(existing.version) is registered as \(existing.type) and "
          + "was offered as \(offered.type); a version never changes, so register it under a new "
          + "one")
    }
  }

  /// Names the staged package in the database, inside the caller's transaction.
  package func commit(
    _ staged: Staged, in transaction: any SQLTransaction
  ) throws(RegistryError) {
    guard staged.isNew else { return }
    let version = staged.version
    let isInPlace = self.staged.withLock {
      $0[Self.key(version.name, version.version)]?.token == staged.token
    }
    guard isInPlace else {
      throw .refused(
        reason: "model \(version.name):\(version.version) was deleted while it was registered; "
          + "register it again")
    }
    do throws(StoreError) {
      // Another registration of the same content may have been first.
      guard
        try transaction.query(
          "SELECT 1 FROM models WHERE name = ? AND version = ?",
          [.text(version.name), .text(version.version)]
        ).isEmpty
      else { return }
      try transaction.execute(
        "INSERT INTO models (name, version, created_at, content_hash, is_archived, body) "
          + "VALUES (?, ?, ?, ?, ?, ?)",
        [
          .text(version.name), .text(version.version), .integer(version.createdAt),
          .text(version.contentHash), .integer(version.isArchived ? 1 : 0), .text(version.body),
        ])
      try transaction.execute(
        "INSERT INTO model_containers (name, body) VALUES (?, '{}') ON CONFLICT (name) DO NOTHING",
        [.text(version.name)])
    } catch {
      throw .store(error)
    }
  }

  /// Throws away what `stage` made, unless it is committed. Not to be called inside a transaction.
  package func discard(_ staged: Staged) {
    guard staged.isNew else { return }
    let (name, version) = (staged.version.name, staged.version.version)
    let aside = self.staged.withLock { table -> String? in
      let key = Self.key(name, version)
      guard let placement = table[key], placement.token == staged.token,
        !isOrMayBeCommitted(name: name, version: version)
      else { return nil }
      if placement.userCount > 1 {
        table[key]?.userCount -= 1
        return nil
      }
      table[key] = nil
      return try? store.moveAside(name: name, version: version)
    }
    // What cannot be removed now is collected at the next start.
    if let aside { try? store.removeTree(aside) }
  }

  /// `stage`, then `commit` in a transaction of its own. `created` is false for a no-op.
  package func register(
    _ registration: ModelRegistration
  ) throws(RegistryError) -> (version: ModelVersion, created: Bool) {
    let staged = try stage(registration)
    guard staged.isNew else { return (staged.version, false) }
    do throws(RegistryError) {
      let before = try write { (transaction) throws(RegistryError) in
        let before = try self.rows(
          in: transaction, "WHERE name = ? AND version = ?",
          [.text(staged.version.name), .text(staged.version.version)])
        try commit(staged, in: transaction)
        return before
      }
      onStep(.committed)
      return (before.first ?? staged.version, before.isEmpty)
    } catch {
      discard(staged)
      throw error
    }
  }

  // MARK: Reading

  package enum ListView: Sendable {
    case active, archived, all

    var condition: String {
      switch self {
      case .active: "is_archived = 0"
      case .archived: "is_archived = 1"
      case .all: "1"
      }
    }
  }

  /// All names, each with its newest version (by creation) that the view shows.
  package func models(_ view: ListView) throws(RegistryError) -> [ModelVersion] {
    try read(
      "WHERE sequence IN (SELECT max(sequence) FROM models WHERE \(view.condition) GROUP BY name) "
        + "ORDER BY name", [])
  }

  /// Newest first.
  package func versions(
    of name: String, _ view: ListView
  ) throws(RegistryError) -> [ModelVersion] {
    let found = try read(
      "WHERE name = ? AND \(view.condition) ORDER BY sequence DESC", [.text(name)])
    if found.isEmpty, try read("WHERE name = ? LIMIT 1", [.text(name)]).isEmpty {
      throw try notFound(name, nil)
    }
    return found
  }

  package func find(name: String, version: String) throws(RegistryError) -> ModelVersion {
    guard let found = try existing(name: name, version: version) else {
      throw try notFound(name, version)
    }
    return found
  }

  /// The version; nil only when there is none, and an error when the database does not tell.
  package func existing(
    name: String, version: String
  ) throws(RegistryError) -> ModelVersion? {
    try read("WHERE name = ? AND version = ?", [.text(name), .text(version)]).first
  }

  /// `latest` is the newest by creation that is not archived.
  package func resolve(_ reference: ModelReference) throws(RegistryError) -> ModelVersion {
    switch reference.revision {
    case .version(let version): return try find(name: reference.name, version: version)
    case .latest:
      let newest = try read(
        "WHERE name = ? ORDER BY is_archived, sequence DESC LIMIT 1", [.text(reference.name)])
      guard let newest = newest.first else { throw try notFound(reference.name, nil) }
      return newest
    }
  }

  /// One more than the largest integer version, `1` for a new name.
  package func nextVersion(of name: String) throws(RegistryError) -> String {
    try nextVersion(of: name, beside: [])
  }

  private func nextVersion(
    of name: String, beside staged: [ModelVersion]
  ) throws(RegistryError) -> String {
    let versions = try read("WHERE name = ?", [.text(name)]) + staged
    let (next, isTooLarge) = (versions.compactMap { Int64($0.version) }.max() ?? 0)
      .addingReportingOverflow(1)
    guard !isTooLarge else {
      throw .refused(reason: "model '\(name)' has no integer version left; name one")
    }
    return String(max(next, 1))
  }

  // MARK: Changing

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

  // MARK: Files

  /// The package's folder.
  package func packagePath(name: String, version: String) -> String {
    store.path(name: name, version: version)
  }

  /// Hashes every file again and compares with the manifest.
  package func verify(_ version: ModelVersion) throws(RegistryError) {
    try store.verify(version)
  }

  /// Removes files that the database does not name. At start, before anything else runs.
  @discardableResult
  package func collectGarbage() throws(RegistryError) -> [String] {
    let named = Set(try read("", []).map { Self.key($0.name, $0.version) })
    return try staged.withLock { (staged) throws(RegistryError) in
      var removed: [String] = []
      for entry in try entries(store.folder) {
        let path = store.folder + "/" + entry.name
        if PackageStore.asidePrefixes.contains(where: entry.name.hasPrefix) || entry.kind != .folder
        {
          try store.removeTree(path)
          removed.append(entry.name)
          continue
        }
        let versions = try entries(path)
        let kept = versions.filter {
          let key = Self.key(entry.name, $0.name)
          return named.contains(key) || staged[key] != nil
        }
        if kept.isEmpty {
          try store.remove(path)
          removed.append(entry.name)
          continue
        }
        for version in versions where !kept.contains(version) {
          try store.remove(path + "/" + version.name)
          removed.append(entry.name + "/" + version.name)
        }
      }
      return removed
    }
  }

  private func entries(_ path: String) throws(RegistryError) -> [FolderTree.Entry] {
    do throws(StoreError) {
      return try FolderTree.entries(path)
    } catch {
      throw .store(error)
    }
  }
}

// MARK: - The table

extension ModelRegistry {
  private static func key(_ name: String, _ version: String) -> String { "\(name)/\(version)" }

  private static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// True too when the database does not tell: then the files stay until the next start.
  private func isOrMayBeCommitted(name: String, version: String) -> Bool {
    do throws(RegistryError) {
      return try existing(name: name, version: version) != nil
    } catch {
      return true
    }
  }

  private func notFound(
    _ name: String, _ version: String?
  ) throws(RegistryError) -> RegistryError {
    let versions = try read("WHERE name = ? ORDER BY sequence DESC", [.text(name)])
    if let version, !versions.isEmpty {
      return .notFound(name: name, version: version, known: versions.map(\.version))
    }
    return .notFound(name: name, version: nil, known: try models(.all).map(\.name))
  }

  private func read(
    _ condition: String, _ parameters: [SQLValue]
  ) throws(RegistryError) -> [ModelVersion] {
    do throws(StoreError) {
      return try database.read { (transaction) throws(StoreError) in
        try Self.versions(in: transaction, condition, parameters)
      }
    } catch {
      throw .store(error)
    }
  }

  private func rows(
    in transaction: any SQLTransaction, _ condition: String, _ parameters: [SQLValue]
  ) throws(RegistryError) -> [ModelVersion] {
    do throws(StoreError) {
      return try Self.versions(in: transaction, condition, parameters)
    } catch {
      throw .store(error)
    }
  }

  private static func versions(
    in transaction: any SQLTransaction, _ condition: String, _ parameters: [SQLValue]
  ) throws(StoreError) -> [ModelVersion] {
    var versions: [ModelVersion] = []
    for row in try transaction.query("SELECT * FROM models \(condition)", parameters) {
      versions.append(try ModelVersion(row: row))
    }
    return versions
  }

  private func execute(
    _ sql: String, _ parameters: [SQLValue], in transaction: any SQLTransaction
  ) throws(RegistryError) {
    do throws(StoreError) {
      try transaction.execute(sql, parameters)
    } catch {
      throw .store(error)
    }
  }

  private func write<Result>(
    _ body: (any SQLTransaction) throws(RegistryError) -> Result
  ) throws(RegistryError) -> Result {
    do throws(DatabaseFailure<RegistryError>) {
      return try database.write(body)
    } catch {
      switch error {
      case .store(let error): throw .store(error)
      case .body(let error): throw error
      }
    }
  }
}
