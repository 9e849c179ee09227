internal import BatchScoring
internal import Documents
internal import Serving

extension ARMResponses {
  func batchEndpoint(_ record: BatchEndpointRecord) -> DocumentValue {
    let specification = record.specification
    var body = resource(
      path: "batchEndpoints/\(specification.name)", name: specification.name,
      type: "batchEndpoints", created: record.createdAt, modified: record.modifiedAt)
    let address = "\(scoringAddress)/batch-endpoints/\(specification.name)/jobs"
    merge(
      ARM.body(of: specification),
      ["scoringUri": .string(address), "provisioningState": "Succeeded"], into: &body)
    body["swerve"] = ["generation": .integer(record.generation)]
    return .object(body)
  }

  func batchDeployment(_ record: BatchDeploymentRecord) -> DocumentValue {
    let specification = record.specification
    var body = resource(
      path: "batchEndpoints/\(specification.endpointName)/deployments/\(specification.name)",
      name: specification.name, type: "batchEndpoints/deployments", created: record.createdAt,
      modified: record.modifiedAt)
    merge(
      ARM.body(of: specification), ["provisioningState": .string(record.provisioningState)],
      into: &body)
    var own = DocumentObject()
    own["generation"] = .integer(record.generation)
    own["model"] = record.model.map { .string($0) }
    if let failure = record.failure {
      own["failure"] = ["code": .string(failure.code), "message": .string(failure.message)]
    }
    body["swerve"] = .object(own)
    return .object(body)
  }

  func dataAsset(_ asset: DataAsset) -> DocumentValue {
    var body = resource(
      path: "data/\(asset.name)/versions/\(asset.version)", name: asset.version,
      type: "data/versions", created: asset.createdAt, modified: asset.createdAt)
    body["properties"] = [
      "dataType": .string(asset.type), "dataUri": .string(asset.path),
      "description": asset.description.map { .string($0) } ?? .null, "tags": .texts(asset.tags),
      "properties": .texts(asset.properties), "isArchived": .bool(asset.isArchived),
      "isAnonymous": false,
    ]
    return .object(body)
  }

  func dataContainer(_ newest: DataAsset, nextVersion: String) -> DocumentValue {
    var body = resource(
      path: "data/\(newest.name)", name: newest.name, type: "data", created: newest.createdAt,
      modified: newest.createdAt)
    body["properties"] = [
      "dataType": .string(newest.type), "latestVersion": .string(newest.version),
      "nextVersion": .string(nextVersion), "isArchived": .bool(newest.isArchived),
      "description": newest.description.map { .string($0) } ?? .null,
      "tags": .texts(newest.tags), "properties": [:],
    ]
    return .object(body)
  }
}

/// A job as clients see it. Source: `AZUREML.md` §4.1, §7.4.
enum JobBody {
  /// For the data plane and the lists of an endpoint.
  ///
  /// - Parameter failedRows: The address of the list of rows that failed, as `JobDesk` has it.
  static func short(_ job: Job, failedRows: String?, workspace: String) -> DocumentValue {
    let path = "batchEndpoints/\(job.order.endpoint)/jobs/\(job.order.name)"
    return [
      "id": .string("\(workspace)/\(path)"), "name": .string(job.order.name),
      "type": .string("\(ARMResponses.provider)/batchEndpoints/jobs"),
      "properties": .object(properties(of: job, failedRows)),
    ]
  }

  /// `GET {WS}/jobs/{id}`.
  static func whole(
    _ job: Job, failedRows: String?, _ responses: ARMResponses
  ) -> DocumentValue {
    var body = responses.resource(
      path: "jobs/\(job.order.name)", name: job.order.name, type: "jobs", created: job.createdAt,
      modified: job.endedAt ?? job.startedAt ?? job.createdAt)
    body["location"] = nil
    var members = properties(of: job, failedRows)
    members["jobType"] = "Pipeline"
    members["jobs"] = [:]
    members["services"] = [:]
    members["tags"] = ["azureml.batchrun": "true"]
    members["inputs"] = [:]
    members["outputs"] = [
      "score": [
        "jobOutputType": "uri_folder", "mode": "ReadWriteMount",
        "uri": .string(job.order.output.address),
      ]
    ]
    body["properties"] = .object(members)
    return .object(body)
  }

  private static func properties(of job: Job, _ failedRows: String?) -> DocumentObject {
    let order = job.order
    var properties = DocumentObject()
    properties["status"] = .string(job.status.rawValue)
    properties["interactionEndpoints"] = [:]
    properties["displayName"] = .string(order.properties["displayName"] ?? order.name)
    properties["experimentName"] = .string(order.properties["experimentName"] ?? order.endpoint)
    properties["properties"] = .texts(
      order.properties.filter { $0.key != "displayName" && $0.key != "experimentName" })
    var own = DocumentObject()
    own["endpoint"] = .string(order.endpoint)
    own["deployment"] = .string(order.deployment)
    own["model"] = .string("\(order.model):\(order.modelVersion)")
    own["input"] = .string(order.input.address)
    own["glob"] = order.input.glob.map { .string($0) }
    own["output"] = .string(order.output.address)
    own["outputFileName"] = .string(order.settings.outputFileName)
    own["failedRows"] = failedRows.map { .string($0) }
    own["actor"] = .string(order.actor)
    own["reason"] = job.reason.map { .string($0) }
    own["createdAt"] = .string(ISOTime.text(milliseconds: job.createdAt))
    own["startedAt"] = job.startedAt.map { .string(ISOTime.text(milliseconds: $0)) }
    own["endedAt"] = job.endedAt.map { .string(ISOTime.text(milliseconds: $0)) }
    own["progress"] = progress(job.progress)
    properties["swerve"] = .object(own)
    return properties
  }

  private static func progress(_ progress: Job.Progress) -> DocumentValue {
    [
      "scoredRows": .integer(Int64(progress.scoredRows)),
      "failedRows": .integer(Int64(progress.failedRows)),
      "miniBatches": .integer(Int64(progress.miniBatches)),
      "files": .integer(Int64(progress.files)),
      "totalFiles": .integer(Int64(progress.totalFiles)),
      "readBytes": .integer(Int64(progress.readBytes)),
      "totalBytes": .integer(Int64(progress.totalBytes)),
    ]
  }
}
