internal import Synchronization

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
  var keys: [String: ControlPlane.Keys] = [:]
  /// Every deployment of the database has finished loading or failed once.
  var hasStarted = false

  /// - Parameter effectiveKeys: The keys in force, by lower-case endpoint.
  func table(effectiveKeys: (String) -> ControlPlane.Keys) -> RoutingTable {
    RoutingTable(
      endpoints: catalog.endpoints.map { lowerName, record in
        var ready: [LiveDeployment] = []
        var unavailable: [String: String] = [:]
        for key in catalog.deployments(of: lowerName) {
          if let deployment = live[key] {
            ready.append(deployment)
          } else if busy.contains(key) {
            unavailable[key.name] = "loading"
          } else {
            unavailable[key.name] =
              catalog.deployments[key]?.record.failure?.message ?? "it is not loaded"
          }
        }
        let keys = effectiveKeys(lowerName)
        return EndpointRoute(
          name: record.specification.name, split: TrafficSplit(record.specification.traffic),
          deployments: ready, unavailable: unavailable,
          keys: [keys.primary, keys.secondary].filter { !$0.isEmpty }.map { Array($0.utf8) },
          isOpen: record.specification.isOpen)
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

/// Keys that are given as files: `<folder>/<endpoint>/primary` and `…/secondary`.
struct KeyFiles: Sendable {
  let folder: String?

  /// The file's text without white space around it; nil when there is none.
  func key(_ kind: ControlPlane.KeyKind, of endpoint: String) -> String? {
    guard let folder else { return nil }
    for name in [endpoint, endpoint.lowercased()] {
      if let text = Self.text("\(folder)/\(name)/\(kind.rawValue)"), !text.isEmpty { return text }
    }
    return nil
  }

  private static func text(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // A key is short; a file that is longer than this is none.
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    guard count > 0, count < bytes.count else { return nil }
    let isSpace: (UInt8) -> Bool = { $0 <= 0x20 }
    var text = bytes[..<count]
    while let last = text.last, isSpace(last) { text.removeLast() }
    while let first = text.first, isSpace(first) { text.removeFirst() }
    return String(validating: text, as: UTF8.self)
  }
}
