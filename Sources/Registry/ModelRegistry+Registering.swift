package import Store
internal import Synchronization

/// Registering: staged first, then named by a commit.
extension ModelRegistry {
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
      // The first error is the one to tell; what stays is collected at the next start.
      try? store.removeTree(package)
      throw error
    }
  }

  /// Gives the finished package its version and its path.
  func place(
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

  func requireSame(
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
}
