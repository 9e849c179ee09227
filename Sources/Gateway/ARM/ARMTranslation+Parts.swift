internal import Documents
internal import Registry
internal import Serving

// What the bodies of both families of endpoints and deployments have in common.

extension ARM {
  /// Where members that Azure may know and we do not are kept among the noted fields.
  static let unknownKey = "arm_properties"

  /// `azureml:churn:3` as an ARM id, without the workspace before it.
  static func modelID(_ reference: ModelReference) -> String {
    ModelReferenceText.text(reference)
  }

  static func properties(
    _ body: inout ARMBody, _ document: Document
  ) throws(DocumentError) -> ARMBody {
    guard let properties = try body.body("properties") else {
      throw .missingField(source: document.source, path: "\(document.path).properties")
    }
    return properties
  }

  /// Errors of the YAML form get the body's name before them.
  static func translated<Result>(
    _ document: Document, _ body: (String) throws(DocumentError) -> Result
  ) throws(DocumentError) -> Result {
    try body(document.source)
  }

  static func keepUnknown(_ noted: DocumentObject, in properties: inout DocumentObject) {
    guard case .object(let unknown)? = noted[unknownKey] else { return }
    for (key, value) in unknown.members where properties[key] == nil { properties[key] = value }
  }

  /// The way back of `keepUnknown`.
  static func noteUnknown(_ properties: ARMBody, in noted: inout DocumentObject) {
    if !properties.rest.isEmpty { noted[unknownKey] = .object(properties.rest) }
  }

  static func authMode(_ mode: EndpointSpecification.AuthMode) -> DocumentValue {
    switch mode {
    case .key: "Key"
    case .amlToken: "AMLToken"
    case .aadToken: "AADToken"
    }
  }

  /// An endpoint's body, of either family, around its properties.
  static func endpointBody(
    _ properties: DocumentObject, tags: [String: String], noted: DocumentObject
  ) -> DocumentValue {
    var properties = properties
    keepUnknown(noted, in: &properties)
    var body = DocumentObject()
    body["location"] = "local"
    body["tags"] = .texts(tags)
    if case .object(let identity)? = noted["identity"] { body["identity"] = identityBody(identity) }
    body["properties"] = .object(properties)
    return .object(body)
  }

  /// What endpoints of both families have, out of a body.
  static func endpointYAML(
    _ name: String, _ body: inout ARMBody, _ properties: inout ARMBody
  ) throws(DocumentError) -> DocumentObject {
    var yaml = DocumentObject()
    yaml["name"] = .string(name)
    yaml["tags"] = .texts(try body.texts("tags"))
    yaml["description"] = try properties.text("description").map { .string($0) }
    yaml["auth_mode"] = try properties.text("authMode").map { .string($0) }
    let noted = try FieldNames.yaml(&properties, FieldNames.endpoint)
    for (key, value) in noted.members { yaml[key] = value }
    yaml["identity"] = try identity(&body)
    properties.skip(
      "scoringUri", "swaggerUri", "provisioningState", "keys", "azureAsyncOperationUri")
    return yaml
  }

  /// What deployments of both families have, out of a body.
  static func deploymentYAML(
    _ name: String, _ endpoint: String, _ body: inout ARMBody, _ properties: inout ARMBody
  ) throws(DocumentError) -> DocumentObject {
    var yaml = DocumentObject()
    yaml["name"] = .string(name)
    yaml["endpoint_name"] = .string(endpoint)
    yaml["tags"] = .texts(try body.texts("tags"))
    yaml["description"] = try properties.text("description").map { .string($0) }
    properties.skip("provisioningState", "azureAsyncOperationUri")
    return yaml
  }

  static func identityBody(_ identity: DocumentObject) -> DocumentValue {
    var body = DocumentObject()
    for (key, value) in identity.members where key != "type" && key != "user_assigned_identities" {
      body[key] = value
    }
    if case .string(let type)? = identity["type"] {
      body["type"] = .string(
        type.split(separator: ",").map { part in
          part.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        }.joined(separator: ","))
    }
    if case .array(let identities)? = identity["user_assigned_identities"] {
      var ids = DocumentObject()
      for case .object(let object) in identities {
        if case .string(let id)? = object["resource_id"] { ids[id] = .object(DocumentObject()) }
      }
      body["userAssignedIdentities"] = .object(ids)
    }
    return .object(body)
  }

  static func identity(_ body: inout ARMBody) throws(DocumentError) -> DocumentValue? {
    guard var identity = try body.body("identity") else { return nil }
    var yaml = DocumentObject()
    if let type = try identity.text("type") {
      yaml["type"] = .string(
        type.split(separator: ",").map { part in
          part.lowercased().filter { $0 != " " } == "userassigned"
            ? "user_assigned" : "system_assigned"
        }.joined(separator: ","))
    }
    if case .object(let ids)? = identity.value("userAssignedIdentities"), !ids.isEmpty {
      yaml["user_assigned_identities"] = .array(
        ids.keys.map { ["resource_id": .string($0)] })
    }
    return .object(yaml)
  }

  static func json(_ value: DocumentValue) -> String {
    var writer = JSONWriter()
    writer.document(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
