internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

extension AdminHandler {
  func models(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let view = try listView(request)
    let models = try armRegistry { () throws(RegistryError) in try registry.models(view) }
    var values: [DocumentValue] = []
    for model in models { values.append(try container(model, request)) }
    return .document(status: 200, ["value": .array(values)])
  }

  func model(_ name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      return .document(status: 200, try container(try newest(of: name), request))
    case .put, .patch:
      let document = try request.document()
      let isArchived = try armDocument { () throws(DocumentError) in
        var body = try ARMBody(document.value, source: document.source, path: "$")
        guard var properties = try body.body("properties") else { return Bool?.none }
        return try properties.flag("isArchived")
      }
      guard let isArchived else {
        throw ARMError(
          400, "BadArgument", "of a model's container only properties.isArchived can be set",
          target: "$.properties.isArchived")
      }
      try armRegistry { () throws(RegistryError) in
        try registry.setArchived(isArchived, name: name)
      }
      return .document(status: 200, try container(try newest(of: name), request))
    case .head, .post, .delete, .options, .trace:
      throw request.notAllowed("GET, PUT, PATCH")
    }
  }

  func versions(of name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let view = try listView(request)
    var versions = try armRegistry { () throws(RegistryError) in
      try registry.versions(of: name, view)
    }
    // Newest first is the registry's own order.
    if request.query["$orderby"]?.lowercased().hasSuffix(" asc") == true { versions.reverse() }
    if let top = request.query["$top"] {
      guard let count = Int(top), count >= 0 else {
        throw ARMError(400, "BadArgument", "$top is '\(top)'; expected a count", target: "$top")
      }
      versions = Array(versions.prefix(count))
    }
    var values: [DocumentValue] = []
    for version in versions { values.append(try body(of: version, request)) }
    return .document(status: 200, ["value": .array(values)])
  }

  func version(
    _ version: String, of name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      return .document(status: 200, try body(of: try find(name, version), request))
    case .put:
      return try putVersion(version, of: name, request)
    case .patch:
      let document = try request.document()
      let changed = try change(try find(name, version), by: document)
      return .document(status: 200, try body(of: changed, request))
    case .delete:
      try armControl { () throws(ControlError) in
        try control.deleteModel(name: name, version: version, by: request.actor)
      }
      return HTTPResponse(status: 200)
    case .head, .post, .options, .trace:
      throw request.notAllowed("GET, PUT, PATCH, DELETE")
    }
  }

  /// A file of the package, from inside the package's folder.
  func packageFile(
    _ file: String, version: String, of name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let found = try find(name, version)
    guard found.files.contains(where: { $0.path == file }) else {
      throw ARMError(
        404, "ResourceNotFound",
        "model \(name):\(version) has no file '\(file)'; it has "
          + found.files.prefix(20).map(\.path).joined(separator: ", "))
    }
    let descriptor: Int32
    do {
      descriptor = try ContainedFolder(
        registry.packagePath(name: found.name, version: found.version)
      ).open(file)
    } catch {
      throw ARMError(500, "ModelCorrupt", error.description)
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      close(descriptor)
      throw ARMError(500, "ModelCorrupt", "\(file) cannot be read")
    }
    return HTTPResponse(
      status: 200, headers: [("Content-Type", "application/octet-stream")],
      body: .file(descriptor: descriptor, byteCount: Int(status.st_size)))
  }

  // MARK: Parts

  /// Registers a new version, or changes what may change of one that exists.
  private func putVersion(
    _ version: String, of name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    let document = try request.document()
    var registration = try armDocument { () throws(DocumentError) in
      try ARM.model(name: name, version: version, body: document)
    }
    registration.properties["swerve.contentHash"] = nil
    let existing = try armRegistry { () throws(RegistryError) in
      try registration.version.flatMap { (version) throws(RegistryError) in
        try registry.existing(name: name, version: version)
      }
    }
    if let existing, registration.path == modelURI(existing) {
      // A client's GET → PUT: the content is the package itself.
      let changed = try change(existing, by: document)
      return .document(status: 200, try body(of: changed, request))
    }
    let wanted = registration
    let lease = try packageLease(on: wanted, field: "$.properties.modelUri", request)
    let (registered, created) = try withExtendedLifetime(lease) { () throws(ARMError) in
      try armControl { () throws(ControlError) in
        try control.registerModel(wanted, by: request.actor)
      }
    }
    let current = created ? registered : try change(registered, by: document)
    return .document(status: created ? 201 : 200, try body(of: current, request))
  }

  /// Members that are absent stay as they are.
  private func change(
    _ version: ModelVersion, by document: Document
  ) throws(ARMError) -> ModelVersion {
    let wanted = try armDocument { () throws(DocumentError) in
      var wanted = version
      var body = try ARMBody(document.value, source: document.source, path: "$")
      guard var properties = try body.body("properties") else { return wanted }
      if let text = try properties.text("description") { wanted.description = text }
      if let stage = try properties.text("stage") { wanted.stage = stage }
      if let flag = try properties.flag("isArchived") { wanted.isArchived = flag }
      if properties.value("tags") != nil { wanted.tags = try properties.texts("tags") }
      if properties.value("properties") != nil {
        wanted.properties = try properties.texts("properties")
        wanted.properties["swerve.contentHash"] = nil
        wanted.properties["swerve.extraFiles"] = nil
        wanted.properties[ARM.autoVersionKey] = nil
      }
      return wanted
    }
    return try armRegistry { () throws(RegistryError) in
      try registry.update(name: version.name, version: version.version) {
        $0.description = wanted.description
        $0.stage = wanted.stage
        $0.isArchived = wanted.isArchived
        $0.tags = wanted.tags
        $0.properties = wanted.properties
      }
    }
  }

  private func find(_ name: String, _ version: String) throws(ARMError) -> ModelVersion {
    try armRegistry { () throws(RegistryError) in
      try registry.find(name: name, version: version)
    }
  }

  private func newest(of name: String) throws(ARMError) -> ModelVersion {
    let versions = try armRegistry { () throws(RegistryError) in
      try registry.versions(of: name, .all)
    }
    guard let newest = versions.first else {
      throw ARMError(RegistryError.notFound(name: name, version: nil, known: []))
    }
    return newest
  }

  private func container(
    _ version: ModelVersion, _ request: AdminRequest
  ) throws(ARMError) -> DocumentValue {
    let (next, versions) = try armRegistry { () throws(RegistryError) in
      (
        try registry.nextVersion(of: version.name),
        try registry.versions(of: version.name, .all)
      )
    }
    return request.responses.model(
      version, nextVersion: next, isArchived: versions.allSatisfy(\.isArchived))
  }

  private func body(
    of version: ModelVersion, _ request: AdminRequest
  ) throws(ARMError) -> DocumentValue {
    let users = try armControl { () throws(ControlError) in
      try control.deployments(using: version.name, version: version.version)
    }
    return request.responses.modelVersion(
      version, package: registry.packagePath(name: version.name, version: version.version),
      usedBy: users)
  }

  private func modelURI(_ version: ModelVersion) -> String {
    registry.packagePath(name: version.name, version: version.version) + "/" + version.artifact
  }

  private func listView(_ request: AdminRequest) throws(ARMError) -> ModelRegistry.ListView {
    switch request.query["listviewtype"]?.lowercased() {
    case nil, "", "activeonly": return .active
    case "archivedonly": return .archived
    case "all": return .all
    case let other?:
      throw ARMError(
        400, "BadArgument",
        "listViewType is '\(other)'; expected ActiveOnly, ArchivedOnly or All",
        target: "listViewType")
    }
  }
}
