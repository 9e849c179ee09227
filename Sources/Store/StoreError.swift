internal import Glibc

/// Why something that must last could not be stored.
package enum StoreError: Error, Equatable, CustomStringConvertible {
  /// `code` is `errno` of the call that failed; 0: no call did.
  case io(path: String, operation: String, reason: String, code: Int32 = 0)
  case noSpace(path: String)
  /// The system has no descriptor or no memory for it now, or another process has it for a moment.
  case busy(path: String, operation: String, reason: String)
  case database(reason: String)
  /// What is to be stored is the trouble: it can be had as little later as now.
  case unstorable(reason: String)
  /// Another gateway owns the workspace.
  case locked(path: String, holder: Int32?)
  /// A path that leads out of its folder.
  case escapes(path: String, root: String)
  /// Something is where something new was to be put.
  case exists(path: String)

  package var description: String {
    switch self {
    case .io(let path, let operation, let reason, _): "\(path): cannot \(operation): \(reason)"
    case .noSpace(let path): "\(path): no space left on the device"
    case .busy(let path, let operation, let reason): "\(path): cannot \(operation) now: \(reason)"
    case .database(let reason), .unstorable(let reason): "the workspace's database: \(reason)"
    case .locked(let path, let holder):
      "workspace \(path) is in use by another gateway"
        + (holder.map { " (process \($0))" } ?? "")
    case .escapes(let path, let root): "'\(path)' leads out of \(root)"
    case .exists(let path): "\(path) exists already"
    }
  }

  /// What a failed system call means. `code` is `errno`, read right after the call.
  package static func system(_ code: Int32, path: String, operation: String) -> StoreError {
    switch code {
    case ENOSPC, EDQUOT: .noSpace(path: path)
    case EMFILE, ENFILE, ENOMEM:
      .busy(path: path, operation: operation, reason: String(cString: strerror(code)))
    default:
      .io(path: path, operation: operation, reason: String(cString: strerror(code)), code: code)
    }
  }
}
