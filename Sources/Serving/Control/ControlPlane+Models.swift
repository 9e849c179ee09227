internal import Digest
internal import Documents
package import Registry
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

extension ControlPlane {
  /// `endpoint/deployment` of each deployment that uses this model version.
  package func deployments(using model: String, version: String) throws(ControlError) -> [String] {
    users(of: "\(model):\(version)", in: snapshot.catalog)
  }

  func users(of model: String, in catalog: Catalog) -> [String] {
    let online = catalog.deployments.values.filter { $0.uses(model) }
      .map { "\($0.record.specification.endpointName)/\($0.record.specification.name)" }
    let batch = catalog.batchDeployments.values.filter { $0.model == model }
      .map { "\($0.specification.endpointName)/\($0.specification.name) (batch)" }
    return online.sorted() + batch.sorted()
  }

  package func registerModel(
    _ registration: ModelRegistration, by actor: Actor
  ) throws(ControlError) -> (version: ModelVersion, created: Bool) {
    try registering { () throws(ControlError) -> (version: ModelVersion, created: Bool) in
      let staged = try stage(registration)
      guard staged.isNew else { return (staged.version, false) }
      do throws(ControlError) {
        try change { (_, store) throws(ControlError) in
          try commit(staged, store, by: actor)
        }
      } catch {
        registry.discard(staged)
        throw error
      }
      return (staged.version, true)
    }
  }

  package func deleteModel(
    name: String, version: String, by actor: Actor
  ) throws(ControlError) {
    let isKnown = try change { (state, store) throws(ControlError) in
      try deleteModel(name: name, version: version, in: state, store, by: actor)
    }
    guard isKnown else {
      // It tells which there are.
      do { _ = try registry.find(name: name, version: version) } catch { throw .registry(error) }
      throw .conflict("model \(name):\(version) was registered meanwhile; delete it again")
    }
    registry.removeFiles(ofDeleted: name, version: version)
  }

  // MARK: Steps

  /// False when there is no such version. When it is committed, its files are to be removed.
  func deleteModel(
    name: String, version: String, in state: ControlState, _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) -> Bool {
    // No other change happens meanwhile: no deployment begins to use it.
    let users = users(of: "\(name):\(version)", in: state.catalog)
    let findJobs = findJobs
    let isKnown: Bool
    do throws(RegistryError) {
      isKnown = try registry.delete(
        name: name, version: version, in: store.transaction
      ) { (transaction) throws(StoreError) in
        guard let findJobs else { return users }
        return users + (try findJobs(name, version, transaction))
      }
    } catch {
      throw .registry(error)
    }
    if isKnown {
      try store.audit("delete", "model \(name):\(version)", by: actor, at: currentTime())
    }
    return isKnown
  }

  func stage(_ registration: ModelRegistration) throws(ControlError) -> ModelRegistry.Staged {
    do { return try registry.stage(registration) } catch { throw .registry(error) }
  }

  func commit(
    _ staged: ModelRegistry.Staged, _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) {
    do throws(RegistryError) {
      try registry.commit(staged, in: store.transaction)
    } catch {
      throw .registry(error)
    }
    try store.audit(
      "create", "model \(staged.version.name):\(staged.version.version)", by: actor,
      at: currentTime(), body: ["content_hash": .string(staged.version.contentHash)])
  }

  /// Registers a model that a deployment brings with it, unless its content is known already.
  package func registerInline(
    _ registration: ModelRegistration, by actor: Actor = Actor(name: "deployment")
  ) throws(ControlError) -> ModelVersion {
    let staged = try stageInline(registration)
    if staged.isNew {
      do {
        try change { (_, store) throws(ControlError) in
          try commit(staged, store, by: actor)
        }
      } catch {
        registry.discard(staged)
        throw error
      }
    }
    return staged.version
  }

  /// Without a name it is called by the hash of its content, version 1. With a name and no
  /// version, the newest version is taken when it has the same content.
  func stageInline(
    _ registration: ModelRegistration
  ) throws(ControlError) -> ModelRegistry.Staged {
    var registration = registration
    if registration.name.isEmpty {
      registration.name = try ContentName.hash(of: registration.path)
      registration.version = registration.version ?? "1"
    }
    let staged = try stage(registration)
    guard registration.version == nil, staged.isNew else { return staged }
    let newest: ModelVersion?
    do throws(RegistryError) {
      newest = try registry.versions(of: registration.name, .all).first
    } catch {
      guard case .notFound = error else {
        registry.discard(staged)
        throw .registry(error)
      }
      newest = nil
    }
    guard let newest, newest.contentHash == staged.version.contentHash,
      newest.type == staged.version.type
    else { return staged }
    registry.discard(staged)
    registration.version = newest.version
    return try stage(registration)
  }
}

/// The name of a model that has none: SHA-256 over the paths and hashes of its files.
enum ContentName {
  static func hash(of path: String) throws(ControlError) -> String {
    var lines = ""
    try add(path, as: "", to: &lines, depth: 0)
    return SHA256.hex(of: Array(lines.utf8))
  }

  private static func add(
    _ path: String, as name: String, to lines: inout String, depth: Int
  ) throws(ControlError) {
    guard depth < 32 else {
      throw .invalid(field: "model.path", reason: "\(path): folders are nested too deep")
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw .invalid(
        field: "model.path", reason: "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      do {
        lines += "\(try SHA256.hex(ofFile: path)) \(name)\n"
      } catch {
        throw .invalid(field: "model.path", reason: error.description)
      }
      return
    }
    guard let stream = opendir(path) else {
      throw .invalid(
        field: "model.path", reason: "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    closedir(stream)
    for child in names.sorted() where child != "." && child != ".." {
      try add(path + "/" + child, as: name + "/" + child, to: &lines, depth: depth + 1)
    }
  }
}
