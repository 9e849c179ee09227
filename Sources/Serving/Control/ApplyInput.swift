internal import Documents
internal import Registry

/// The documents of one `apply`, read and checked one by one and against each other. Touches
/// no state.
struct ApplyInput {
  /// What all items have.
  struct Origin {
    var path: String
    var content: String
    var key: DocumentKey
    /// Whether the files that it names are still there after the apply.
    var keepsFiles: Bool
  }
  struct Model {
    var origin: Origin
    var registration: ModelRegistration
  }
  struct Endpoint {
    var origin: Origin
    var specification: EndpointSpecification
  }
  struct Deployment {
    var origin: Origin
    var specification: DeploymentSpecification
  }
  struct BatchEndpoint {
    var origin: Origin
    var specification: BatchEndpointSpecification
  }
  struct BatchDeployment {
    var origin: Origin
    var specification: BatchDeploymentSpecification
  }
  /// A document that cannot be read, and what it was about as far as that can be told.
  struct Fault {
    var message: String
    var key: DocumentKey?
    var path: String
  }

  var models: [Model] = []
  var endpoints: [Endpoint] = []
  var deployments: [Deployment] = []
  var batchEndpoints: [BatchEndpoint] = []
  var batchDeployments: [BatchDeployment] = []
  var faults: [Fault] = []
  var notices: [String] = []

  init(_ documents: [ApplyDocument]) {
    var seen: [DocumentKey: String] = [:]
    for document in documents { read(document, seen: &seen) }
  }

  /// Everything that a document names, in order of appearance by kind.
  var keys: Set<DocumentKey> {
    Set(
      models.map(\.origin.key) + endpoints.map(\.origin.key) + deployments.map(\.origin.key)
        + batchEndpoints.map(\.origin.key) + batchDeployments.map(\.origin.key)
        + faults.compactMap(\.key))
  }

  private mutating func read(_ document: ApplyDocument, seen: inout [DocumentKey: String]) {
    var kind: DocumentKind?
    var parsed: Document?
    do throws(DocumentError) {
      let value = try YAMLReader.read(document.text, source: document.path)
      let whole = Document(value, source: document.path)
      parsed = whole
      kind = DocumentKind.of(whole)
      switch kind ?? .other("") {
      case .onlineEndpoint:
        let specification = try EndpointSpecification(yaml: whole)
        let origin = Self.origin(document, "endpoint", specification.name.lowercased())
        guard isFirst(origin, &seen) else { return }
        endpoints.append(Endpoint(origin: origin, specification: specification))
        note(specification)
      case .onlineDeployment:
        var specification = try DeploymentSpecification(yaml: whole, folder: document.folder)
        if case .inline(var registration)? = specification.model {
          try document.place(&registration, at: "$.model.path")
          specification.model = .inline(registration)
        }
        let origin = Self.origin(
          document, "deployment", DeploymentKey(specification).description)
        guard isFirst(origin, &seen) else { return }
        deployments.append(Deployment(origin: origin, specification: specification))
        note(specification)
      case .batchEndpoint:
        let specification = try BatchEndpointSpecification(yaml: whole)
        let origin = Self.origin(
          document, DocumentKey.batchEndpoint, specification.name.lowercased())
        guard isFirst(origin, &seen) else { return }
        batchEndpoints.append(BatchEndpoint(origin: origin, specification: specification))
        notices += ResourceNotices.of(specification)
      case .batchDeployment:
        var specification = try BatchDeploymentSpecification(yaml: whole, folder: document.folder)
        if case .inline(var registration)? = specification.model {
          try document.place(&registration, at: "$.model.path")
          specification.model = .inline(registration)
        }
        let origin = Self.origin(
          document, DocumentKey.batchDeployment, DeploymentKey(specification).description)
        guard isFirst(origin, &seen) else { return }
        batchDeployments.append(BatchDeployment(origin: origin, specification: specification))
        notices += ResourceNotices.of(specification)
      case .data:
        notices.append(
          "\(document.path): data asset, skipped; 'swerve data create -f' registers it")
      case .model:
        var registration = try ModelDocument.registration(whole)
        try document.place(&registration, at: "$.path")
        let name = registration.name + (registration.version.map { ":" + $0 } ?? "")
        let origin = Self.origin(document, "model", name)
        guard isFirst(origin, &seen) else { return }
        models.append(Model(origin: origin, registration: registration))
      case .other(let words):
        notices.append("\(document.path): \(words), skipped")
      }
    } catch {
      if parsed == nil, let owner = ForeignText.owner(of: document.text) {
        notices.append("\(document.path): \(owner) that is no plain YAML document, skipped")
        return
      }
      faults.append(
        Fault(
          message: error.description, key: Self.key(kind, parsed?.value), path: document.path))
    }
  }

  private mutating func isFirst(
    _ origin: Origin, _ seen: inout [DocumentKey: String]
  ) -> Bool {
    guard let other = seen.updateValue(origin.path, forKey: origin.key) else { return true }
    faults.append(
      Fault(
        message: "\(origin.path): \(origin.key) is also described by \(other)", key: origin.key,
        path: origin.path))
    return false
  }

  private static func origin(_ document: ApplyDocument, _ kind: String, _ name: String) -> Origin {
    Origin(
      path: document.path, content: document.text, key: DocumentKey(kind: kind, name: name),
      keepsFiles: document.keepsFiles)
  }

  /// What a broken document is about, from its names alone.
  private static func key(_ kind: DocumentKind?, _ value: DocumentValue?) -> DocumentKey? {
    guard case .object(let object)? = value, case .string(let name)? = object["name"] else {
      return nil
    }
    switch kind {
    case .onlineEndpoint:
      return DocumentKey(kind: "endpoint", name: name.lowercased())
    case .batchEndpoint:
      return DocumentKey(kind: DocumentKey.batchEndpoint, name: name.lowercased())
    case .onlineDeployment, .batchDeployment:
      guard case .string(let endpoint)? = object["endpoint_name"] else { return nil }
      return DocumentKey(
        kind: kind == .batchDeployment ? DocumentKey.batchDeployment : "deployment",
        name: DeploymentKey(endpoint: endpoint, name: name).description)
    case .model, .data, .other, nil:
      return nil
    }
  }

  // MARK: Notices

  private mutating func note(_ specification: EndpointSpecification) {
    notices += ResourceNotices.of(specification)
  }

  private mutating func note(_ specification: DeploymentSpecification) {
    notices += ResourceNotices.of(specification)
  }
}

/// What is accepted and has no effect here, in sentences.
package enum ResourceNotices {
  package static func of(_ specification: EndpointSpecification) -> [String] {
    let name = "endpoint \(specification.name)"
    var notices = kept(specification.noted.keys, name)
    if specification.authMode != .key {
      notices.append(
        "\(name): auth_mode \(specification.authMode.rawValue) is served with keys: there are "
          + "no tokens yet")
    }
    return notices
  }

  package static func of(_ specification: DeploymentSpecification) -> [String] {
    kept(
      specification.noted.keys.filter { $0 != "type" },
      "deployment \(specification.endpointName)/\(specification.name)")
  }

  package static func of(_ specification: BatchEndpointSpecification) -> [String] {
    let name = "batch endpoint \(specification.name)"
    var notices = kept(specification.noted.keys, name)
    if specification.authMode != .key {
      notices.append(
        "\(name): auth_mode \(specification.authMode.rawValue) is served with keys: there are "
          + "no tokens yet")
    }
    return notices
  }

  package static func of(_ specification: BatchDeploymentSpecification) -> [String] {
    kept(
      specification.noted.keys.filter { $0 != "type" },
      "batch deployment \(specification.endpointName)/\(specification.name)")
  }

  private static func kept(_ fields: [String], _ name: String) -> [String] {
    if fields.isEmpty { return [] }
    let verb = fields.count == 1 ? "is kept and has" : "are kept and have"
    return ["\(name): \(fields.joined(separator: ", ")) \(verb) no effect on this gateway"]
  }
}
