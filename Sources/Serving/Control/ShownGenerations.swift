/// Which generations' numbers `/metrics` shows: of each deployment the one in force and the one
/// before it, whose last requests are still to be read. Older ones go, or every update would
/// leave its series behind.
struct ShownGenerations {
  private struct Shown {
    var endpoint: String
    var deployment: String
    var generation: Int64
  }

  private static let maxShown = 2
  private var shown: [DeploymentKey: [Shown]] = [:]

  /// Takes note of what is in force now.
  ///
  /// - Returns: The labels of each generation that is not shown any more.
  mutating func replace(
    with live: [DeploymentKey: LiveDeployment]
  ) -> [[(name: String, value: String)]] {
    // Those of a deleted deployment are forgotten with it.
    shown = shown.filter { live[$0.key] != nil }
    var gone: [Shown] = []
    for (key, deployment) in live {
      var generations = shown[key] ?? []
      if generations.last?.generation != deployment.generation {
        generations.removeAll { $0.generation == deployment.generation }
        generations.append(
          Shown(
            endpoint: deployment.endpointName, deployment: deployment.name,
            generation: deployment.generation))
      }
      gone += generations.dropLast(Self.maxShown)
      shown[key] = generations.suffix(Self.maxShown)
    }
    return gone.map {
      [
        (name: "endpoint", value: $0.endpoint), (name: "deployment", value: $0.deployment),
        (name: "generation", value: String($0.generation)),
      ]
    }
  }
}
