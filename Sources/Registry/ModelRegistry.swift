package import Store

/// Which model packages exist. Any thread; writes are serialised.
package final class ModelRegistry: Sendable {
  /// - Parameter folder: `<workspace>/models`.
  package init(
    database: Database, folder: String, inspector: any PackageInspector
  ) throws(RegistryError) { fatalError("skeleton") }

  /// A package that lies complete and durable under its final path, inspected, but that no
  /// database row names yet.
  package struct Staged: Sendable {
    package var version: ModelVersion
    /// False when exactly this version with this content exists already: nothing to commit.
    package var isNew: Bool
  }

  /// Copies, hashes, inspects, fsyncs and renames. Nothing is visible before `commit`.
  package func stage(_ registration: ModelRegistration) throws(RegistryError) -> Staged {
    fatalError("skeleton")
  }
  /// Names the staged package in the database, inside the caller's transaction.
  package func commit(
    _ staged: Staged, in transaction: any SQLTransaction
  ) throws(RegistryError) { fatalError("skeleton") }
  /// Throws away what `stage` made, unless it is committed.
  package func discard(_ staged: Staged) { fatalError("skeleton") }

  /// `stage`, then `commit` in a transaction of its own. `created` is false for a no-op.
  package func register(
    _ registration: ModelRegistration
  ) throws(RegistryError) -> (version: ModelVersion, created: Bool) { fatalError("skeleton") }

  package enum ListView: Sendable { case active, archived, all }

  /// All names, each with its newest version (by creation) that the view shows.
  package func models(_ view: ListView) throws(RegistryError) -> [ModelVersion] {
    fatalError("skeleton")
  }
  /// Newest first.
  package func versions(
    of name: String, _ view: ListView
  ) throws(RegistryError) -> [ModelVersion] { fatalError("skeleton") }
  package func find(name: String, version: String) throws(RegistryError) -> ModelVersion {
    fatalError("skeleton")
  }
  package func resolve(_ reference: ModelReference) throws(RegistryError) -> ModelVersion {
    fatalError("skeleton")
  }
  /// One more than the largest integer version, `1` for a new name.
  package func nextVersion(of name: String) throws(RegistryError) -> String {
    fatalError("skeleton")
  }

  /// Changes what may change: description, tags, properties, stage, isArchived.
  package func update(
    name: String, version: String, _ change: (inout ModelVersion) -> Void
  ) throws(RegistryError) -> ModelVersion { fatalError("skeleton") }
  /// Archives or restores every version of a name.
  package func setArchived(_ isArchived: Bool, name: String) throws(RegistryError) {
    fatalError("skeleton")
  }

  /// - Parameter usedBy: The deployments that use it, as `endpoint/deployment`; asked inside
  ///   the transaction.
  package func delete(
    name: String, version: String, usedBy: (any SQLTransaction) throws(StoreError) -> [String]
  ) throws(RegistryError) { fatalError("skeleton") }

  /// The package's folder.
  package func packagePath(name: String, version: String) -> String { fatalError("skeleton") }
  /// Hashes every file again and compares with the manifest.
  package func verify(_ version: ModelVersion) throws(RegistryError) { fatalError("skeleton") }
  /// Removes files that the database does not name. At start, before anything else runs.
  @discardableResult
  package func collectGarbage() throws(RegistryError) -> [String] { fatalError("skeleton") }
}
