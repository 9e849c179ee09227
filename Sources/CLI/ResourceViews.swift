import Documents
import Gateway
import Serving

/// The control plane's bodies as `az ml … show` prints them: the YAML schema's names, with the
/// read-only members behind.
enum ResourceViews {
  static func endpoint(_ body: DocumentValue) throws(CommandFailure) -> DocumentValue {
    try resource(
      body,
      [
        ("scoring_uri", property(body, "scoringUri")),
        ("openapi_uri", property(body, "swaggerUri")),
      ]
    ) { (name, body) throws(DocumentError) in try ARM.endpoint(name: name, body: body).yaml }
  }

  static func deployment(
    _ body: DocumentValue, endpoint: String
  ) throws(CommandFailure) -> DocumentValue {
    try resource(
      body,
      [
        ("execution", member(member(body, "swerve"), "execution")),
        ("provisioning_error", member(member(body, "swerve"), "failure")),
      ]
    ) { (name, body) throws(DocumentError) in
      try ARM.deployment(name: name, endpoint: endpoint, body: body).yaml
    }
  }

  static func batchEndpoint(_ body: DocumentValue) throws(CommandFailure) -> DocumentValue {
    try resource(body, [("scoring_uri", property(body, "scoringUri"))]) {
      (name, body) throws(DocumentError) in
      try ARM.batchEndpoint(name: name, body: body).yaml
    }
  }

  static func batchDeployment(
    _ body: DocumentValue, endpoint: String
  ) throws(CommandFailure) -> DocumentValue {
    try resource(
      body,
      [
        ("model_version", member(member(body, "swerve"), "model")),
        ("provisioning_error", member(member(body, "swerve"), "failure")),
      ]
    ) { (name, body) throws(DocumentError) in
      try ARM.batchDeployment(name: name, endpoint: endpoint, body: body).yaml
    }
  }

  /// - Parameters:
  ///   - more: Read-only members beside those that every resource has.
  ///   - yaml: The resource of this name and body, in the YAML schema's form.
  private static func resource(
    _ body: DocumentValue, _ more: [(String, DocumentValue)],
    yaml: (String, Document) throws(DocumentError) -> DocumentValue
  ) throws(CommandFailure) -> DocumentValue {
    // Azure names a deployment `endpoint/deployment` in some answers.
    let name = text(body, "name")?.split(separator: "/").last.map(String.init) ?? ""
    do {
      return merged(
        try yaml(name, Document(body, source: "the gateway's answer")),
        [
          ("id", member(body, "id")),
          ("provisioning_state", property(body, "provisioningState")),
        ] + more)
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  static func job(_ body: DocumentValue) -> DocumentValue {
    let own = property(body, "swerve")
    let progress = member(own, "progress")
    var view = DocumentObject()
    for (name, value) in [
      ("name", member(body, "name")), ("status", property(body, "status")),
      ("reason", member(own, "reason")), ("endpoint_name", member(own, "endpoint")),
      ("deployment_name", member(own, "deployment")), ("model", member(own, "model")),
      ("input", member(own, "input")), ("glob", member(own, "glob")),
      ("output", member(own, "output")), ("output_file_name", member(own, "outputFileName")),
      ("scored_rows", member(progress, "scoredRows")),
      ("failed_rows", member(progress, "failedRows")),
      ("failed_rows_file", member(own, "failedRows")),
      ("files", member(progress, "files")), ("total_files", member(progress, "totalFiles")),
      ("experiment_name", property(body, "experimentName")),
      ("created_at", member(own, "createdAt")), ("created_by", member(own, "actor")),
      ("started_at", member(own, "startedAt")), ("ended_at", member(own, "endedAt")),
      ("properties", property(body, "properties")), ("id", member(body, "id")),
    ] where value != .null {
      view[name] = value
    }
    return .object(view)
  }

  static func data(_ body: DocumentValue) -> DocumentValue {
    let parts = (text(body, "id") ?? "").split(separator: "/").map { String($0) }
    var view = DocumentObject()
    view["name"] = .string(parts.count >= 3 ? parts[parts.count - 3] : "")
    view["version"] = member(body, "name")
    for (yaml, arm) in [
      ("type", "dataType"), ("path", "dataUri"), ("description", "description"),
      ("tags", "tags"), ("properties", "properties"), ("is_archived", "isArchived"),
    ] {
      let value = property(body, arm)
      if value != .null { view[yaml] = value }
    }
    view["id"] = member(body, "id")
    return .object(view)
  }

  /// A model version, or a container of versions.
  static func model(_ body: DocumentValue, name: String? = nil) -> DocumentValue {
    let properties = DocumentValue.object(object(member(body, "properties")))
    var view = DocumentObject()
    view["name"] = .string(name ?? modelName(of: body))
    view["version"] = member(body, "name")
    for (yaml, arm) in [
      ("type", "modelType"), ("path", "modelUri"), ("description", "description"),
      ("tags", "tags"), ("properties", "properties"), ("stage", "stage"),
      ("is_archived", "isArchived"),
    ] {
      view[yaml] = member(properties, arm)
    }
    // What only this gateway says.
    view["content_hash"] = member(properties, "swerve.contentHash")
    for (name, value) in object(member(properties, "inspection")).members { view[name] = value }
    view["used_by"] = member(properties, "usedBy")
    view["files"] = member(properties, "files")
    if case .object(let system) = member(body, "systemData") {
      view["creation_context"] = .object(
        DocumentObject([
          "created_at": system["createdAt"] ?? .null,
          "last_modified_at": system["lastModifiedAt"] ?? .null,
        ]))
    }
    view["id"] = member(body, "id")
    return .object(view)
  }

  /// The elements of a list answer.
  static func elements(_ body: DocumentValue) -> [DocumentValue] {
    if case .array(let values) = member(body, "value") { return values }
    return []
  }

  static func member(_ value: DocumentValue, _ name: String) -> DocumentValue {
    object(value)[name] ?? .null
  }

  static func text(_ value: DocumentValue, _ name: String) -> String? {
    if case .string(let text) = member(value, name) { return text }
    return nil
  }

  static func property(_ value: DocumentValue, _ name: String) -> DocumentValue {
    member(member(value, "properties"), name)
  }

  private static func object(_ value: DocumentValue) -> DocumentObject {
    if case .object(let object) = value { return object }
    return DocumentObject()
  }

  private static func merged(
    _ value: DocumentValue, _ more: [(String, DocumentValue)]
  ) -> DocumentValue {
    var whole = object(value)
    for (name, value) in more where value != .null { whole[name] = value }
    return .object(whole)
  }

  /// From `…/models/churn/versions/3`.
  private static func modelName(of body: DocumentValue) -> String {
    let parts = (text(body, "id") ?? "").split(separator: "/")
    guard let index = parts.lastIndex(where: { $0.lowercased() == "models" }),
      index + 1 < parts.count
    else { return "" }
    return String(parts[index + 1])
  }
}
