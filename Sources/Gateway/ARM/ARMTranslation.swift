package import Documents
package import Registry
package import Serving

// Azure Resource Manager bodies to our specifications and back. Source: `AZUREML.md` §7.4.
// Keys are read in any letter case, numbers may be strings, unknown properties are kept.
//
// A body is translated to the YAML schema's form and read by the same reader as a document, so
// that types and ranges are checked in one place. Our own settings travel as strings in
// `properties.properties["swerve.…"]`: a client's GET → PUT drops members it does not know.

package enum ARM {
  // MARK: Endpoints

  /// The body of `PUT …/onlineEndpoints/{name}`.
  package static func body(of specification: EndpointSpecification) -> DocumentValue {
    var properties = FieldNames.arm(specification.noted, FieldNames.endpoint)
    properties["authMode"] = authMode(specification.authMode)
    properties["description"] = specification.description.map { .string($0) }
    var own = specification.properties
    if specification.isOpen { own["swerve.auth"] = "none" }
    if specification.hidesErrors { own["swerve.errors"] = "hidden" }
    properties["properties"] = .texts(own)
    properties["traffic"] = .percents(specification.traffic)
    properties["mirrorTraffic"] = .percents(specification.mirrorTraffic)
    return endpointBody(properties, tags: specification.tags, noted: specification.noted)
  }

  package static func endpoint(
    name: String, body document: Document
  ) throws(DocumentError) -> EndpointSpecification {
    var body = try ARMBody(document.value, source: document.source, path: document.path)
    var properties = try self.properties(&body, document)
    var yaml = try endpointYAML(name, &body, &properties)
    yaml["traffic"] = properties.value("traffic")
    yaml["mirror_traffic"] = properties.value("mirrorTraffic")
    var own = try properties.texts("properties")
    var extensions = DocumentObject()
    for name in ["auth", "errors"] {
      if let value = own.removeValue(forKey: "swerve." + name) {
        extensions[name] = .string(value)
      }
    }
    yaml["properties"] = .texts(own)
    if !extensions.isEmpty { yaml["swerve"] = .object(extensions) }
    return try translated(document) { (source) throws(DocumentError) in
      var specification = try EndpointSpecification(yaml: Document(.object(yaml), source: source))
      noteUnknown(properties, in: &specification.noted)
      return specification
    }
  }

  // MARK: Deployments

  /// The body of `PUT …/deployments/{name}`. An inline model travels as
  /// `properties.properties["swerve.model.path"]` and its siblings.
  package static func body(of specification: DeploymentSpecification) -> DocumentValue {
    var properties = DocumentObject()
    properties["endpointComputeType"] = "Managed"
    for (key, value) in FieldNames.arm(specification.noted, FieldNames.deployment).members {
      properties[key] = value
    }
    var own = specification.properties
    properties["description"] = specification.description.map { .string($0) }
    switch specification.model {
    case .registered(let reference):
      properties["model"] = .string(modelID(reference))
    case .inline(let registration):
      add(registration, to: &own)
    case nil:
      properties["model"] = specification.noted["model"]
    }
    var settings = DocumentObject()
    settings["requestTimeout"] = .string(
      ISODuration.text(milliseconds: specification.requestTimeoutMs))
    settings["maxConcurrentRequestsPerInstance"] =
      specification.maxConcurrentRequestsPerInstance.map { .integer(Int64($0)) }
    settings["maxQueueWait"] = specification.maxQueueWaitMs.map {
      .string(ISODuration.text(milliseconds: $0))
    }
    properties["requestSettings"] = .object(settings)
    if properties["scaleSettings"] == nil {
      properties["scaleSettings"] = ["scaleType": "Default"]
    }
    if specification.execution != .automatic {
      own["swerve.execution"] = specification.execution.rawValue
    }
    if let batching = specification.batching {
      own["swerve.batching.max_batch_rows"] = String(batching.maxBatchRows)
      own["swerve.batching.max_queue_delay_ms"] = String(batching.maxQueueDelayMs)
    }
    if let outputs = specification.responseOutputs {
      own["swerve.response.outputs"] = json(.array(outputs.map { .string($0) }))
    }
    properties["properties"] = .texts(own)
    keepUnknown(specification.noted, in: &properties)
    return [
      "location": "local", "tags": .texts(specification.tags),
      "sku": ["name": "Default", "capacity": .integer(Int64(specification.instanceCount))],
      "properties": .object(properties),
    ]
  }

  package static func deployment(
    name: String, endpoint: String, body document: Document
  ) throws(DocumentError) -> DeploymentSpecification {
    var body = try ARMBody(document.value, source: document.source, path: document.path)
    var properties = try self.properties(&body, document)
    var yaml = try deploymentYAML(name, endpoint, &body, &properties)
    if var sku = try body.body("sku") { yaml["instance_count"] = sku.value("capacity") }
    if var settings = try properties.body("requestSettings") {
      yaml["request_settings"] = .object(try requestSettings(&settings))
    }
    var noted = try FieldNames.yaml(&properties, FieldNames.deployment)
    if noted["type"] == "managed" { noted["type"] = nil }
    if noted["scale_settings"] == ["type": "default"] { noted["scale_settings"] = nil }
    for (key, value) in noted.members { yaml[key] = value }

    var own = try properties.texts("properties")
    yaml["model"] = try model(properties.value("model"), &own, document)
    var extensions = DocumentObject()
    extensions["execution"] = own.removeValue(forKey: "swerve.execution").map { .string($0) }
    var batching = DocumentObject()
    for member in ["max_batch_rows", "max_queue_delay_ms"] {
      batching[member] = own.removeValue(forKey: "swerve.batching.\(member)").map { .string($0) }
    }
    if !batching.isEmpty { extensions["batching"] = .object(batching) }
    if let outputs = own.removeValue(forKey: "swerve.response.outputs") {
      extensions["response"] = [
        "outputs": try JSONReader.read(
          outputs, source: "\(document.source): swerve.response.outputs")
      ]
    }
    if !extensions.isEmpty { yaml["swerve"] = .object(extensions) }
    yaml["properties"] = .texts(own)
    return try translated(document) { (source) throws(DocumentError) in
      var specification = try DeploymentSpecification(
        yaml: Document(.object(yaml), source: source), folder: "/")
      noteUnknown(properties, in: &specification.noted)
      return specification
    }
  }

  private static func requestSettings(
    _ settings: inout ARMBody
  ) throws(DocumentError) -> DocumentObject {
    var yaml = DocumentObject()
    for (arm, field) in [
      ("requestTimeout", "request_timeout_ms"), ("maxQueueWait", "max_queue_wait_ms"),
    ] {
      guard let text = try settings.text(arm) else { continue }
      guard let milliseconds = ISODuration.milliseconds(text) else {
        throw .value(
          source: settings.source, path: "\(settings.path).\(arm)",
          expected: "a duration like 'PT5S'", received: "'\(text)'")
      }
      yaml[field] = .integer(Int64(milliseconds))
    }
    yaml["max_concurrent_requests_per_instance"] = settings.value(
      "maxConcurrentRequestsPerInstance")
    return yaml
  }

  /// An inline model in our properties.
  static func add(_ registration: ModelRegistration, to own: inout [String: String]) {
    own["swerve.model.path"] = registration.path
    own["swerve.model.type"] = registration.type
    if !registration.name.isEmpty { own["swerve.model.name"] = registration.name }
    own["swerve.model.version"] = registration.version
    own["swerve.model.description"] = registration.description
    own["swerve.model.stage"] = registration.stage
    if !registration.tags.isEmpty { own["swerve.model.tags"] = json(.texts(registration.tags)) }
    if !registration.properties.isEmpty {
      own["swerve.model.properties"] = json(.texts(registration.properties))
    }
  }

  /// The model as YAML has it: a reference, an inline model from our properties, or null.
  static func model(
    _ value: DocumentValue?, _ own: inout [String: String], _ document: Document
  ) throws(DocumentError) -> DocumentValue? {
    var inline = DocumentObject()
    for member in ["path", "type", "name", "version", "description", "stage"] {
      inline[member] = own.removeValue(forKey: "swerve.model.\(member)").map { .string($0) }
    }
    for member in ["tags", "properties"] {
      guard let text = own.removeValue(forKey: "swerve.model.\(member)") else { continue }
      inline[member] = try JSONReader.read(
        text, source: "\(document.source): swerve.model.\(member)")
    }
    if inline["path"] != nil { return .object(inline) }
    // The form of batch deployments and of newer clients: {"referenceType", "assetId"}.
    if case .object(let reference)? = value, let id = reference["assetId"] { return id }
    return value
  }

  // MARK: Models

  /// The body of `PUT …/models/{name}/versions/{version}`; `modelUri` is an absolute path. With
  /// no version the gateway takes the next free one, whatever the path says.
  package static func body(of registration: ModelRegistration) -> DocumentValue {
    var own = registration.properties
    if !registration.extraFiles.isEmpty {
      own["swerve.extraFiles"] = json(.texts(registration.extraFiles))
    }
    if registration.version == nil { own[autoVersionKey] = "true" }
    var properties = DocumentObject()
    properties["modelType"] = .string(registration.type)
    properties["modelUri"] = .string(registration.path)
    properties["description"] = registration.description.map { .string($0) }
    properties["tags"] = .texts(registration.tags)
    properties["properties"] = .texts(own)
    properties["stage"] = registration.stage.map { .string($0) }
    properties["flavors"] = .object(DocumentObject())
    properties["isAnonymous"] = false
    properties["isArchived"] = false
    return ["properties": .object(properties)]
  }

  /// Two clients that ask for the next version at once get one each. Azure's own clients read
  /// `nextVersion` first, so that one of them would be refused.
  static let autoVersionKey = "swerve.autoVersion"

  package static func model(
    name: String, version: String, body document: Document
  ) throws(DocumentError) -> ModelRegistration {
    var body = try ARMBody(document.value, source: document.source, path: document.path)
    var properties = try self.properties(&body, document)
    let path = "\(document.path).properties"
    guard let uri = try properties.text("modelUri") else {
      throw .missingField(source: document.source, path: "\(path).modelUri")
    }
    let file = uri.hasPrefix("file://") ? String(uri.dropFirst("file://".count)) : uri
    guard file.hasPrefix("/") else {
      throw .value(
        source: document.source, path: "\(path).modelUri",
        expected: "an absolute path on this machine", received: "'\(uri)'")
    }
    var registration = ModelRegistration(name: name, version: version, path: file)
    if let type = try properties.text("modelType") {
      guard ["custom_model", "mlflow_model", "triton_model"].contains(type.lowercased()) else {
        throw .value(
          source: document.source, path: "\(path).modelType",
          expected: "custom_model, mlflow_model or triton_model", received: "'\(type)'")
      }
      registration.type = type.lowercased()
    }
    registration.description = try properties.text("description")
    registration.stage = try properties.text("stage")
    registration.tags = try properties.texts("tags")
    registration.properties = try properties.texts("properties")
    if registration.properties.removeValue(forKey: autoVersionKey) == "true" {
      registration.version = nil
    }
    if let text = registration.properties.removeValue(forKey: "swerve.extraFiles") {
      let files = try JSONReader.read(text, source: "\(document.source): swerve.extraFiles")
      var holder = try ARMBody(
        ["files": files], source: document.source, path: "\(path).properties.swerve.extraFiles")
      registration.extraFiles = try holder.texts("files")
    }
    return registration
  }
}
