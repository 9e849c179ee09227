/// Why something that must last could not be stored.
package enum StoreError: Error, Equatable, CustomStringConvertible {
  case io(path: String, operation: String, reason: String)
  case noSpace(path: String)
  case database(reason: String)
  /// Another gateway owns the workspace.
  case locked(path: String, holder: Int32?)
  /// A path that leads out of its folder.
  case escapes(path: String, root: String)

  package var description: String {
    switch self {
    case .io(let path, let operation, let reason): "\(path): cannot \(operation): \(reason)"
    case .noSpace(let path): "\(path): no space left on the device"
    case .database(let reason): "the workspace's database: \(reason)"
    case .locked(let path, let holder):
      "workspace \(path) is in use by another gateway"
        + (holder.map { " (process \($0))" } ?? "")
    case .escapes(let path, let root): "'\(path)' leads out of \(root)"
    }
  }
}

/// Files that survive a power cut: written aside, fsynced, renamed, the directory fsynced.
package enum DurableFile {
  package static func write(
    _ bytes: [UInt8], to path: String, mode: UInt32 = 0o644
  ) throws(StoreError) { fatalError("skeleton") }
  /// Fsyncs every file and directory below `path`, then `path`.
  package static func syncTree(_ path: String) throws(StoreError) { fatalError("skeleton") }
  /// Renames and fsyncs both parents. `target` must not exist.
  package static func rename(_ path: String, to target: String) throws(StoreError) {
    fatalError("skeleton")
  }
  package static func syncDirectory(_ path: String) throws(StoreError) { fatalError("skeleton") }
}

/// Holds a workspace for one process: `flock` on a file in it, freed by the kernel at exit.
package final class WorkspaceLock: Sendable {
  package init(workspace: String) throws(StoreError) { fatalError("skeleton") }
  /// The process that holds the workspace's lock; nil when none does.
  package static func holder(of workspace: String) -> Int32? { fatalError("skeleton") }
}
