internal import Telemetry

/// A share of the live traffic whose deployment cannot answer. The endpoint's other deployments
/// with traffic answer it; when there are none, it is refused with the reason.
package struct UnreadyShare: Sendable, Equatable {
  package let deployment: String
  package let percent: Int
  package let reason: String
}

extension ScoringService {
  /// Makes every such share visible, in a metric and, when it is new, in the log.
  func tell(sharesOf table: RoutingTable, before old: RoutingTable) {
    for (name, route) in old.endpoints {
      let weights = table.endpoints[name]?.split.weights ?? []
      for share in route.unreadyShares
      where !weights.contains(where: { $0.name == share.deployment && $0.percent > 0 }) {
        unreadyPercent(route.name, share.deployment).set(0)
      }
    }
    for (name, route) in table.endpoints {
      let known = old.endpoints[name]?.unreadyShares ?? []
      for weight in route.split.weights where weight.percent > 0 {
        let share = route.unreadyShares.first { $0.deployment == weight.name }
        unreadyPercent(route.name, weight.name).set(Int64(share?.percent ?? 0))
        guard let share, !known.contains(share) else { continue }
        log.write(
          share.reason == EndpointRoute.loading ? .debug : .warning,
          "a deployment with live traffic is not ready",
          [
            "endpoint": .string(route.name), "deployment": .string(share.deployment),
            "percent": .integer(Int64(share.percent)), "reason": .string(share.reason),
            "answered_by": .string(route.answeringNames.joined(separator: ", ")),
          ])
      }
    }
  }

  private func unreadyPercent(_ endpoint: String, _ deployment: String) -> Gauge {
    metrics.gauge(
      "swerve_unready_traffic_percent",
      help: "Percent of an endpoint's traffic whose deployment cannot answer.",
      labels: [(name: "endpoint", value: endpoint), (name: "deployment", value: deployment)])
  }
}
