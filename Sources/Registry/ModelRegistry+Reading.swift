internal import Store

/// Reading.
extension ModelRegistry {
  package enum ListView: Sendable {
    case active, archived, all

    var condition: String {
      switch self {
      case .active: "is_archived = 0"
      case .archived: "is_archived = 1"
      case .all: "1"
      }
    }
  }

  /// All names, each with its newest version (by creation) that the view shows.
  package func models(_ view: ListView) throws(RegistryError) -> [ModelVersion] {
    try read(
      "WHERE sequence IN (SELECT max(sequence) FROM models WHERE \(view.condition) GROUP BY name) "
        + "ORDER BY name", [])
  }

  /// Newest first.
  package func versions(
    of name: String, _ view: ListView
  ) throws(RegistryError) -> [ModelVersion] {
    let found = try read(
      "WHERE name = ? AND \(view.condition) ORDER BY sequence DESC", [.text(name)])
    if found.isEmpty, try read("WHERE name = ? LIMIT 1", [.text(name)]).isEmpty {
      throw try notFound(name, nil)
    }
    return found
  }

  package func find(name: String, version: String) throws(RegistryError) -> ModelVersion {
    guard let found = try existing(name: name, version: version) else {
      throw try notFound(name, version)
    }
    return found
  }

  /// The version; nil only when there is none, and an error when the database does not tell.
  package func existing(
    name: String, version: String
  ) throws(RegistryError) -> ModelVersion? {
    try read("WHERE name = ? AND version = ?", [.text(name), .text(version)]).first
  }

  /// `latest` is the newest by creation that is not archived.
  package func resolve(_ reference: ModelReference) throws(RegistryError) -> ModelVersion {
    switch reference.revision {
    case .version(let version): return try find(name: reference.name, version: version)
    case .latest:
      let newest = try read(
        "WHERE name = ? ORDER BY is_archived, sequence DESC LIMIT 1", [.text(reference.name)])
      guard let newest = newest.first else { throw try notFound(reference.name, nil) }
      return newest
    }
  }

  /// One more than the largest integer version, `1` for a new name.
  package func nextVersion(of name: String) throws(RegistryError) -> String {
    try nextVersion(of: name, beside: [])
  }

  func nextVersion(
    of name: String, beside staged: [ModelVersion]
  ) throws(RegistryError) -> String {
    let versions = try read("WHERE name = ?", [.text(name)]) + staged
    let (next, isTooLarge) = (versions.compactMap { Int64($0.version) }.max() ?? 0)
      .addingReportingOverflow(1)
    guard !isTooLarge else {
      throw .refused(reason: "model '\(name)' has no integer version left; name one")
    }
    return String(max(next, 1))
  }
}
