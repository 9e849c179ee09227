package import Registry
internal import Store

/// A registry error as a sentence.
package func registrySentence(for error: RegistryError) -> String {
  switch error {
  case .invalidName(let name, let reason): "'\(name)': \(reason)"
  // Without a version nothing of that name exists.
  case .notFound(let name, let version, _):
    version.map { "\(name):\($0) does not exist" } ?? "there is no model '\(name)'"
  case .immutable(let name, let version, let existing, let offered):
    "\(name):\(version) exists with content \(existing); offered was \(offered)"
  case .inUse(let name, let version, let users):
    "\(name):\(version) is used by \(users.joined(separator: ", "))"
  case .refused(let reason): reason
  case .unreadable(let path, let reason): "\(path): \(reason)"
  case .corrupt(let path, let expected, let found):
    "\(path) is not what was registered: its SHA-256 is \(found), expected \(expected)"
  case .store(let error): error.description
  case .interrupted: error.description
  }
}
