package import Documents

/// A batch endpoint as its owner wrote it. Source: `AZUREML.md` §1.4.
package struct BatchEndpointSpecification: Sendable, Equatable {
  /// As written; compared without case.
  package var name: String
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  /// Azure has only `aad_token`; all are served with keys.
  package var authMode = EndpointSpecification.AuthMode.key
  /// `defaults: {deployment_name: …}`, in lower case: who answers when a caller names none.
  package var defaultDeployment: String?
  /// Fields with no meaning on one host, in YAML's names: kept, echoed back, reported once.
  package var noted = DocumentObject()

  package init(name: String) { self.name = name }

  /// Reads the YAML document. Unknown fields and bad values are errors with their path.
  package init(yaml document: Document) throws(DocumentError) {
    var fields = try FieldReader(document)
    name = try fields.createdName("name")
    description = try fields.text("description")
    tags = try fields.textMap("tags")
    properties = try fields.textMap("properties")
    if let mode = try fields.choice(
      "auth_mode", of: EndpointSpecification.AuthMode.allCases.map(\.rawValue))
    {
      authMode = EndpointSpecification.AuthMode(rawValue: mode) ?? .key
    }
    if var defaults = try fields.fields("defaults") {
      defaultDeployment = try defaults.text("deployment_name")?.lowercased()
      try defaults.finish()
    }
    noted = try fields.noted(NotedFields.endpoint)
    if let own = try fields.fields("swerve") { try own.finish() }
    fields.skip("$schema", "id", "kind", "location", "provisioning_state", "scoring_uri")
    try fields.finish()
  }

  /// The YAML schema's form, as `az ml batch-endpoint show` prints it (without the read-only
  /// members).
  package var yaml: DocumentValue {
    var object = DocumentObject()
    object["name"] = .string(name)
    if let description { object["description"] = .string(description) }
    object["auth_mode"] = .string(authMode.rawValue)
    if let defaultDeployment {
      object["defaults"] = ["deployment_name": .string(defaultDeployment)]
    }
    object["tags"] = .texts(tags)
    object["properties"] = .texts(properties)
    for (key, value) in noted.members { object[key] = value }
    return .object(object)
  }
}
