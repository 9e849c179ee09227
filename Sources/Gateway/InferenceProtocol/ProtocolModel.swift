internal import Serving

/// What a model's name and version mean: an endpoint, and the deployment that must answer.
///
/// A name is an endpoint's, a version one of its deployments'; below an endpoint a name may also
/// be its model's own, and versions are then the model's. Digits compare as numbers, and a version
/// that no deployment is named by is looked for among those of the models. Source: `DESIGN.md` §3.
struct ProtocolModel {
  var endpoint: EndpointRoute
  /// The deployment; nil: the traffic split decides.
  var pinned: String?
  var usesModelVersions = false

  /// - Parameter scope: The endpoint below which the path lies; nil at the root.
  init(
    name: String, version: String?, scope: EndpointRoute?, in table: RoutingTable
  ) throws(DataPlaneError) {
    if let scope, name.lowercased() != scope.name.lowercased() {
      try self.init(ofModel: name, version: version, endpoint: scope)
    } else if let endpoint = scope ?? table.endpoints[name.lowercased()] {
      self.init(endpoint, version: version)
    } else {
      throw .endpointNotFound(name)
    }
  }

  private init(_ endpoint: EndpointRoute, version: String?) {
    self.endpoint = endpoint
    guard let version else { return }
    let key = version.lowercased()
    if endpoint.deployments[key] != nil || endpoint.unavailable[key] != nil {
      pinned = key
      return
    }
    let ofVersion = endpoint.deployments.values.filter { isSame($0.modelVersion, version) }
    pinned = ProtocolModel.best(ofVersion, in: endpoint)?.name ?? version
  }

  private init(
    ofModel name: String, version: String?, endpoint: EndpointRoute
  ) throws(DataPlaneError) {
    self.endpoint = endpoint
    usesModelVersions = true
    let ofName = endpoint.deployments.values.filter { $0.modelName == name }
    guard !ofName.isEmpty else { throw .endpointNotFound(name) }
    if let version {
      let ofVersion = ofName.filter { isSame($0.modelVersion, version) }
      guard let best = ProtocolModel.best(ofVersion, in: endpoint) else {
        throw .scoring(
          .deploymentNotFound(
            endpoint: endpoint.name, name: version,
            known: ofName.map(\.modelVersion).sorted()))
      }
      pinned = best.name
    } else if ofName.count < endpoint.deployments.count {
      // Others serve another model: the split would reach them too.
      pinned = ProtocolModel.best(ofName, in: endpoint)?.name
    }
  }

  /// The one with the most traffic; of equals the first by name.
  private static func best(
    _ deployments: [LiveDeployment], in endpoint: EndpointRoute
  ) -> LiveDeployment? {
    deployments.max { left, right in
      let first = endpoint.split.percent(of: left.name)
      let second = endpoint.split.percent(of: right.name)
      return first == second ? left.name > right.name : first < second
    }
  }

  /// The versions that can answer.
  var versions: [String] {
    let ready = endpoint.deployments.values
    return (usesModelVersions ? Array(Set(ready.map(\.modelVersion))) : ready.map(\.name)).sorted()
  }
}

extension TrafficSplit {
  func percent(of deployment: String) -> Int {
    weights.first { $0.name == deployment.lowercased() }?.percent ?? 0
  }
}

/// `7` and `07` are one version.
private func isSame(_ version: String, _ asked: String) -> Bool {
  if version == asked { return true }
  guard let left = UInt64(version), let right = UInt64(asked) else { return false }
  return left == right
}
