package import Documents

/// What a document describes: by the base name of its `$schema`, else by its members.
package enum DocumentKind: Sendable, Equatable {
  case onlineEndpoint
  case onlineDeployment
  case batchEndpoint
  case batchDeployment
  case model
  case data
  /// Something that `apply` skips, in words: `environment`, `schedule`.
  case other(String)

  package static func of(_ document: Document) -> DocumentKind {
    guard case .object(let object) = document.value else { return .other("no resource") }
    if case .string(let schema)? = object["$schema"],
      let kind = byBaseName[baseName(ofSchema: schema)]
    {
      return kind
    }
    return byMembers(Set(object.keys), type: object["type"])
  }

  /// `managedonlineendpoint` of `https://…/managedOnlineEndpoint.schema.json`.
  static func baseName(ofSchema schema: String) -> String {
    let file = schema.split(separator: "/").last ?? ""
    return file.split(separator: ".").first.map { $0.lowercased() } ?? ""
  }

  private static let byBaseName: [String: DocumentKind] = [
    "managedonlineendpoint": .onlineEndpoint,
    "kubernetesonlineendpoint": .onlineEndpoint,
    "onlineendpoint": .onlineEndpoint,
    "managedonlinedeployment": .onlineDeployment,
    "kubernetesonlinedeployment": .onlineDeployment,
    "onlinedeployment": .onlineDeployment,
    "model": .model,
    "batchendpoint": .batchEndpoint,
    "batchdeployment": .batchDeployment,
    "modelbatchdeployment": .batchDeployment,
    "pipelinecomponentbatchdeployment": .batchDeployment,
    "data": .data,
    "environment": .other("environment"),
    "pipelinejob": .other("pipeline job"),
    "commandjob": .other("command job"),
    "commandcomponent": .other("component"),
    "pipelinecomponent": .other("component"),
    "schedule": .other("schedule"),
    "modelpackage": .other("model package"),
    "workspace": .other("workspace"),
    "compute": .other("compute"),
    "amlcompute": .other("compute"),
    "datastore": .other("datastore"),
  ]

  private static func byMembers(_ keys: Set<String>, type: DocumentValue?) -> DocumentKind {
    func has(_ names: String...) -> Bool { !keys.isDisjoint(with: names) }
    let type = if case .string(let text)? = type { text } else { "" }
    if has("flavors") && has("mlflow_version", "artifact_path", "model_uuid") {
      return .other("MLflow model description")
    }
    if has("channels", "dependencies", "build_dependencies") {
      return .other("conda or pip environment")
    }
    if has("endpoint_name") {
      let isBatch =
        has("settings", "mini_batch_size", "job_definition", "component", "output_action")
        || type == "model" || type == "pipeline"
      return isBatch ? .batchDeployment : .onlineDeployment
    }
    if type == "pipeline" || has("jobs") { return .other("pipeline job") }
    if has("trigger") { return .other("schedule") }
    if has("auth_mode", "traffic", "mirror_traffic", "public_network_access") {
      return has("defaults") ? .batchEndpoint : .onlineEndpoint
    }
    if has("defaults") { return .batchEndpoint }
    if has("image", "conda_file", "build") { return .other("environment") }
    if type.hasPrefix("uri_") || type == "mltable" { return .data }
    if type.hasSuffix("_model") || (has("name") && has("path")) { return .model }
    return .other("unknown kind of document")
  }
}
