internal import Store

/// Where data lies, as callers write it. Source: `AZUREML.md` §4.1.
///
/// Addresses are taken as they stand: `%2e` is a name and no dot. Each part is checked, so that
/// no path leads out of its root.
enum DataAddress: Equatable {
  /// Below the default datastore, without a slash at either end; empty: all of it.
  case datastore(path: String)
  /// nil: the newest version.
  case asset(name: String, version: String?)
  /// A file or folder of the gateway's machine, absolute.
  case local(String)

  struct Refusal: Error, Equatable {
    var reason: String
  }

  /// The only datastore there is.
  static let datastoreName = "workspaceblobstore"

  init(_ text: String) throws(Refusal) {
    guard !text.isEmpty, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      throw Refusal(
        reason: "'\(text.prefix(200))' is no address: it is empty or has a control character")
    }
    guard text.utf8.count <= 4096 else {
      throw Refusal(reason: "'\(text.prefix(80))…' is longer than 4096 bytes")
    }
    let lower = text.lowercased()
    if lower.hasPrefix("azureml://") {
      self = try Self.resource(text, String(text.dropFirst("azureml://".count)))
    } else if lower.hasPrefix("azureml:/") {
      self = try Self.resource(text, String(text.dropFirst("azureml:/".count)))
    } else if lower.hasPrefix("azureml:") {
      self = try Self.asset(text, String(text.dropFirst("azureml:".count)))
    } else if lower.hasPrefix("/subscriptions/"), lower.contains("/workspaces/") {
      self = try Self.resource(text, String(text.dropFirst()))
    } else if lower.hasPrefix("file:///") {
      self = .local(try Self.localPath(String(text.dropFirst("file://".count)), text))
    } else if text.utf8.first == UInt8(ascii: "/"), !lower.hasPrefix("//") {
      self = .local(try Self.localPath(text, text))
    } else if let colon = lower.firstRange(of: "://") {
      throw Refusal(
        reason:
          "'\(text)' is on '\(lower[..<colon.lowerBound])', which this gateway does not read or "
          + "write; expected \(Self.expected)")
    } else {
      throw Refusal(reason: "'\(text)' is no address; expected \(Self.expected)")
    }
  }

  static let expected =
    "azureml://datastores/\(datastoreName)/paths/…, azureml:NAME:VERSION or azureml:NAME@latest"

  /// `azureml://datastores/workspaceblobstore/paths/a/b`.
  static func text(datastorePath path: String) -> String {
    "azureml://datastores/\(datastoreName)/paths/\(path)"
  }

  /// Of an `azureml://` address or an ARM id: what stands behind `datastores` or `data`.
  private static func resource(_ text: String, _ rest: String) throws(Refusal) -> DataAddress {
    let parts = pathParts(rest)
    let names = parts.map { $0.lowercased() }
    if names.first == "registries" || names.first == "jobs" || names.first == "runs" {
      throw Refusal(reason: "'\(text)' lies in \(names[0]); expected \(expected)")
    }
    for index in names.indices {
      let count = names.count - index
      if names[index] == "datastores" {
        guard count >= 3, names[index + 2] == "paths" else { break }
        guard names[index + 1] == datastoreName else {
          throw Refusal(
            reason: "'\(text)' is in the datastore '\(parts[index + 1])'; there is only "
              + datastoreName)
        }
        return .datastore(path: try contained(Array(parts[(index + 3)...]), text))
      }
      if names[index] == "data", count == 4 {
        let (name, last) = (parts[index + 1], parts[index + 3])
        if names[index + 2] == "versions" { return try asset(text, "\(name):\(last)") }
        if names[index + 2] == "labels" { return try asset(text, "\(name)@\(last)") }
        break
      }
    }
    throw Refusal(reason: "'\(text)' names no data; expected \(expected)")
  }

  private static func asset(_ text: String, _ rest: String) throws(Refusal) -> DataAddress {
    func checked(_ name: Substring, _ version: Substring?) throws(Refusal) -> DataAddress {
      for part in [name, version].compactMap({ $0 }) where !isName(part) {
        throw Refusal(reason: "'\(text)' is no data asset's name; expected \(expected)")
      }
      return .asset(name: String(name), version: version.map { String($0) })
    }
    if let at = rest.lastIndex(of: "@") {
      let label = rest[rest.index(after: at)...]
      guard label == "latest" else {
        throw Refusal(
          reason: "'\(text)' asks for the label '\(label)'; the only label is 'latest'")
      }
      return try checked(rest[..<at], nil)
    }
    guard let colon = rest.lastIndex(of: ":") else {
      throw Refusal(reason: "'\(text)' has no version; expected \(expected)")
    }
    return try checked(rest[..<colon], rest[rest.index(after: colon)...])
  }

  /// `[A-Za-z0-9][A-Za-z0-9._-]{0,254}` without `..`.
  private static func isName(_ name: Substring) -> Bool {
    let bytes = Array(name.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    guard let first = bytes.first, isAlphanumeric(first), bytes.count <= 255 else { return false }
    return !name.contains("..")
      && bytes.allSatisfy { isAlphanumeric($0) || [0x2E, 0x5F, 0x2D].contains($0) }
  }

  /// The parts joined; a slash at the end is forgiven.
  private static func contained(_ parts: [String], _ text: String) throws(Refusal) -> String {
    var parts = parts
    while parts.last?.isEmpty == true { parts.removeLast() }
    for part in parts {
      guard !part.isEmpty, part != ".", part != ".." else {
        throw Refusal(
          reason: "'\(text)' has the part '\(part)'; a path has names only, no '.', '..' or '//'")
      }
      guard part.utf8.count <= 255 else {
        throw Refusal(reason: "'\(text.prefix(80))…' has a name longer than 255 bytes")
      }
    }
    return parts.joined(separator: "/")
  }

  private static func localPath(_ path: String, _ text: String) throws(Refusal) -> String {
    let inside = try contained(Array(pathParts(path).dropFirst()), text)
    return "/" + inside
  }
}
