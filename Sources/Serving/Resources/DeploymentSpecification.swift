package import Documents
package import Registry

/// An online deployment as its owner wrote it. Source: `AZUREML.md` §1.2, §1.3.
package struct DeploymentSpecification: Sendable, Equatable {
  /// What the deployment serves.
  package enum Model: Sendable, Equatable {
    /// `azureml:churn:3`, `azureml:churn@latest`, or an ARM id of one.
    case registered(ModelReference)
    /// An inline model: registered on the fly before the deployment is made. `path` is
    /// absolute; an empty name stands for the hash of its content.
    case inline(ModelRegistration)
  }

  /// Where requests run.
  package enum Execution: String, Sendable, CaseIterable {
    /// Decided per request from its size and the measured cost.
    case automatic = "auto"
    case inline
    case queued
  }

  /// `swerve: batching: {…}`: requests that wait together are run together.
  package struct Batching: Sendable, Equatable {
    /// Rows of one run at most; a longer request runs alone. Default 64. Range 1...65536.
    package var maxBatchRows = 64
    /// Milliseconds that an idle thread waits for more. Default 0: it takes what there is.
    /// Range 0...1000, and below `request_timeout_ms`.
    package var maxQueueDelayMs = 0

    package init() {}
  }

  package var name: String
  package var endpointName: String
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  package var model: Model?
  /// Default 1. Range 1...100000.
  package var instanceCount = 1
  /// Milliseconds. Default 5000. Range 1...180000; 1...300000 for `type: kubernetes`.
  package var requestTimeoutMs = 5000
  /// Only what the document itself writes limits concurrency; nil: no limit.
  package var maxConcurrentRequestsPerInstance: Int?
  package var maxQueueWaitMs: Int?
  package var execution = Execution.automatic
  /// nil: each request runs by itself.
  package var batching: Batching?
  /// `swerve: response: {outputs: […]}`: the outputs of a `/score` answer; nil: the model's own.
  package var responseOutputs: [String]?
  /// Fields with no meaning on one host, in YAML's names: kept, echoed back, reported once.
  /// `code_configuration` and a container `environment` are here too: see `cannotRunReason`.
  package var noted = DocumentObject()
  /// Why this gateway cannot run it yet (a scoring script, a container), in one sentence.
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
    let modelValue = fields.value("model")
    instanceCount = try fields.integer("instance_count", in: 1...100_000) ?? 1
    noted = try fields.noted(NotedFields.deployment)
    if var settings = try fields.fields("request_settings") {
      try readRequestSettings(&settings, isKubernetes: isKubernetes(document.value))
    }
    if var own = try fields.fields("swerve") { try readExtensions(&own) }
    fields.skip("$schema", "id", "kind", "location", "provisioning_state", "scoring_uri")
    try fields.finish()

    if let modelValue {
      try readModel(modelValue, source: document.source, path: fields.place(of: "model"), folder)
    }
    cannotRunReason = cannotRunReason ?? reasonFromNoted()
  }

  /// The YAML schema's form, as `az ml online-deployment show` prints it.
  package var yaml: DocumentValue {
    var object = DocumentObject()
    object["name"] = .string(name)
    object["endpoint_name"] = .string(endpointName)
    if let description { object["description"] = .string(description) }
    switch model {
    case .registered(let reference): object["model"] = .string(ModelReferenceText.text(reference))
    case .inline(let registration): object["model"] = InlineModel.yaml(registration)
    case nil: break
    }
    for (key, value) in noted.members { object[key] = value }
    object["instance_count"] = .integer(Int64(instanceCount))
    var settings = DocumentObject()
    settings["request_timeout_ms"] = .integer(Int64(requestTimeoutMs))
    if let most = maxConcurrentRequestsPerInstance {
      settings["max_concurrent_requests_per_instance"] = .integer(Int64(most))
    }
    if let wait = maxQueueWaitMs { settings["max_queue_wait_ms"] = .integer(Int64(wait)) }
    object["request_settings"] = .object(settings)
    object["tags"] = .texts(tags)
    object["properties"] = .texts(properties)
    var own = DocumentObject()
    if execution != .automatic { own["execution"] = .string(execution.rawValue) }
    if let batching {
      own["batching"] = [
        "max_batch_rows": .integer(Int64(batching.maxBatchRows)),
        "max_queue_delay_ms": .integer(Int64(batching.maxQueueDelayMs)),
      ]
    }
    if let responseOutputs {
      own["response"] = ["outputs": .array(responseOutputs.map { .string($0) })]
    }
    if !own.isEmpty { object["swerve"] = .object(own) }
    return .object(object)
  }

  // MARK: Parts of the document

  private mutating func readRequestSettings(
    _ settings: inout FieldReader, isKubernetes: Bool
  ) throws(DocumentError) {
    let maxTimeoutMs = isKubernetes ? 300_000 : 180_000
    requestTimeoutMs =
      try settings.integer("request_timeout_ms", in: 1...maxTimeoutMs) ?? requestTimeoutMs
    maxConcurrentRequestsPerInstance = try settings.integer(
      "max_concurrent_requests_per_instance", in: 1...1_000_000)
    maxQueueWaitMs = try settings.integer("max_queue_wait_ms", in: 1...maxTimeoutMs)
    try settings.finish()
  }

  private mutating func readExtensions(_ own: inout FieldReader) throws(DocumentError) {
    if let mode = try own.choice("execution", of: Execution.allCases.map(\.rawValue)) {
      execution = Execution(rawValue: mode) ?? .automatic
    }
    if var settings = try own.fields("batching") { try readBatching(&settings) }
    if var response = try own.fields("response") {
      responseOutputs = try response.texts("outputs")
      if responseOutputs?.isEmpty == true {
        throw response.fault("outputs", expected: "at least one output's name", .array([]))
      }
      try response.finish()
    }
    try own.finish()
  }

  private mutating func readBatching(_ settings: inout FieldReader) throws(DocumentError) {
    var batching = Batching()
    batching.maxBatchRows =
      try settings.integer("max_batch_rows", in: 1...65_536) ?? batching.maxBatchRows
    batching.maxQueueDelayMs =
      try settings.integer("max_queue_delay_ms", in: 0...1000) ?? batching.maxQueueDelayMs
    try settings.finish()
    if batching.maxQueueDelayMs >= requestTimeoutMs {
      throw settings.fault(
        "max_queue_delay_ms", expected: "less than request_timeout_ms (\(requestTimeoutMs))",
        .integer(Int64(batching.maxQueueDelayMs)))
    }
    if execution == .inline {
      throw settings.fault(
        "max_batch_rows",
        expected: "no batching beside 'execution: inline': only requests that wait are joined",
        .integer(Int64(batching.maxBatchRows)))
    }
    self.batching = batching
  }

  private mutating func readModel(
    _ value: DocumentValue, source: String, path: String, _ folder: String
  ) throws(DocumentError) {
    switch try Model.read(value, source: source, path: path, folder: folder) {
    case .success(let found):
      model = found
    case .failure(let refusal):
      noted["model"] = value
      cannotRunReason = "deployment '\(name)' cannot be served: \(refusal.reason)"
    }
  }

  private func isKubernetes(_ document: DocumentValue) -> Bool {
    if case .string(let type)? = noted["type"] { return type.lowercased() == "kubernetes" }
    guard case .object(let object) = document, case .string(let schema)? = object["$schema"]
    else { return false }
    return DocumentKind.baseName(ofSchema: schema) == "kubernetesonlinedeployment"
  }

  private func reasonFromNoted() -> String? {
    if case .object(let code)? = noted["code_configuration"] {
      let script: String
      if case .string(let text)? = code["scoring_script"] { script = text } else { script = "?" }
      return "deployment '\(name)' asks for the scoring script '\(script)' "
        + "(code_configuration); this gateway does not run scripts yet and serves models "
        + "directly: remove code_configuration, or write the model as XGBoost, LightGBM or ONNX"
    }
    if case .object(let environment)? = noted["environment"],
      environment["inference_config"] != nil || model == nil
    {
      let image: String
      if case .string(let text)? = environment["image"] { image = " '\(text)'" } else { image = "" }
      return "deployment '\(name)' asks for the container\(image) (environment); this gateway "
        + "does not run containers: name a model that it can serve itself"
    }
    if model == nil {
      return "deployment '\(name)' names no model; this gateway serves models, not containers"
    }
    return nil
  }
}

extension DeploymentSpecification.Model {
  /// Reads a reference, or a model written into the deployment.
  ///
  /// - Returns: The refusal of a form that Azure knows and we do not serve from.
  static func read(
    _ value: DocumentValue, source: String, path: String, folder: String
  ) throws(DocumentError) -> Result<Self, InlineModel.Refusal> {
    guard case .string(let text) = value else {
      return try InlineModel.read(value, source: source, path: path, folder: folder)
        .map { .inline($0) }
    }
    switch ModelReferenceText.parse(text) {
    case .reference(let reference): return .success(.registered(reference))
    case .refused(let reason): return .failure(InlineModel.Refusal(reason: reason))
    case .malformed:
      throw .value(
        source: source, path: path,
        expected: "'azureml:NAME:VERSION', 'azureml:NAME@latest', an ARM id or an object "
          + "with a path",
        received: "'\(text)'")
    }
  }
}
