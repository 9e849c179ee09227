package import Documents
package import Registry

extension ARM {
  /// The body of `PUT …/models/{name}/versions/{version}`; `modelUri` is an absolute path.
  package static func body(of registration: ModelRegistration) -> DocumentValue {
    var entries = registration.properties
    if !registration.extraFiles.isEmpty {
      entries[prefix + "extraFiles"] = json(.texts(registration.extraFiles))
    }
    var properties = DocumentObject()
    properties["modelType"] = .string(registration.type)
    properties["modelUri"] = .string(registration.path)
    if let description = registration.description {
      properties["description"] = .string(description)
    }
    properties["tags"] = .texts(registration.tags)
    properties["properties"] = .texts(entries)
    if let stage = registration.stage { properties["stage"] = .string(stage) }
    properties["isArchived"] = false
    properties["flavors"] = .object(DocumentObject())
    return ["properties": .object(properties)]
  }

  package static func model(
    name: String, version: String, body: Document
  ) throws(DocumentError) -> ModelRegistration {
    let properties = Members(Members(body.value)["properties"])
    func text(_ member: String) throws(DocumentError) -> String? {
      guard let value = properties[member] else { return nil }
      guard let text = value.scalarText else {
        throw .value(
          source: body.source, path: "$.properties.\(member)", expected: "a string",
          received: value.kindName)
      }
      return text
    }
    guard let path = try text("modelUri") else {
      throw .missingField(source: body.source, path: "$.properties.modelUri")
    }
    guard path.hasPrefix("/") else {
      throw .value(
        source: body.source, path: "$.properties.modelUri",
        expected: "an absolute path on the gateway's machine", received: "'\(path)'")
    }
    var registration = ModelRegistration(name: name, version: version, path: path)
    if let type = try text("modelType") {
      guard ["custom_model", "mlflow_model", "triton_model"].contains(type) else {
        throw .value(
          source: body.source, path: "$.properties.modelType",
          expected: "custom_model, mlflow_model or triton_model", received: "'\(type)'")
      }
      registration.type = type
    }
    registration.description = try text("description")
    registration.stage = try text("stage")
    registration.tags = try texts(properties["tags"], body.source, "tags")
    registration.properties = try texts(properties["properties"], body.source, "properties")
    if let files = registration.properties.removeValue(forKey: prefix + "extraFiles") {
      registration.extraFiles = try texts(
        try value(ofJSON: files, source: body.source, member: "extraFiles"), body.source,
        "properties['swerve.extraFiles']")
    }
    return registration
  }

  static func texts(
    _ value: DocumentValue?, _ source: String, _ member: String
  ) throws(DocumentError) -> [String: String] {
    guard let value else { return [:] }
    return try Document(value, source: source, path: "$.properties.\(member)").strings()
  }
}
