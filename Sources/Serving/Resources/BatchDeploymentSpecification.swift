package import Documents
package import Registry

/// A batch deployment as its owner wrote it, in the legacy form (settings at the root) or that of
/// `type: model`. Source: `AZUREML.md` §1.5.
package struct BatchDeploymentSpecification: Sendable, Equatable {
  package var name: String
  package var endpointName: String
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  package var model: DeploymentSpecification.Model?
  package var settings = BatchSettings()
  /// Fields with no meaning on one host, in YAML's names: kept, echoed back, reported once.
  package var noted = DocumentObject()
  /// Why this gateway cannot run it (a scoring script, a pipeline), in one sentence.
  package var cannotRunReason: String?

  package init(name: String, endpointName: String) {
    self.name = name
    self.endpointName = endpointName
  }

  /// Reads the YAML document. Relative paths count from `folder`, the document's own.
  package init(yaml document: Document, folder: String) throws(DocumentError) {
    var fields = try FieldReader(document)
    name = try fields.createdName("name")
    endpointName = try fields.referredName("endpoint_name")
    description = try fields.text("description")
    tags = try fields.textMap("tags")
    properties = try fields.textMap("properties")
    let type = try fields.choice("type", of: ["model", "pipeline"])
    let schema = try fields.text("$schema") ?? ""
    let isPipeline =
      type == "pipeline"
      || DocumentKind.baseName(ofSchema: schema) == "pipelinecomponentbatchdeployment"
    if isPipeline {
      noted = try fields.noted(NotedFields.pipelineDeployment)
      noted["type"] = "pipeline"
    } else {
      noted = try fields.noted(NotedFields.batchDeployment)
      try readSettings(&fields, type: type)
    }
    let model = fields.value("model")
    fields.skip("id", "kind", "location", "provisioning_state")
    try fields.finish()
    if let model {
      switch try DeploymentSpecification.Model.read(
        model, source: document.source, path: fields.place(of: "model"), folder: folder)
      {
      case .success(let found): self.model = found
      case .failure(let refusal):
        noted["model"] = model
        cannotRunReason = "batch deployment '\(name)' cannot be served: \(refusal.reason)"
      }
    }
    cannotRunReason = cannotRunReason ?? reasonFromNoted()
  }

  /// The YAML schema's form, as `az ml batch-deployment show` prints it.
  package var yaml: DocumentValue {
    var object = DocumentObject()
    object["name"] = .string(name)
    object["endpoint_name"] = .string(endpointName)
    if noted["type"] == nil { object["type"] = "model" }
    if let description { object["description"] = .string(description) }
    switch model {
    case .registered(let reference): object["model"] = .string(ModelReferenceText.text(reference))
    case .inline(let registration): object["model"] = InlineModel.yaml(registration)
    case nil: break
    }
    for (key, value) in noted.members where key != "environment_variables" {
      object[key] = value
    }
    if noted["type"] == nil {
      var members = settings.yaml
      members["environment_variables"] = noted["environment_variables"]
      object["settings"] = .object(members)
    }
    object["tags"] = .texts(tags)
    object["properties"] = .texts(properties)
    let own = settings.extensions
    if noted["type"] == nil, !own.isEmpty { object["swerve"] = .object(own) }
    return .object(object)
  }

  // MARK: Parts of the document

  private mutating func readSettings(
    _ fields: inout FieldReader, type: String?
  ) throws(DocumentError) {
    if type == nil {
      // The legacy form, and files that are between the two.
      try settings.read(&fields)
      note(try fields.noted([("environment_variables", .textMap)]))
    }
    if var members = try fields.fields("settings") {
      try settings.read(&members)
      note(try members.noted([("environment_variables", .textMap)]))
      try members.finish()
    }
    if var own = try fields.fields("swerve") {
      try settings.readExtensions(&own)
      try own.finish()
    }
  }

  private mutating func note(_ members: DocumentObject) {
    for (key, value) in members.members { noted[key] = value }
  }

  private func reasonFromNoted() -> String? {
    if noted["type"] == "pipeline" {
      return "batch deployment '\(name)' runs a pipeline (type: pipeline); this gateway scores "
        + "files with models and runs no pipelines: write a deployment of 'type: model'"
    }
    if case .object(let code)? = noted["code_configuration"] {
      let script: String
      if case .string(let text)? = code["scoring_script"] { script = text } else { script = "?" }
      return "batch deployment '\(name)' asks for the scoring script '\(script)' "
        + "(code_configuration); this gateway does not run scripts yet and serves models "
        + "directly: remove code_configuration, or write the model as XGBoost, LightGBM or ONNX"
    }
    if model == nil { return "batch deployment '\(name)' names no model" }
    return nil
  }
}
