internal import Documents
internal import Registry

/// Every endpoint and deployment, as the database has them. A value: a change is made on a
/// copy, written to the database, and then takes the place of the old one.
struct Catalog: Sendable, Equatable {
  /// By lower-case name.
  var endpoints: [String: EndpointRecord] = [:]
  var deployments: [DeploymentKey: StoredDeployment] = [:]
  /// By lower-case name.
  var batchEndpoints: [String: BatchEndpointRecord] = [:]
  var batchDeployments: [DeploymentKey: BatchDeploymentRecord] = [:]

  /// The keys of an endpoint's deployments, in order of their names.
  func deployments(of endpoint: String) -> [DeploymentKey] {
    let endpoint = endpoint.lowercased()
    return deployments.keys.filter { $0.endpoint == endpoint }.sorted { $0.name < $1.name }
  }

  var endpointNames: [String] { endpoints.values.map(\.specification.name).sorted() }

  /// Of both families; a name may be in both.
  var allEndpointNames: [String] { endpointNames + batchEndpointNames }

  /// As it was written at creation.
  func name(of endpoint: String, _ family: EndpointFamily) throws(ControlError) -> String {
    switch family {
    case .online: try self.endpoint(endpoint).specification.name
    case .batch: try batchEndpoint(endpoint).specification.name
    }
  }

  func deploymentNames(of endpoint: String) -> [String] {
    deployments(of: endpoint).compactMap { deployments[$0]?.record.specification.name }
  }

  func endpoint(_ name: String) throws(ControlError) -> EndpointRecord {
    guard let record = endpoints[name.lowercased()] else {
      throw .endpointNotFound(name, known: endpointNames)
    }
    return record
  }

  func deployment(_ key: DeploymentKey) throws(ControlError) -> StoredDeployment {
    let endpoint = try endpoint(key.endpoint)
    guard let deployment = deployments[key] else {
      throw .deploymentNotFound(
        endpoint: endpoint.specification.name, name: key.name,
        known: deploymentNames(of: key.endpoint))
    }
    return deployment
  }
}

/// Names in lower case: they are compared without it.
struct DeploymentKey: Sendable, Hashable, CustomStringConvertible {
  var endpoint: String
  var name: String

  init(endpoint: String, name: String) {
    self.endpoint = endpoint.lowercased()
    self.name = name.lowercased()
  }

  init(_ specification: DeploymentSpecification) {
    self.init(endpoint: specification.endpointName, name: specification.name)
  }

  init(_ specification: BatchDeploymentSpecification) {
    self.init(endpoint: specification.endpointName, name: specification.name)
  }

  var description: String { "\(endpoint)/\(name)" }
}

/// A deployment as it is wanted, and as it last could be served. The two differ while an update
/// loads, and after one has failed.
struct StoredDeployment: Sendable, Equatable {
  struct Serving: Sendable, Equatable {
    var specification: DeploymentSpecification
    var generation: Int64
    var modelName: String
    var modelVersion: String
  }

  var record: DeploymentRecord
  /// What serves, or will again after a restart; nil when it has never been ready.
  var serving: Serving?

  /// Whether the deployment uses this model version, in one form or the other.
  func uses(_ model: String) -> Bool {
    record.model == model || serving.map { "\($0.modelName):\($0.modelVersion)" } == model
  }
}
