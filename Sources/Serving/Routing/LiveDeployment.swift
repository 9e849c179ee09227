package import Registry
package import Telemetry

/// A deployment that is loaded, verified, warmed up, and can answer. Immutable but for its
/// counters; one object a generation.
package final class LiveDeployment: Sendable {
  package let endpointName: String
  package let name: String
  package let generation: Int64
  package let specification: DeploymentSpecification
  /// `churn:3`.
  package let modelName: String
  package let modelVersion: String
  package let model: LoadedModel

  /// Loads, verifies hashes, warms up on the package's sample and compares with its expected
  /// answer. Takes as long as that takes: on a thread of the control plane's.
  ///
  /// - Throws: `DeploymentFailure` with the reason in full.
  package init(
    _ specification: DeploymentSpecification, generation: Int64, model: ModelVersion,
    package: String, registry: ModelRegistry, metrics: MetricRegistry
  ) throws(DeploymentFailure) { fatalError("skeleton") }

  /// Requests taken and not yet answered.
  package var requestsInFlight: Int { fatalError("skeleton") }
}

/// Why a deployment is `Failed`. `code` is one of Azure's: `BadArgument`, `ResourceNotReady`.
package struct DeploymentFailure: Error, Sendable, Equatable {
  package var code: String
  package var message: String
  package init(code: String, message: String) {
    self.code = code
    self.message = message
  }
}
