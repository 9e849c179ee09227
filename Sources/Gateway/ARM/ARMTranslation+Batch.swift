package import Documents
package import Serving

// Batch endpoints and deployments, as `ARMTranslation.swift` has the online ones.

extension ARM {
  // MARK: Endpoints

  /// The body of `PUT …/batchEndpoints/{name}`.
  package static func body(of specification: BatchEndpointSpecification) -> DocumentValue {
    var properties = FieldNames.arm(specification.noted, FieldNames.endpoint)
    properties["authMode"] = authMode(specification.authMode)
    properties["description"] = specification.description.map { .string($0) }
    var own = specification.properties
    if let schedule = specification.schedule { own["swerve.schedule"] = json(schedule.value) }
    properties["properties"] = .texts(own)
    if let name = specification.defaultDeployment {
      properties["defaults"] = ["deploymentName": .string(name)]
    }
    return endpointBody(properties, tags: specification.tags, noted: specification.noted)
  }

  package static func batchEndpoint(
    name: String, body document: Document
  ) throws(DocumentError) -> BatchEndpointSpecification {
    var body = try ARMBody(document.value, source: document.source, path: document.path)
    var properties = try self.properties(&body, document)
    var yaml = try endpointYAML(name, &body, &properties)
    var own = try properties.texts("properties")
    if let schedule = own.removeValue(forKey: "swerve.schedule") {
      yaml["swerve"] = [
        "schedule": try JSONReader.read(schedule, source: "\(document.source): swerve.schedule")
      ]
    }
    yaml["properties"] = .texts(own)
    if var defaults = try properties.body("defaults"),
      // Azure's clients also send it as `endpoint/deployment`, or as an id.
      let text = try defaults.text("deploymentName"), let last = text.split(separator: "/").last
    {
      yaml["defaults"] = ["deployment_name": .string(String(last))]
    }
    return try translated(document) { (source) throws(DocumentError) in
      var specification = try BatchEndpointSpecification(
        yaml: Document(.object(yaml), source: source))
      noteUnknown(properties, in: &specification.noted)
      return specification
    }
  }

  // MARK: Deployments

  /// The body of `PUT …/batchEndpoints/{ep}/deployments/{name}`.
  package static func body(of specification: BatchDeploymentSpecification) -> DocumentValue {
    var properties = FieldNames.arm(specification.noted, FieldNames.batchDeployment)
    properties["description"] = specification.description.map { .string($0) }
    var own = specification.properties
    switch specification.model {
    case .registered(let reference):
      properties["model"] = ["referenceType": "Id", "assetId": .string(modelID(reference))]
    case .inline(let registration): add(registration, to: &own)
    case nil: properties["model"] = specification.noted["model"]
    }
    if specification.noted["type"] == "pipeline" {
      var pipeline = DocumentObject(["deploymentConfigurationType": "PipelineComponent"])
      pipeline["componentId"] = specification.noted["component"]
      pipeline["jobDefinition"] = specification.noted["job_definition"]
      pipeline["settings"] = specification.noted["settings"]
      properties["deploymentConfiguration"] = .object(pipeline)
    } else {
      for (key, value) in BatchBody.members(of: specification.settings).members {
        properties[key] = value
      }
      BatchBody.add(specification.settings.extensions, to: &own)
    }
    properties["properties"] = .texts(own)
    keepUnknown(specification.noted, in: &properties)
    return [
      "location": "local", "tags": .texts(specification.tags), "properties": .object(properties),
    ]
  }

  package static func batchDeployment(
    name: String, endpoint: String, body document: Document
  ) throws(DocumentError) -> BatchDeploymentSpecification {
    var body = try ARMBody(document.value, source: document.source, path: document.path)
    var properties = try self.properties(&body, document)
    var yaml = try deploymentYAML(name, endpoint, &body, &properties)
    var own = try properties.texts("properties")
    yaml["model"] = try model(properties.value("model"), &own, document)
    if var pipeline = try properties.body("deploymentConfiguration") {
      yaml["type"] = "pipeline"
      yaml["component"] = pipeline.value("componentId")
      yaml["job_definition"] = pipeline.value("jobDefinition")
      yaml["settings"] = pipeline.value("settings")
      yaml["compute"] = properties.value("compute")
      // What clients fill in for every deployment means nothing to a pipeline.
      _ = try BatchBody.settings(&properties)
    } else {
      yaml["type"] = "model"
      var noted = try FieldNames.yaml(&properties, FieldNames.batchDeployment)
      var settings = try BatchBody.settings(&properties)
      settings["environment_variables"] = noted["environment_variables"]
      noted["environment_variables"] = nil
      for (key, value) in noted.members { yaml[key] = value }
      yaml["settings"] = .object(settings)
      let extensions = try BatchBody.takeExtensions(from: &own, source: document.source)
      if !extensions.isEmpty { yaml["swerve"] = .object(extensions) }
    }
    yaml["properties"] = .texts(own)
    return try translated(document) { (source) throws(DocumentError) in
      var specification = try BatchDeploymentSpecification(
        yaml: Document(.object(yaml), source: source), folder: "/")
      noteUnknown(properties, in: &specification.noted)
      return specification
    }
  }
}

/// The settings of batch deployments and of single jobs, between ARM's names and YAML's.
enum BatchBody {
  static let names = [
    ("miniBatchSize", "mini_batch_size"),
    ("maxConcurrencyPerInstance", "max_concurrency_per_instance"),
    ("errorThreshold", "error_threshold"), ("outputAction", "output_action"),
    ("outputFileName", "output_file_name"), ("loggingLevel", "logging_level"),
  ]

  static func members(of settings: BatchSettings) -> DocumentObject {
    let yaml = settings.yaml
    var members = DocumentObject()
    for (arm, field) in names { members[arm] = yaml[field] }
    members["outputAction"] =
      settings.outputAction == .appendRow ? "AppendRow" : "SummaryOnly"
    members["retrySettings"] = [
      "maxRetries": .integer(Int64(settings.maxRetries)),
      "timeout": .string("PT\(settings.timeoutSeconds)S"),
    ]
    return members
  }

  /// As the members of `settings` in YAML; only what is there.
  static func settings(_ properties: inout ARMBody) throws(DocumentError) -> DocumentObject {
    var settings = DocumentObject()
    for (arm, field) in names { settings[field] = properties.value(arm) }
    guard var retry = try properties.body("retrySettings") else { return settings }
    var members = DocumentObject()
    members["max_retries"] = retry.value("maxRetries")
    let timeout = retry.value("timeout")
    if case .string(let text)? = timeout, text.uppercased().hasPrefix("P") {
      guard let milliseconds = ISODuration.milliseconds(text) else {
        throw .value(
          source: retry.source, path: "\(retry.path).timeout",
          expected: "a duration like 'PT30S'", received: "'\(text)'")
      }
      members["timeout"] = .integer(Int64((milliseconds + 999) / 1000))
    } else {
      members["timeout"] = timeout
    }
    settings["retry_settings"] = .object(members)
    return settings
  }

  /// `swerve` of a YAML document as strings: `swerve.output.per_file`.
  static func add(_ extensions: DocumentObject, to own: inout [String: String]) {
    for (key, value) in extensions.members {
      if case .object(let members) = value {
        for (name, value) in members.members { own["swerve.\(key).\(name)"] = text(value) }
      } else {
        own["swerve.\(key)"] = text(value)
      }
    }
  }

  private static func text(_ value: DocumentValue) -> String {
    if case .string(let text) = value { return text }
    return ARM.json(value)
  }

  static func takeExtensions(
    from own: inout [String: String], source: String
  ) throws(DocumentError) -> DocumentObject {
    var extensions = DocumentObject()
    extensions["mini_batch_rows"] = own.removeValue(forKey: "swerve.mini_batch_rows").map {
      .string($0)
    }
    var output = DocumentObject()
    for name in ["format", "per_file", "header"] {
      output[name] = own.removeValue(forKey: "swerve.output.\(name)").map { .string($0) }
    }
    if let columns = own.removeValue(forKey: "swerve.output.columns") {
      output["columns"] = try JSONReader.read(columns, source: "\(source): swerve.output.columns")
    }
    if !output.isEmpty { extensions["output"] = .object(output) }
    return extensions
  }
}
