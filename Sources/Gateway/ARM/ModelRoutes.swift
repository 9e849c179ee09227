internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

/// `{WS}/models/…`.
struct ModelRoutes {
  let routes: AdminRoutes
  let request: AdminRequest

  private var control: ControlPlane { routes.control }
  private var registry: ModelRegistry { routes.registry }

  func answer(_ path: [String]) throws(ControlError) -> HTTPResponse {
    switch path.count {
    case 0:
      guard request.method == .get else { return routes.methodNotAllowed("GET") }
      let view = try view()
      let models = try reading { () throws(RegistryError) in try registry.models(view) }
      var list: [DocumentValue] = []
      for model in models { list.append(try container(model)) }
      return AdminAnswer.list(list)
    case 1:
      return try container(named: path[0])
    case 2 where path[1].lowercased() == "versions":
      guard request.method == .get else { return routes.methodNotAllowed("GET") }
      return try versions(of: path[0])
    case 3 where path[1].lowercased() == "versions":
      return try version(path[2], of: path[0])
    case 5... where path[1].lowercased() == "versions" && path[3].lowercased() == "package":
      guard request.method == .get else { return routes.methodNotAllowed("GET") }
      return try file(
        path.dropFirst(4).joined(separator: "/"), name: path[0], version: path[2])
    default:
      return routes.notFound(request)
    }
  }

  // MARK: A name

  private func container(named name: String) throws(ControlError) -> HTTPResponse {
    switch request.method {
    case .get:
      return AdminAnswer.json(200, try container(try newest(of: name)))
    case .put, .patch:
      let isArchived = try routes.reading { () throws(DocumentError) in
        let properties = ARM.Members(ARM.Members(try request.document().value)["properties"])
        return properties["isArchived"] == .bool(true)
      }
      _ = try newest(of: name)
      try reading { () throws(RegistryError) in
        try registry.setArchived(isArchived, name: name)
      }
      return AdminAnswer.json(200, try container(try newest(of: name)))
    case .delete, .head, .post, .options:
      return routes.methodNotAllowed("GET, PUT, PATCH")
    }
  }

  private func container(_ newest: ModelVersion) throws(ControlError) -> DocumentValue {
    let next = try reading { () throws(RegistryError) in
      try registry.nextVersion(of: newest.name)
    }
    return routes.resources(request).modelContainer(newest, nextVersion: next)
  }

  private func newest(of name: String) throws(ControlError) -> ModelVersion {
    try reading { () throws(RegistryError) in
      try registry.resolve(ModelReference(name: name, revision: .latest))
    }
  }

  private func versions(of name: String) throws(ControlError) -> HTTPResponse {
    let view = try view()
    _ = try newest(of: name)
    var versions = try reading { () throws(RegistryError) in
      try registry.versions(of: name, view)
    }
    if let order = request.query["$orderby"]?.lowercased(), order.hasSuffix(" asc") {
      versions.reverse()
    }
    if let top = request.query["$top"].flatMap({ Int($0) }), top >= 0 {
      versions = Array(versions.prefix(top))
    }
    var list: [DocumentValue] = []
    for version in versions { list.append(try body(of: version)) }
    return AdminAnswer.list(list)
  }

  // MARK: A version

  private func version(_ version: String, of name: String) throws(ControlError) -> HTTPResponse {
    switch request.method {
    case .get:
      return AdminAnswer.json(200, try body(of: try find(name, version)))
    case .put:
      return try put(name: name, version: version)
    case .delete:
      try control.deleteModel(name: name, version: version, by: request.actor)
      return AdminAnswer.noContent
    case .patch, .head, .post, .options:
      return routes.methodNotAllowed("GET, PUT, DELETE")
    }
  }

  private func find(_ name: String, _ version: String) throws(ControlError) -> ModelVersion {
    try reading { () throws(RegistryError) in try registry.find(name: name, version: version) }
  }

  /// Registers a version, or changes what may change of one that exists: Azure's clients send
  /// back the whole of what they got, with its own path.
  private func put(name: String, version: String) throws(ControlError) -> HTTPResponse {
    let asked = try routes.reading { () throws(DocumentError) in
      let document = try request.document()
      let properties = ARM.Members(ARM.Members(document.value)["properties"])
      let registration = try ARM.model(name: name, version: version, body: document)
      return (registration: registration, isArchived: properties["isArchived"])
    }
    let existing: ModelVersion?
    do {
      existing = try registry.find(name: name, version: version)
    } catch .notFound {
      existing = nil
    } catch {
      throw .registry(error)
    }
    var created = false
    let isSamePlace = existing.map { asked.registration.path == place(of: $0) } ?? false
    if !isSamePlace {
      created = try control.registerModel(asked.registration, by: request.actor).created
    }
    if !created {
      _ = try reading { () throws(RegistryError) in
        try registry.update(name: name, version: version) { model in
          model.description = asked.registration.description
          model.tags = asked.registration.tags
          model.properties = asked.registration.properties
          model.stage = asked.registration.stage
          if case .bool(let isArchived)? = asked.isArchived { model.isArchived = isArchived }
        }
      }
    }
    return AdminAnswer.json(created ? 201 : 200, try body(of: try find(name, version)))
  }

  /// Where the artifact lies in the workspace.
  private func place(of version: ModelVersion) -> String {
    registry.packagePath(name: version.name, version: version.version) + "/" + version.artifact
  }

  private func body(of version: ModelVersion) throws(ControlError) -> DocumentValue {
    routes.resources(request).model(
      version,
      usedBy: try control.deployments(using: version.name, version: version.version),
      path: place(of: version))
  }

  private func file(
    _ path: String, name: String, version: String
  ) throws(ControlError) -> HTTPResponse {
    let model = try find(name, version)
    guard model.files.contains(where: { $0.path == path }) else {
      return AdminAnswer.error(
        status: 404, code: "ResourceNotFound",
        message: "model \(name):\(version) has no file '\(path)'")
    }
    do {
      let folder = try ContainedFolder(registry.packagePath(name: name, version: version))
      let descriptor = try folder.open(path)
      var status = stat()
      guard fstat(descriptor, &status) == 0 else {
        close(descriptor)
        throw StoreError.io(path: path, operation: "read its size", reason: "fstat failed")
      }
      return HTTPResponse(
        status: 200, headers: [("Content-Type", "application/octet-stream")],
        body: .file(descriptor: descriptor, byteCount: Int(status.st_size)))
    } catch {
      throw .store(error)
    }
  }

  // MARK: Parts

  private func view() throws(ControlError) -> ModelRegistry.ListView {
    switch request.query["listviewtype"]?.lowercased() {
    case nil, "activeonly": return .active
    case "archivedonly": return .archived
    case "all": return .all
    case .some(let other):
      throw .invalid(
        field: "listViewType", reason: "is '\(other)'; expected ActiveOnly, ArchivedOnly or All")
    }
  }

  private func reading<Result>(
    _ body: () throws(RegistryError) -> Result
  ) throws(ControlError) -> Result {
    do {
      return try body()
    } catch {
      throw .registry(error)
    }
  }
}
