internal import Documents
internal import Registry
internal import Serving

#if canImport(Glibc)
  internal import Glibc
#endif

/// What `GET` answers for each resource. Source: `AZUREML.md` §7.4, "What responses must contain".
struct ARMResponses {
  static let provider = "Microsoft.MachineLearningServices/workspaces"

  /// `/subscriptions/…/workspaces/{w}` as the client wrote it.
  let workspace: String
  let scoringAddress: String

  func endpoint(_ record: EndpointRecord) -> DocumentValue {
    let specification = record.specification
    let address = "\(scoringAddress)/endpoints/\(specification.name)"
    var body = resource(
      path: "onlineEndpoints/\(specification.name)", name: specification.name,
      type: "onlineEndpoints", created: record.createdAt, modified: record.modifiedAt)
    body["kind"] = "Managed"
    let extra: DocumentValue = [
      "scoringUri": .string("\(address)/score"),
      "swaggerUri": .string("\(address)/swagger.json"),
      "provisioningState": .string(record.provisioningState),
    ]
    merge(ARM.body(of: specification), extra, into: &body)
    body["swerve"] = ["generation": .integer(record.generation)]
    return .object(body)
  }

  func deployment(_ record: DeploymentRecord) -> DocumentValue {
    let specification = record.specification
    var body = resource(
      path: "onlineEndpoints/\(specification.endpointName)/deployments/\(specification.name)",
      name: specification.name, type: "onlineEndpoints/deployments", created: record.createdAt,
      modified: record.modifiedAt)
    body["kind"] = "Managed"
    merge(
      ARM.body(of: specification), ["provisioningState": .string(record.provisioningState)],
      into: &body)
    var own = DocumentObject()
    own["generation"] = .integer(record.generation)
    own["model"] = record.model.map { .string($0) }
    own["execution"] = record.execution.map { .string($0) }
    if let failure = record.failure {
      own["failure"] = ["code": .string(failure.code), "message": .string(failure.message)]
    }
    body["swerve"] = .object(own)
    return .object(body)
  }

  func modelVersion(
    _ version: ModelVersion, package: String, usedBy: [String]
  ) -> DocumentValue {
    var body = resource(
      path: "models/\(version.name)/versions/\(version.version)", name: version.version,
      type: "models/versions", created: version.createdAt, modified: version.modifiedAt)
    var properties = DocumentObject()
    properties["description"] = version.description.map { .string($0) }
    properties["tags"] = .texts(version.tags)
    properties["properties"] = .texts(version.properties)
    properties["flavors"] = .object(DocumentObject())
    properties["modelType"] = .string(version.type)
    properties["modelUri"] = .string("\(package)/\(version.artifact)")
    properties["stage"] = version.stage.map { .string($0) }
    properties["isArchived"] = .bool(version.isArchived)
    properties["isAnonymous"] = false
    properties["provisioningState"] = "Succeeded"
    properties["swerve.contentHash"] = .string(version.contentHash)
    properties["files"] = .array(
      version.files.map {
        [
          "path": .string($0.path), "bytes": .integer(Int64($0.byteCount)),
          "sha256": .string($0.sha256),
        ]
      })
    properties["inspection"] = version.inspection
    properties["usedBy"] = .array(usedBy.map { .string($0) })
    body["properties"] = .object(properties)
    return .object(body)
  }

  func model(_ newest: ModelVersion, nextVersion: String, isArchived: Bool) -> DocumentValue {
    var body = resource(
      path: "models/\(newest.name)", name: newest.name, type: "models",
      created: newest.createdAt, modified: newest.modifiedAt)
    var properties = DocumentObject()
    properties["description"] = newest.description.map { .string($0) }
    properties["tags"] = .texts(newest.tags)
    properties["properties"] = .object(DocumentObject())
    properties["isArchived"] = .bool(isArchived)
    properties["latestVersion"] = .string(newest.version)
    properties["nextVersion"] = .string(nextVersion)
    properties["provisioningState"] = "Succeeded"
    body["properties"] = .object(properties)
    return .object(body)
  }

  func operation(_ record: OperationRecord) -> DocumentValue {
    var body = DocumentObject()
    body["id"] = .string("/operations/\(record.id)")
    body["name"] = .string(record.id)
    body["status"] = .string(record.status)
    body["startTime"] = .string(ISOTime.text(milliseconds: record.startedAt))
    body["endTime"] = record.endedAt.map { .string(ISOTime.text(milliseconds: $0)) }
    body["percentComplete"] = record.status == "InProgress" ? 0.0 : 100.0
    if let failure = record.failure {
      body["error"] = ["code": .string(failure.code), "message": .string(failure.message)]
    }
    return .object(body)
  }

  func resource(
    path: String, name: String, type: String, created: Int64, modified: Int64
  ) -> DocumentObject {
    var body = DocumentObject()
    body["id"] = .string("\(workspace)/\(path)")
    body["name"] = .string(name)
    body["type"] = .string("\(Self.provider)/\(type)")
    body["location"] = "local"
    body["systemData"] = [
      "createdAt": .string(ISOTime.text(milliseconds: created)), "createdBy": "swerve",
      "createdByType": "Application",
      "lastModifiedAt": .string(ISOTime.text(milliseconds: modified)),
    ]
    return body
  }

  func merge(
    _ value: DocumentValue, _ extra: DocumentValue, into body: inout DocumentObject
  ) {
    guard case .object(let members) = value, case .object(let extra) = extra else { return }
    for (key, value) in members.members { body[key] = value }
    guard case .object(var properties)? = body["properties"] else { return }
    for (key, value) in extra.members { properties[key] = value }
    body["properties"] = .object(properties)
  }
}

/// Times as ARM bodies have them: `2026-01-31T12:00:00.250000Z`.
enum ISOTime {
  static func text(milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ number: some BinaryInteger, _ width: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    return "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-"
      + "\(padded(parts.tm_mday, 2))T\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):"
      + "\(padded(parts.tm_sec, 2)).\(padded(milliseconds % 1000, 3))000Z"
  }
}
