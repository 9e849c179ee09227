#if canImport(Glibc)
  internal import Glibc
#endif

/// What the control plane knows. A value: changed on a copy that then takes its place.
struct ControlState: Sendable {
  var catalog = Catalog()
  /// What can answer now.
  var live: [DeploymentKey: LiveDeployment] = [:]
  /// An operation on the deployment is in progress: a second one is refused.
  var busy: Set<DeploymentKey> = []
  /// By lower-case endpoint, as the database has them.
  var keys: [EndpointFamily: [String: ControlPlane.Keys]] = [:]
  /// By lower-case endpoint, as files of `--keys-dir` gave them when they last could be read.
  var fileKeys: [String: KeyFiles.Keys] = [:]
  /// By lower-case endpoint.
  var clients: [String: [ClientKey]] = [:]
  /// Every deployment of the database has finished loading or failed once.
  var hasStarted = false

  /// - Parameters:
  ///   - effectiveKeys: The keys in force, by lower-case endpoint.
  ///   - mirror: Makes the share of a mirror that can answer.
  func table(
    effectiveKeys: (String) -> ControlPlane.Keys,
    mirror: (_ percent: Int, LiveDeployment) -> MirrorShare?
  ) -> RoutingTable {
    RoutingTable(
      endpoints: catalog.endpoints.map { lowerName, record in
        var ready: [LiveDeployment] = []
        var unavailable: [String: String] = [:]
        for key in catalog.deployments(of: lowerName) {
          if let deployment = live[key] {
            ready.append(deployment)
          } else if busy.contains(key) {
            unavailable[key.name] = EndpointRoute.loading
          } else {
            unavailable[key.name] =
              catalog.deployments[key]?.record.failure?.message ?? EndpointRoute.unloaded
          }
        }
        let keys = effectiveKeys(lowerName)
        let mirrored = record.specification.mirrorTraffic.first { $0.value > 0 }
        return EndpointRoute(
          name: record.specification.name, split: TrafficSplit(record.specification.traffic),
          deployments: ready, unavailable: unavailable,
          keys: [keys.primary, keys.secondary].filter { !$0.isEmpty }.map { Array($0.utf8) },
          isOpen: record.specification.isOpen, hidesErrors: record.specification.hidesErrors,
          clients: clients[lowerName] ?? [],
          mirror: mirrored.flatMap { name, percent in
            live[DeploymentKey(endpoint: lowerName, name: name)].flatMap { mirror(percent, $0) }
          })
      })
  }

  func refuseWhenBusy(_ key: DeploymentKey) throws(ControlError) {
    guard !busy.contains(key) else {
      throw .conflict(
        "another operation on deployment '\(key)' is in progress; wait for its end")
    }
  }
}

/// Milliseconds since 1970.
func currentTime() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec / 1_000_000)
}
