internal import Synchronization
internal import Telemetry

/// Tells the log once of each parameter that requests send and the model's signature does not
/// name: it is passed over, as MLflow does, and whoever sends it should know. Any thread.
final class IgnoredParameters: Sendable {
  /// Names that are told apart: they are the clients'.
  private static let maxNames = 32

  private let told = Mutex<Set<String>>([])
  private let log: Log
  private let deployment: DeploymentSpecification
  private let generation: Int64

  init(log: Log, deployment: DeploymentSpecification, generation: Int64) {
    self.log = log
    self.deployment = deployment
    self.generation = generation
  }

  func note(_ names: [String]) {
    let fresh = told.withLock { told in
      names.filter { told.count < Self.maxNames && told.insert(String($0.prefix(80))).inserted }
    }
    guard !fresh.isEmpty else { return }
    log.write(
      .warning, "parameters of requests that the model's signature does not name are passed over",
      [
        "endpoint": .string(deployment.endpointName), "deployment": .string(deployment.name),
        "generation": .integer(generation),
        "parameters": .string(fresh.map { String($0.prefix(80)) }.joined(separator: ", ")),
      ])
  }
}
