internal import Documents
internal import Store

/// A file or folder of the default datastore under a name and an immutable version.
/// Source: `AZUREML.md` §1.7.
package struct DataAsset: Sendable, Equatable {
  package var name: String
  package var version: String
  /// `uri_folder` or `uri_file`.
  package var type: String
  /// `azureml://datastores/workspaceblobstore/paths/…`.
  package var path: String
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  package var isArchived = false
  /// Milliseconds since 1970.
  package var createdAt: Int64 = 0

  package init(name: String, version: String, type: String, path: String) {
    (self.name, self.version, self.type, self.path) = (name, version, type, path)
  }
}

extension ControlPlane {
  /// The newest version of each, archived ones aside.
  package func dataAssets() throws(ControlError) -> [DataAsset] {
    var newest: [String: DataAsset] = [:]
    for asset in try reading({ (store) throws(ControlError) in try store.dataAssets(nil) })
    where !asset.isArchived && newest[asset.name] == nil {
      newest[asset.name] = asset
    }
    return newest.values.sorted { $0.name < $1.name }
  }

  /// Where each version of each lies, of archived ones too.
  package func dataAssetPaths() throws(ControlError) -> [String] {
    try reading { (store) throws(ControlError) in try store.dataAssets(nil) }.map(\.path)
  }

  /// Newest first, archived ones too.
  package func dataAssets(named name: String) throws(ControlError) -> [DataAsset] {
    let assets = try reading { (store) throws(ControlError) in try store.dataAssets(name) }
    guard !assets.isEmpty else { throw try noAsset(name) }
    return assets
  }

  /// - Parameter version: nil: the newest that is not archived.
  package func dataAsset(_ name: String, version: String?) throws(ControlError) -> DataAsset {
    let assets = try dataAssets(named: name)
    let found = assets.first { asset in
      version.map { $0 == asset.version } ?? !asset.isArchived
    }
    guard let found else {
      throw .notFound(
        "data asset '\(name)' has no version \(version.map { "'\($0)'" } ?? "that is not archived")"
          + "; it has \(assets.map(\.version).joined(separator: ", "))")
    }
    return found
  }

  /// What a version is called that names none: one more than the highest number.
  package func nextDataVersion(of name: String) throws(ControlError) -> String {
    let assets = try reading { (store) throws(ControlError) in try store.dataAssets(name) }
    let highest = assets.compactMap { Int($0.version) }.max() ?? 0
    return String(highest.addingReportingOverflow(1).partialValue)
  }

  /// Registers a version, or changes the words of one that exists.
  ///
  /// - Throws: `.conflict` when it exists with other data.
  package func putDataAsset(
    _ wanted: DataAsset, by actor: Actor
  ) throws(ControlError) -> (asset: DataAsset, created: Bool) {
    try change { (_, store) throws(ControlError) in
      let current = try store.dataAssets(wanted.name).first { $0.version == wanted.version }
      let time = currentTime()
      var asset = wanted
      asset.createdAt = current?.createdAt ?? time
      if let current {
        guard current.path == wanted.path, current.type == wanted.type else {
          throw .conflict(
            "data asset \(wanted.name):\(wanted.version) is \(current.type) at \(current.path); a "
              + "version never changes: register another one")
        }
        if current == asset { return (current, false) }
      }
      try store.save(asset)
      try store.audit(
        current == nil ? "create" : "update", "data asset \(asset.name):\(asset.version)",
        by: actor, at: time, body: asset.value)
      return (asset, current == nil)
    }
  }

  private func noAsset(_ name: String) throws(ControlError) -> ControlError {
    let known = try dataAssets().map(\.name)
    return .notFound(
      "data asset '\(name)' does not exist; " + ControlError.list(known, of: "data assets"))
  }
}

extension DataAsset {
  /// Without name, version and time, which are columns.
  fileprivate var value: DocumentValue {
    [
      "type": .string(type), "path": .string(path),
      "description": description.map { .string($0) } ?? .null, "tags": .texts(tags),
      "properties": .texts(properties),
    ]
  }
}

extension EndpointStore {
  /// Newest first.
  fileprivate func dataAssets(_ name: String?) throws(ControlError) -> [DataAsset] {
    let columns = "SELECT name, version, created_at, is_archived, body FROM data_assets"
    let rows =
      if let name {
        try query("\(columns) WHERE name = ? ORDER BY sequence DESC", .text(name))
      } else {
        try query("\(columns) ORDER BY sequence DESC")
      }
    var assets: [DataAsset] = []
    for row in rows { assets.append(try asset(row)) }
    return assets
  }

  private func asset(_ row: SQLRow) throws(ControlError) -> DataAsset {
    do throws(DocumentError) {
      let source = "the workspace's database"
      var fields = try FieldReader(
        try JSONReader.read(row.text("body"), source: source), source: source, path: "$")
      var asset = DataAsset(
        name: row.text("name"), version: row.text("version"), type: try fields.requiredText("type"),
        path: try fields.requiredText("path"))
      asset.description = try fields.text("description")
      asset.tags = try fields.textMap("tags")
      asset.properties = try fields.textMap("properties")
      asset.isArchived = row.integer("is_archived") != 0
      asset.createdAt = row.integer("created_at")
      return asset
    } catch {
      throw .store(.database(reason: error.description))
    }
  }

  fileprivate func save(_ asset: DataAsset) throws(ControlError) {
    try execute(
      """
      INSERT INTO data_assets (name, version, created_at, is_archived, body)
      VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (name, version)
      DO UPDATE SET is_archived = excluded.is_archived, body = excluded.body
      """,
      .text(asset.name), .text(asset.version), .integer(asset.createdAt),
      .integer(asset.isArchived ? 1 : 0), .text(ResourceBody.json(asset.value)))
  }
}
