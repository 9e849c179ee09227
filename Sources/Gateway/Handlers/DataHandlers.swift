internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

/// Data assets: `{WS}/data/{n}/versions/{v}`. Source: `AZUREML.md` §1.7.
extension AdminHandler {
  func assets(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let values = try armControl { () throws(ControlError) in
      var values: [DocumentValue] = []
      for asset in try control.dataAssets() {
        values.append(
          request.responses.dataContainer(
            asset, nextVersion: try control.nextDataVersion(of: asset.name)))
      }
      return values
    }
    return .document(status: 200, ["value": .array(values)])
  }

  func asset(_ name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let (newest, next) = try armControl { () throws(ControlError) in
      (try control.dataAssets(named: name), try control.nextDataVersion(of: name))
    }
    guard let asset = newest.first else {
      throw ARMError(404, "ResourceNotFound", "data asset '\(name)' does not exist")
    }
    return .document(status: 200, request.responses.dataContainer(asset, nextVersion: next))
  }

  func assetVersions(of name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let all = try armControl { () throws(ControlError) in try control.dataAssets(named: name) }
    let view = request.query["listviewtype"]?.lowercased()
    let shown = all.filter { view == "all" || $0.isArchived == (view == "archivedonly") }
    let values = shown.prefix(try request.top() ?? Int(Int32.max >> 16))
      .map { request.responses.dataAsset($0) }
    return .document(status: 200, ["value": .array(values)])
  }

  func assetVersion(
    _ version: String, of name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      let asset = try armControl { () throws(ControlError) in
        try control.dataAsset(name, version: version)
      }
      return .document(status: 200, request.responses.dataAsset(asset))
    case .put, .patch:
      let document = try request.document()
      let (asset, created) = try putAsset(document, name: name, version: version, request)
      return .document(status: created ? 201 : 200, request.responses.dataAsset(asset))
    case .head, .post, .delete, .options, .trace:
      throw request.notAllowed("GET, PUT, PATCH")
    }
  }

  // MARK: Parts

  private func putAsset(
    _ document: Document, name: String, version: String, _ request: AdminRequest
  ) throws(ARMError) -> (asset: DataAsset, created: Bool) {
    for (field, text) in [("name", name), ("version", version)]
    where !ModelReferenceText.isPathName(text) {
      throw ARMError(
        400, "BadArgument",
        "the \(field) '\(text)' is none; expected letters, digits, '.', '_' and '-' without '..'",
        target: field)
    }
    var (wanted, uri, takesNext) = try armDocument { () throws(DocumentError) in
      try Self.asset(document, name: name, version: version)
    }
    if takesNext {
      wanted.version = try armControl { () throws(ControlError) in
        try control.nextDataVersion(of: name)
      }
    }
    let (key, number) = (wanted.name, wanted.version)
    let current = try armControl { () throws(ControlError) in
      try present(key, version: number)
    }
    if let current, uri == nil || uri == current.path {
      // Only words change.
      var changed = wanted
      (changed.type, changed.path) = (current.type, current.path)
      let asset = changed
      return try armControl { () throws(ControlError) in
        try control.putDataAsset(asset, by: request.actor)
      }
    }
    guard current == nil else {
      throw ARMError(
        409, "Conflict",
        "data asset \(name):\(wanted.version) exists; a version never changes: register another one"
      )
    }
    guard let uri else {
      throw ARMError(
        400, "BadArgument", "$.properties.dataUri is missing", target: "$.properties.dataUri")
    }
    wanted.path = try place(uri, isFile: wanted.type == "uri_file", request)
    let asset = wanted
    return try desk.keeping(asset) { () throws(ARMError) in
      try armControl { () throws(ControlError) in
        try control.putDataAsset(asset, by: request.actor)
      }
    }
  }

  /// nil where there is none of them.
  private func present(_ name: String, version: String) throws(ControlError) -> DataAsset? {
    do throws(ControlError) {
      return try control.dataAsset(name, version: version)
    } catch .notFound {
      return nil
    }
  }

  private static func asset(
    _ document: Document, name: String, version: String
  ) throws(DocumentError) -> (DataAsset, uri: String?, takesNext: Bool) {
    var body = try ARMBody(document.value, source: document.source, path: document.path)
    var properties = try ARM.properties(&body, document)
    let type = try properties.text("dataType") ?? "uri_folder"
    guard ["uri_folder", "uri_file"].contains(type.lowercased()) else {
      throw .value(
        source: document.source, path: "$.properties.dataType",
        expected: "'uri_folder' or 'uri_file'", received: "'\(type)'")
    }
    var asset = DataAsset(name: name, version: version, type: type.lowercased(), path: "")
    asset.description = try properties.text("description")
    asset.tags = try properties.texts("tags")
    asset.properties = try properties.texts("properties")
    asset.isArchived = try properties.flag("isArchived") ?? false
    let takesNext = asset.properties.removeValue(forKey: ARM.autoVersionKey) == "true"
    return (asset, try properties.text("dataUri"), takesNext)
  }

  /// The address in the datastore: what is there already, or a copy of a local file or folder.
  private func place(
    _ uri: String, isFile: Bool, _ request: AdminRequest
  ) throws(ARMError) -> String {
    let field = "$.properties.dataUri"
    func fault(_ reason: String) -> ARMError {
      ARMError(400, "BadArgument", "\(field): \(reason)", target: field)
    }
    let address: DataAddress
    do { address = try DataAddress(uri) } catch { throw fault(error.reason) }
    func stored<Result>(_ body: () throws(StoreError) -> Result) throws(ARMError) -> Result {
      do { return try body() } catch { throw fault("'\(uri)': \(error)") }
    }
    let datastore = desk.datastore
    switch address {
    case .asset:
      throw fault("'\(uri)' is a data asset itself; name the data")
    case .datastore(let path):
      if let reason = DataPlaces.sharedFolder(path) { throw fault("'\(uri)' \(reason)") }
      let found = try stored { () throws(StoreError) in
        try ContainedFolder(datastore).kind(of: path).kind
      }
      guard found == (isFile ? .file : .folder) else {
        throw fault(
          "'\(uri)' is no \(isFile ? "file (type: uri_file)" : "folder (type: uri_folder)")")
      }
      return DataAddress.text(datastorePath: path)
    case .local(let path):
      let lease = try armUpload { () throws(UploadError) in try uploads.lease(on: [path]) }
      guard lease != nil || request.caller.isLocal else {
        throw fault(
          "'\(path)' is a path of the gateway's machine, which only its owner may name; over TCP "
            + "data is uploaded first, as 'swerve --url' does")
      }
      if let reason = DataPlaces.overlap(of: path, and: datastore) { throw fault(reason) }
      return try withExtendedLifetime(lease) { () throws(ARMError) in
        try stored { () throws(StoreError) in
          DataAddress.text(
            datastorePath: try DataCopies(datastore: datastore).add(path, isFile: isFile))
        }
      }
    }
  }
}
