package import Registry

/// References to models as YAML and ARM bodies write them.
package enum ModelReferenceText {
  package enum Parsed: Sendable, Equatable {
    case reference(ModelReference)
    /// A form that Azure knows and we do not serve from, with what to do instead.
    case refused(reason: String)
    case malformed
  }

  /// Reads `azureml:NAME:VERSION`, `azureml:NAME@latest`, `NAME:VERSION`, an ARM id with or
  /// without `azureml:` before it, or a registry's URI.
  package static func parse(_ text: String) -> Parsed {
    if text.lowercased().hasPrefix("azureml://") {
      return .refused(
        reason: "model '\(text)' lies in another registry; register it here "
          + "('model create') and write 'azureml:NAME:VERSION'")
    }
    var rest = Substring(text)
    if rest.lowercased().hasPrefix("azureml:") { rest = rest.dropFirst("azureml:".count) }
    if rest.hasPrefix("/") { return armReference(rest) }
    if let at = rest.lastIndex(of: "@") {
      let label = rest[rest.index(after: at)...]
      guard label == "latest" else {
        return .refused(
          reason: "model '\(text)' asks for the label '\(label)'; the only label is 'latest'")
      }
      return reference(rest[..<at], .latest)
    }
    guard let colon = rest.lastIndex(of: ":") else { return .malformed }
    return reference(rest[..<colon], .version(String(rest[rest.index(after: colon)...])))
  }

  /// `azureml:churn:3`, `azureml:churn@latest`.
  package static func text(_ reference: ModelReference) -> String {
    switch reference.revision {
    case .version(let version): "azureml:\(reference.name):\(version)"
    case .latest: "azureml:\(reference.name)@latest"
    }
  }

  /// `…/models/NAME/versions/VERSION` or `…/models/NAME/labels/latest`.
  private static func armReference(_ id: Substring) -> Parsed {
    let parts = id.split(separator: "/")
    guard parts.count >= 4, parts[parts.count - 4].lowercased() == "models" else {
      return .malformed
    }
    let last = parts[parts.count - 1]
    switch parts[parts.count - 2].lowercased() {
    case "versions": return reference(parts[parts.count - 3], .version(String(last)))
    case "labels" where last == "latest": return reference(parts[parts.count - 3], .latest)
    default: return .malformed
    }
  }

  private static func reference(
    _ name: Substring, _ revision: ModelReference.Revision
  ) -> Parsed {
    guard isPathName(String(name)) else { return .malformed }
    if case .version(let version) = revision, !isPathName(version) { return .malformed }
    return .reference(ModelReference(name: String(name), revision: revision))
  }

  /// `[A-Za-z0-9][A-Za-z0-9._-]{0,254}`, never with `..`: it becomes a path.
  package static func isPathName(_ name: String) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    guard let first = name.utf8.first, isAlphanumeric(first), name.utf8.count <= 255 else {
      return false
    }
    return !name.contains("..")
      && name.utf8.allSatisfy { isAlphanumeric($0) || [0x2E, 0x5F, 0x2D].contains($0) }
  }
}
