internal import Documents
internal import Store

/// The JSON of a resource's row, and back.
enum ResourceBody {
  static func json(_ value: DocumentValue) -> String {
    var writer = JSONWriter()
    writer.document(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  // MARK: Endpoints

  static func text(_ record: EndpointRecord) -> String {
    json([
      "specification": record.specification.yaml,
      "provisioning_state": .string(record.provisioningState),
      "created_at": .integer(record.createdAt), "modified_at": .integer(record.modifiedAt),
    ])
  }

  static func endpoint(_ text: String, generation: Int64) throws(ControlError) -> EndpointRecord {
    let body = try object(text)
    let specification: EndpointSpecification
    do {
      specification = try EndpointSpecification(yaml: document(body["specification"]))
    } catch {
      throw broken(error)
    }
    return EndpointRecord(
      specification: specification, generation: generation,
      provisioningState: string(body["provisioning_state"]),
      createdAt: integer(body["created_at"]), modifiedAt: integer(body["modified_at"]))
  }

  // MARK: Deployments

  static func text(_ deployment: StoredDeployment) -> String {
    let record = deployment.record
    var body = DocumentObject()
    body["specification"] = record.specification.yaml
    body["provisioning_state"] = .string(record.provisioningState)
    body["failure"] = value(record.failure)
    body["model"] = record.model.map { .string($0) }
    body["created_at"] = .integer(record.createdAt)
    body["modified_at"] = .integer(record.modifiedAt)
    if let serving = deployment.serving {
      body["serving"] = [
        "specification": serving.specification.yaml, "generation": .integer(serving.generation),
        "model_name": .string(serving.modelName), "model_version": .string(serving.modelVersion),
      ]
    }
    return json(.object(body))
  }

  static func deployment(
    _ text: String, generation: Int64
  ) throws(ControlError) -> StoredDeployment {
    let body = try object(text)
    var deployment = StoredDeployment(
      record: DeploymentRecord(
        specification: try specification(body["specification"]), generation: generation,
        provisioningState: string(body["provisioning_state"]),
        failure: failure(body["failure"]), model: optionalString(body["model"]),
        createdAt: integer(body["created_at"]), modifiedAt: integer(body["modified_at"])))
    if case .object(let serving)? = body["serving"] {
      deployment.serving = StoredDeployment.Serving(
        specification: try specification(serving["specification"]),
        generation: integer(serving["generation"]), modelName: string(serving["model_name"]),
        modelVersion: string(serving["model_version"]))
    }
    return deployment
  }

  private static func specification(
    _ value: DocumentValue?
  ) throws(ControlError) -> DeploymentSpecification {
    do {
      return try DeploymentSpecification(yaml: document(value), folder: "/")
    } catch {
      throw broken(error)
    }
  }

  // MARK: Batch

  static func text(_ record: BatchEndpointRecord) -> String {
    json([
      "specification": record.specification.yaml, "created_at": .integer(record.createdAt),
      "modified_at": .integer(record.modifiedAt),
    ])
  }

  static func batchEndpoint(
    _ text: String, generation: Int64
  ) throws(ControlError) -> BatchEndpointRecord {
    let body = try object(text)
    let specification: BatchEndpointSpecification
    do {
      specification = try BatchEndpointSpecification(yaml: document(body["specification"]))
    } catch {
      throw broken(error)
    }
    return BatchEndpointRecord(
      specification: specification, generation: generation,
      createdAt: integer(body["created_at"]), modifiedAt: integer(body["modified_at"]))
  }

  static func text(_ record: BatchDeploymentRecord) -> String {
    var body = DocumentObject()
    body["specification"] = record.specification.yaml
    body["failure"] = value(record.failure)
    body["model"] = record.model.map { .string($0) }
    body["created_at"] = .integer(record.createdAt)
    body["modified_at"] = .integer(record.modifiedAt)
    return json(.object(body))
  }

  static func batchDeployment(
    _ text: String, generation: Int64
  ) throws(ControlError) -> BatchDeploymentRecord {
    let body = try object(text)
    let specification: BatchDeploymentSpecification
    do {
      specification = try BatchDeploymentSpecification(
        yaml: document(body["specification"]), folder: "/")
    } catch {
      throw broken(error)
    }
    return BatchDeploymentRecord(
      specification: specification, generation: generation,
      model: optionalString(body["model"]), failure: failure(body["failure"]),
      createdAt: integer(body["created_at"]), modifiedAt: integer(body["modified_at"]))
  }

  // MARK: Quotas

  static func quota(_ text: String) throws(ControlError) -> ClientQuota {
    let value = try read(text)
    do { return try ClientQuota(document(value)) } catch { throw broken(error) }
  }

  // MARK: Failures

  static func value(_ failure: DeploymentFailure?) -> DocumentValue {
    guard let failure else { return .null }
    return ["code": .string(failure.code), "message": .string(failure.message)]
  }

  static func failure(_ text: String) throws(ControlError) -> DeploymentFailure? {
    failure(try read(text))
  }

  private static func failure(_ value: DocumentValue?) -> DeploymentFailure? {
    guard case .object(let object)? = value else { return nil }
    return DeploymentFailure(code: string(object["code"]), message: string(object["message"]))
  }

  // MARK: Parts

  private static func document(_ value: DocumentValue?) -> Document {
    Document(value ?? .null, source: "the workspace's database")
  }

  private static func read(_ text: String) throws(ControlError) -> DocumentValue {
    do { return try JSONReader.read(text, source: "row") } catch { throw broken(error) }
  }

  private static func object(_ text: String) throws(ControlError) -> DocumentObject {
    guard case .object(let object) = try read(text) else {
      throw .store(.database(reason: "a row's body is no object"))
    }
    return object
  }

  private static func broken(_ error: DocumentError) -> ControlError {
    .store(.database(reason: error.description))
  }

  private static func string(_ value: DocumentValue?) -> String { optionalString(value) ?? "" }
  private static func optionalString(_ value: DocumentValue?) -> String? {
    if case .string(let text)? = value { text } else { nil }
  }
  private static func integer(_ value: DocumentValue?) -> Int64 {
    if case .integer(let number)? = value { number } else { 0 }
  }
}
