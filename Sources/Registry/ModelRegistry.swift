package import Store
internal import Synchronization

/// Which model packages exist. Any thread; writes are serialised.
///
/// Copying and hashing need no lock. `staged` is held for the moment in which a package gets its
/// name or loses it; it may be taken inside a transaction, so no write begins while it is held.
package final class ModelRegistry: Sendable {
  let database: Database
  let store: PackageStore
  let inspector: any PackageInspector
  let onStep: @Sendable (PackageStep) -> Void
  /// What lies under its final path since this process began and may not be in the database yet.
  let staged = Mutex<[String: Placement]>([:])

  struct Placement {
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
    var token: UInt64
  }
}
