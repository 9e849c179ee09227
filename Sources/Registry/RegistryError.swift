internal import Digest
package import Store

/// Why the registry cannot do what it was asked.
package enum RegistryError: Error, Equatable, CustomStringConvertible {
  case invalidName(String, reason: String)
  case notFound(name: String, version: String?, known: [String])
  /// The version exists with other content.
  case immutable(name: String, version: String, existing: String, offered: String)
  case inUse(name: String, version: String, by: [String])
  /// The model cannot run here: the reason in full.
  case refused(reason: String)
  case unreadable(path: String, reason: String)
  /// A file on disk is not what was registered.
  case corrupt(path: String, expected: String, found: String)
  case store(StoreError)
  /// Who asked wants it no more.
  case interrupted

  package var description: String {
    switch self {
    case .invalidName(let name, let reason):
      "'\(name)' cannot be a name: \(reason)"
    case .notFound(let name, let version, let known):
      if let version {
        "model \(name):\(version) is not registered; "
          + (known.isEmpty
            ? "'\(name)' has no versions" : "versions of '\(name)': \(Self.list(known))")
      } else {
        "model '\(name)' is not registered; "
          + (known.isEmpty ? "there are no models" : "models: \(Self.list(known))")
      }
    case .immutable(let name, let version, let existing, let offered):
      "model \(name):\(version) exists with other content (registered: sha256 \(existing); "
        + "offered: sha256 \(offered)); a version never changes, so register it under a new one"
    case .inUse(let name, let version, let by):
      "model \(name):\(version) is used by \(by.joined(separator: ", ")); delete or change "
        + "\(by.count == 1 ? "that deployment" : "those deployments") first"
    case .refused(let reason): reason
    case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
    case .corrupt(let path, let expected, let found):
      "\(path) is not what was registered: expected \(expected), found \(found)"
    case .store(let error): "\(error)"
    case .interrupted: "interrupted"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(10).joined(separator: ", ")
      + (names.count > 10 ? " and \(names.count - 10) more" : "")
  }

  /// What went wrong with a file that is not ours.
  static func source(_ error: StoreError) -> RegistryError {
    switch error {
    case .io(let path, let operation, let reason, _):
      .unreadable(path: path, reason: "cannot \(operation): \(reason)")
    case .escapes(let path, let root):
      .refused(
        reason: "'\(path)' in \(root) leads out of that folder; put a copy of the file in it")
    case .noSpace, .busy, .database, .unstorable, .locked, .exists: .store(error)
    }
  }

  static func digest(_ error: DigestError, path: String) -> RegistryError {
    switch error {
    case .unreadable(let path, let reason): .unreadable(path: path, reason: reason)
    case .interrupted: .interrupted
    case .sealBroken, .library: .unreadable(path: path, reason: "\(error)")
    }
  }
}
