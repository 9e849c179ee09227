/// A batch endpoint as `show` gives it.
package struct BatchEndpointRecord: Sendable, Equatable {
  package var specification: BatchEndpointSpecification
  package var generation: Int64
  /// Milliseconds since 1970.
  package var createdAt: Int64
  package var modifiedAt: Int64
}

/// A batch deployment as `show` gives it. Nothing of it is in memory but this: a job loads its model
/// by itself.
package struct BatchDeploymentRecord: Sendable, Equatable {
  package var specification: BatchDeploymentSpecification
  package var generation: Int64
  /// `churn:3`, what `specification.model` resolved to; nil when it never did.
  package var model: String?
  /// Why it cannot be used: only one that came from a folder at start.
  package var failure: DeploymentFailure?
  package var createdAt: Int64
  package var modifiedAt: Int64

  package var provisioningState: String { failure == nil ? "Succeeded" : "Failed" }
}

extension Catalog {
  var batchEndpointNames: [String] { batchEndpoints.values.map(\.specification.name).sorted() }

  func batchEndpoint(_ name: String) throws(ControlError) -> BatchEndpointRecord {
    guard let record = batchEndpoints[name.lowercased()] else {
      throw .notFound(
        "batch endpoint '\(name)' does not exist; "
          + ControlError.list(batchEndpointNames, of: "batch endpoints"))
    }
    return record
  }

  /// In order of their names.
  func batchDeployments(of endpoint: String) -> [BatchDeploymentRecord] {
    let endpoint = endpoint.lowercased()
    return batchDeployments.filter { $0.key.endpoint == endpoint }
      .sorted { $0.key.name < $1.key.name }.map(\.value)
  }

  func batchDeployment(_ key: DeploymentKey) throws(ControlError) -> BatchDeploymentRecord {
    let endpoint = try batchEndpoint(key.endpoint)
    guard let deployment = batchDeployments[key] else {
      throw .deploymentNotFound(
        endpoint: endpoint.specification.name, name: key.name,
        known: batchDeployments(of: key.endpoint).map(\.specification.name))
    }
    return deployment
  }
}
