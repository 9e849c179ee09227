/// Everything the data plane needs to know, as one immutable object that is replaced whole.
package final class RoutingTable: Sendable {
  /// By lower-case name.
  package let endpoints: [String: EndpointRoute]
  /// The same by the bytes of their lower-case names, in order: a request's path is looked up
  /// without making a string of it.
  private let byName: [(name: [UInt8], endpoint: EndpointRoute)]

  package init(endpoints: [EndpointRoute]) {
    self.endpoints = Dictionary(
      endpoints.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
    byName = self.endpoints
      .map { (name: Array($0.key.utf8), endpoint: $0.value) }
      .sorted { left, right in RoutingTable.order(left.name.span, right.name.span) < 0 }
  }

  /// The endpoint of this name, in any letter case.
  package func endpoint(named name: Span<UInt8>) -> EndpointRoute? {
    var low = 0
    var high = byName.count
    while low < high {
      let middle = (low + high) / 2
      let candidate = byName[middle]
      let order = RoutingTable.order(name, candidate.name.span)
      if order == 0 { return candidate.endpoint }
      if order < 0 { high = middle } else { low = middle + 1 }
    }
    return nil
  }

  /// Negative when `left`, its letters made small, comes before `right`. Shorter names first.
  private static func order(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
    if left.count != right.count { return left.count - right.count }
    for index in left.indices {
      let byte = left[index]
      let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
      let difference = Int(isUpper ? byte | 0x20 : byte) - Int(right[index])
      if difference != 0 { return difference }
    }
    return 0
  }
}

/// One endpoint as requests see it.
package final class EndpointRoute: Sendable {
  package let name: String
  package let split: TrafficSplit
  /// Ready deployments by lower-case name.
  package let deployments: [String: LiveDeployment]
  /// Deployments that exist but cannot answer, with the reason (`loading`, or why it failed).
  package let unavailable: [String: String]
  /// Keys that open it (UTF-8).
  package let keys: [[UInt8]]
  package let isOpen: Bool
  /// Whether its callers get an error's code and request id only.
  package let hidesErrors: Bool
  /// Clients with a key and a quota of their own.
  package let clients: [ClientKey]
  /// Who gets copies of requests; nil: nobody.
  package let mirror: MirrorShare?

  /// The deployments that have traffic and are ready, each with the end of its share. One that
  /// is not ready leaves its share to the others in proportion: no request is lost by it.
  private let shares: [(end: Int, deployment: LiveDeployment)]
  /// The deployments that have traffic and are not ready.
  package let unreadyShares: [UnreadyShare]

  /// Why a deployment that is on its way cannot answer yet.
  package static let loading = "loading"
  /// Why one cannot answer that somebody has unloaded.
  package static let unloaded = "it is unloaded"

  /// What a caller may read of why a deployment cannot answer: not the reason itself, which may
  /// name files of this machine and is for the log and for administrators.
  package static func sentence(for reason: String) -> String {
    [loading, unloaded].contains(reason) ? reason : "it could not be started"
  }

  package init(
    name: String, split: TrafficSplit, deployments: [LiveDeployment],
    unavailable: [String: String], keys: [[UInt8]], isOpen: Bool,
    hidesErrors: Bool = false, clients: [ClientKey] = [], mirror: MirrorShare? = nil
  ) {
    self.name = name
    self.split = split
    let byName = Dictionary(
      deployments.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
    self.deployments = byName
    self.unavailable = unavailable
    self.keys = keys
    self.isOpen = isOpen
    self.hidesErrors = hidesErrors
    self.clients = clients
    self.mirror = mirror
    var shares: [(end: Int, deployment: LiveDeployment)] = []
    var unready: [UnreadyShare] = []
    for (name, percent) in split.weights where percent > 0 {
      if let deployment = byName[name] {
        shares.append((end: (shares.last?.end ?? 0) + percent, deployment: deployment))
      } else {
        let reason = unavailable[name] ?? "not loaded"
        unready.append(UnreadyShare(deployment: name, percent: percent, reason: reason))
      }
    }
    self.shares = shares
    unreadyShares = unready
  }

  /// Who answers the requests that name no deployment.
  var answeringNames: [String] { shares.map(\.deployment.name) }

  /// The deployment that answers: the one that the caller names, else one by weight.
  func deployment(
    pinned: String?, draws: borrowing TrafficDraws
  ) throws(ScoringError) -> LiveDeployment {
    if let pinned { return try deployment(named: pinned) }
    guard let last = shares.last else {
      guard let waiting = unreadyShares.first else { throw .noTraffic(endpoint: name) }
      throw .deploymentUnavailable(
        endpoint: name, name: waiting.deployment, reason: waiting.reason)
    }
    if shares.count == 1 { return last.deployment }
    let draw = draws.next(below: last.end)
    for share in shares where draw < share.end { return share.deployment }
    return last.deployment
  }

  /// The deployment that the endpoint is described by: the one that the caller names, else the one
  /// with the most traffic, else the first that is ready. Takes no draw.
  package func describedDeployment(
    pinned: String?
  ) throws(ScoringError) -> LiveDeployment {
    if let pinned { return try deployment(named: pinned) }
    var best: (deployment: LiveDeployment, percent: Int)?
    for (name, percent) in split.weights {
      guard let deployment = deployments[name], percent > best?.percent ?? 0 else { continue }
      best = (deployment, percent)
    }
    if let best { return best.deployment }
    if let first = deployments.min(by: { $0.key < $1.key }) { return first.value }
    guard let waiting = unavailable.min(by: { $0.key < $1.key }) else {
      throw .noTraffic(endpoint: name)
    }
    throw .deploymentUnavailable(endpoint: name, name: waiting.key, reason: waiting.value)
  }

  private func deployment(named pinned: String) throws(ScoringError) -> LiveDeployment {
    let key = pinned.lowercased()
    if let deployment = deployments[key] { return deployment }
    if let reason = unavailable[key] {
      throw .deploymentUnavailable(endpoint: name, name: key, reason: reason)
    }
    throw .deploymentNotFound(
      endpoint: name, name: pinned,
      known: (deployments.values.map(\.name) + unavailable.keys).sorted())
  }
}
