/// What an endpoint's traffic may be. Pure. Source: `AZUREML.md` §2.
package enum TrafficRules {
  package struct Fault: Equatable, Sendable {
    /// `traffic` or `mirror_traffic`, or a member of one.
    package var field: String
    package var expected: String
    package var received: String
  }

  /// What is wrong with the numbers themselves; nil when nothing is.
  package static func fault(traffic: [String: Int], mirrorTraffic: [String: Int]) -> Fault? {
    for (name, percent) in traffic.sorted(by: { $0.key < $1.key })
    where !(0...100).contains(percent) {
      return Fault(
        field: "traffic.\(name)", expected: "an integer from 0 to 100", received: "\(percent)")
    }
    let sum = traffic.values.reduce(0, +)
    if sum != 0 && sum != 100 {
      let parts = traffic.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      return Fault(
        field: "traffic", expected: "percents that sum to 100 or 0",
        received: "\(parts.joined(separator: " ")), which sums to \(sum)")
    }
    let mirrored = mirrorTraffic.filter { $0.value != 0 }.sorted { $0.key < $1.key }
    if mirrored.count > 1 {
      return Fault(
        field: "mirror_traffic", expected: "one deployment",
        received: mirrored.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
    }
    if let (name, percent) = mirrored.first {
      if !(0...50).contains(percent) {
        return Fault(
          field: "mirror_traffic.\(name)", expected: "an integer from 0 to 50",
          received: "\(percent)")
      }
      if let live = traffic[name], live > 0 {
        return Fault(
          field: "mirror_traffic.\(name)",
          expected: "a deployment without live traffic",
          received: "\(percent) while traffic.\(name) is \(live)")
      }
    }
    return nil
  }

  /// What is wrong with the names, given those of the endpoint's deployments in lower case.
  package static func fault(
    traffic: [String: Int], mirrorTraffic: [String: Int], deployments: Set<String>
  ) -> Fault? {
    let known =
      deployments.isEmpty
      ? "the endpoint has no deployments"
      : "known: \(deployments.sorted().joined(separator: ", "))"
    for (field, percents) in [("traffic", traffic), ("mirror_traffic", mirrorTraffic)] {
      for (name, percent) in percents.sorted(by: { $0.key < $1.key })
      where percent > 0 && !deployments.contains(name) {
        return Fault(
          field: "\(field).\(name)", expected: "an existing deployment (\(known))",
          received: "a share for the unknown deployment '\(name)'")
      }
    }
    return nil
  }
}
