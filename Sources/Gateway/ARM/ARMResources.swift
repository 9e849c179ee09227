internal import Documents
internal import Registry
internal import Serving

/// What GET answers: a body with what only the gateway knows. Source: `AZUREML.md` §7.4.
struct ARMResources {
  /// The path of the workspace as the client wrote it.
  let workspacePath: String
  /// `http://127.0.0.1:8080`.
  let scoringAddress: String

  static let provider = "Microsoft.MachineLearningServices/workspaces"

  func endpoint(_ record: EndpointRecord) -> DocumentValue {
    let name = record.specification.name
    let base = "\(scoringAddress)/endpoints/\(name)"
    return resource(
      ARM.body(of: record.specification), id: "\(workspacePath)/onlineEndpoints/\(name)",
      name: name, type: "onlineEndpoints", created: record.createdAt,
      modified: record.modifiedAt,
      [
        "provisioningState": .string(record.provisioningState),
        "scoringUri": .string(base + "/score"), "swaggerUri": .string(base + "/swagger.json"),
      ])
  }

  func deployment(_ record: DeploymentRecord) -> DocumentValue {
    let specification = record.specification
    var more: DocumentObject = ["provisioningState": .string(record.provisioningState)]
    if let failure = record.failure {
      more["provisioningError"] = [
        "code": .string(failure.code), "message": .string(failure.message),
      ]
    }
    return resource(
      ARM.body(of: specification),
      id: "\(workspacePath)/onlineEndpoints/\(specification.endpointName)/deployments/"
        + specification.name,
      name: specification.name, type: "onlineEndpoints/deployments", created: record.createdAt,
      modified: record.modifiedAt, more)
  }

  /// - Parameter usedBy: `endpoint/deployment` of each that serves it.
  func model(_ version: ModelVersion, usedBy: [String], path: String) -> DocumentValue {
    var properties = DocumentObject()
    properties["modelType"] = .string(version.type)
    properties["modelUri"] = .string(path)
    if let description = version.description { properties["description"] = .string(description) }
    properties["tags"] = .texts(version.tags)
    properties["properties"] = .texts(version.properties)
    if let stage = version.stage { properties["stage"] = .string(stage) }
    properties["isArchived"] = .bool(version.isArchived)
    properties["isAnonymous"] = false
    properties["flavors"] = .object(DocumentObject())
    var own = DocumentObject()
    own["content_hash"] = .string(version.contentHash)
    if case .object(let inspection) = version.inspection {
      for (name, value) in inspection.members { own[name] = value }
    }
    own["used_by"] = .array(usedBy.map { .string($0) })
    own["files"] = .array(
      version.files.map { file in
        [
          "path": .string(file.path), "bytes": .integer(Int64(file.byteCount)),
          "sha256": .string(file.sha256),
        ]
      })
    return resource(
      ["properties": .object(properties)],
      id: "\(workspacePath)/models/\(version.name)/versions/\(version.version)",
      name: version.version, type: "models/versions", created: version.createdAt,
      modified: version.modifiedAt,
      ["provisioningState": "Succeeded", "swerve": .object(own)])
  }

  func modelContainer(_ newest: ModelVersion, nextVersion: String) -> DocumentValue {
    var properties = DocumentObject()
    properties["description"] = newest.description.map { .string($0) }
    properties["tags"] = .texts(newest.tags)
    properties["properties"] = .object(DocumentObject())
    properties["isArchived"] = .bool(newest.isArchived)
    properties["latestVersion"] = .string(newest.version)
    properties["nextVersion"] = .string(nextVersion)
    return resource(
      ["properties": .object(properties)], id: "\(workspacePath)/models/\(newest.name)",
      name: newest.name, type: "models", created: newest.createdAt, modified: newest.modifiedAt,
      ["provisioningState": "Succeeded"])
  }

  func operation(_ record: OperationRecord) -> DocumentValue {
    var body = DocumentObject()
    body["id"] = .string("/operations/\(record.id)")
    body["name"] = .string(record.id)
    body["status"] = .string(record.status)
    body["startTime"] = .string(ISOTime.text(milliseconds: record.startedAt))
    if let end = record.endedAt { body["endTime"] = .string(ISOTime.text(milliseconds: end)) }
    if let failure = record.failure {
      body["error"] = ["code": .string(failure.code), "message": .string(failure.message)]
    }
    return .object(body)
  }

  private func resource(
    _ body: DocumentValue, id: String, name: String, type: String, created: Int64,
    modified: Int64, _ more: DocumentObject
  ) -> DocumentValue {
    guard case .object(var whole) = body else { return body }
    whole["id"] = .string(id)
    whole["name"] = .string(name)
    whole["type"] = .string("\(ARMResources.provider)/\(type)")
    whole["systemData"] = [
      "createdAt": .string(ISOTime.text(milliseconds: created)),
      "lastModifiedAt": .string(ISOTime.text(milliseconds: modified)),
    ]
    if case .object(var properties)? = whole["properties"] {
      for (name, value) in more.members { properties[name] = value }
      whole["properties"] = .object(properties)
    }
    return .object(whole)
  }
}
