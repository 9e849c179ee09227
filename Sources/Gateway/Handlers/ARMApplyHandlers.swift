internal import Documents
internal import HTTP
internal import Registry
internal import Serving

extension AdminHandler {
  /// `{"documents": [{"path", "text", "upload": {"path", "files"}}], "prune", "dryRun"}`: a report
  /// of what was done. `upload` says where the document's package lies that was uploaded: the
  /// artifact's path, and by name those of the files beside it. `registered` names the version, by
  /// `name` and `version`, that has the document's files already.
  func apply(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .post else { throw request.notAllowed("POST") }
    let document = try request.document()
    var (documents, references, prune, dryRun) = try armDocument { () throws(DocumentError) in
      var body = try ARMBody(document.value, source: document.source, path: "$")
      guard case .array(let elements)? = body.value("documents") else {
        throw body.fault("documents", "a list of documents")
      }
      var documents: [ApplyDocument] = []
      var references: [Int: (name: String, version: String)] = [:]
      for (index, element) in elements.enumerated() {
        var item = try ARMBody(element, source: document.source, path: "$.documents[\(index)]")
        guard let path = try item.text("path"), path.hasPrefix("/") else {
          throw item.fault("path", "an absolute path")
        }
        guard let text = try item.text("text") else { throw item.fault("text", "a string") }
        var files = request.caller.isLocal ? ApplyDocument.Files.asNamed : .absent
        if var upload = try item.body("upload") {
          guard let artifact = try upload.text("path") else {
            throw upload.fault("path", "a path")
          }
          files = .uploaded(artifact: artifact, extraFiles: try upload.texts("files"))
        }
        if var registered = try item.body("registered") {
          guard let name = try registered.text("name"),
            let version = try registered.text("version")
          else { throw item.fault("registered", "a name and a version") }
          references[index] = (name, version)
        }
        documents.append(ApplyDocument(path: path, text: text, files: files))
      }
      return (
        documents, references, try body.flag("prune") ?? false, try body.flag("dryRun") ?? false
      )
    }
    for (index, reference) in references {
      let version = try armRegistry { () throws(RegistryError) in
        try registry.find(name: reference.name, version: reference.version)
      }
      documents[index].files = files(of: version)
    }
    var leases: [UploadStore.Lease] = []
    for (index, document) in documents.enumerated() {
      guard case .uploaded(let artifact, let extraFiles) = document.files,
        references[index] == nil
      else { continue }
      var package = ModelRegistration(name: "", version: nil, path: artifact)
      package.extraFiles = extraFiles
      let lease = try packageLease(
        on: package, field: "$.documents[\(index)].upload.path", request)
      if let lease { leases.append(lease) }
    }
    let report = try withExtendedLifetime(leases) { () throws(ARMError) in
      try armControl { () throws(ControlError) in
        try control.apply(
          documents, prune: prune, dryRun: dryRun, unit: .everything, by: request.actor)
      }
    }
    return .document(
      status: 200,
      [
        "changes": .array(
          report.changes.map {
            [
              "action": .string($0.action.rawValue), "resource": .string($0.resource),
              "detail": .string($0.detail),
            ]
          }),
        "notices": .array(report.notices.map { .string($0) }),
      ])
  }

  /// A registered package as the source of the same again.
  private func files(of version: ModelVersion) -> ApplyDocument.Files {
    let package = registry.packagePath(name: version.name, version: version.version)
    let beside = version.files.map(\.path).filter {
      !$0.contains("/") && $0 != version.artifact
    }
    return .uploaded(
      artifact: "\(package)/\(version.artifact)",
      extraFiles: Dictionary(
        beside.map { ($0, "\(package)/\($0)") }, uniquingKeysWith: { first, _ in first }))
  }

  /// What the process says of itself, and the state of each deployment.
  func status(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    guard case .object(var object) = processStatus() else {
      preconditionFailure("the status is an object")
    }
    object["ready"] = object["ready"] ?? .bool(control.isReady)
    object["deployments"] = .array(
      try armControl { () throws(ControlError) in
        var values: [DocumentValue] = []
        for endpoint in try control.endpoints() {
          for record in try control.deployments(of: endpoint.specification.name) {
            var value = DocumentObject()
            value["endpoint"] = .string(endpoint.specification.name)
            value["deployment"] = .string(record.specification.name)
            value["state"] = .string(record.provisioningState)
            value["model"] = record.model.map { .string($0) }
            value["reason"] = record.failure.map { .string($0.message) }
            values.append(.object(value))
          }
        }
        return values
      })
    return .document(status: 200, .object(object))
  }
}
