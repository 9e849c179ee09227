internal import Registry

/// A deployment that this apply creates or updates.
struct PlannedDeployment: Sendable {
  var specification: DeploymentSpecification
  var origin: ApplyInput.Origin
  var model: ModelVersion?
  /// Whether the document brings the model's files, not only its name.
  var bringsModel = false
  /// Set when the deployment is known to fail (at start only).
  var failure: DeploymentFailure?
  /// False when only words change.
  var loads = true
  var generation: Int64 = 0
  var outcome: Result<LiveDeployment, DeploymentFailure>?

  var key: DeploymentKey { DeploymentKey(specification) }
}

extension DeploymentSpecification {
  /// The model that comes with the deployment's document; nil when that names a registered one.
  var inlineModel: ModelRegistration? {
    if case .inline(let registration)? = model { registration } else { nil }
  }
}
