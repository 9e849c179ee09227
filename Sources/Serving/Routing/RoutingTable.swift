/// Everything the data plane needs to know, as one immutable object that is replaced whole.
package final class RoutingTable: Sendable {
  /// By lower-case name.
  package let endpoints: [String: EndpointRoute]

  package init(endpoints: [EndpointRoute]) {
    self.endpoints = Dictionary(
      endpoints.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
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

  package init(
    name: String, split: TrafficSplit, deployments: [LiveDeployment],
    unavailable: [String: String], keys: [[UInt8]], isOpen: Bool
  ) {
    self.name = name
    self.split = split
    self.deployments = Dictionary(
      deployments.map { ($0.name.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
    self.unavailable = unavailable
    self.keys = keys
    self.isOpen = isOpen
  }
}
