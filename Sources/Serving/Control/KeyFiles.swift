#if canImport(Glibc)
  internal import Glibc
#endif

/// Keys that are given as files: `<folder>/<endpoint>/primary` and `…/secondary`.
struct KeyFiles: Sendable {
  /// The keys of one endpoint; nil where there is no file.
  struct Keys: Sendable, Equatable {
    var primary: String?
    var secondary: String?

    subscript(kind: ControlPlane.KeyKind) -> String? {
      switch kind {
      case .primary: primary
      case .secondary: secondary
      }
    }
  }

  /// A key is short: a file that is longer is something else.
  static let maximumByteCount = 4096

  let folder: String?

  /// A file that is there and cannot be used is an error: to go on with the database's key
  /// would open the endpoint to a key that the operator has replaced.
  func keys(of endpoint: String) throws(ControlError) -> Keys {
    Keys(primary: try key(.primary, of: endpoint), secondary: try key(.secondary, of: endpoint))
  }

  private func key(
    _ kind: ControlPlane.KeyKind, of endpoint: String
  ) throws(ControlError) -> String? {
    guard let folder else { return nil }
    for name in [endpoint, endpoint.lowercased()] {
      if let text = try Self.text("\(folder)/\(name)/\(kind.rawValue)") { return text }
    }
    return nil
  }

  /// The file's text without white space around it; nil when there is none.
  private static func text(_ path: String) throws(ControlError) -> String? {
    // Without O_NONBLOCK a pipe would be waited for.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw unreadable(path)
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: maximumByteCount + 1)
    let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    guard count >= 0 else { throw unreadable(path) }
    guard count <= maximumByteCount else {
      throw fault(path, "is longer than \(maximumByteCount) bytes")
    }
    let isSpace: (UInt8) -> Bool = { $0 <= 0x20 }
    var text = bytes[..<count]
    while let last = text.last, isSpace(last) { text.removeLast() }
    while let first = text.first, isSpace(first) { text.removeFirst() }
    guard !text.isEmpty else { throw fault(path, "is empty") }
    guard let key = String(validating: text, as: UTF8.self) else {
      throw fault(path, "is not UTF-8")
    }
    return key
  }

  private static func unreadable(_ path: String) -> ControlError {
    fault(path, "cannot be read: \(String(cString: strerror(errno)))")
  }

  private static func fault(_ path: String, _ what: String) -> ControlError {
    .invalid(field: "--keys-dir", reason: "\(path) \(what); expected a key")
  }
}
