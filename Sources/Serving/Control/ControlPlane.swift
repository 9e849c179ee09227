package import Digest
package import Documents
package import Registry
package import Store
package import Telemetry

/// An endpoint as `show` gives it.
package struct EndpointRecord: Sendable {
  package var specification: EndpointSpecification
  package var generation: Int64
  /// `Succeeded`, `Creating`, `Updating`, `Deleting`, `Failed`.
  package var provisioningState: String
  /// Milliseconds since 1970.
  package var createdAt: Int64
  package var modifiedAt: Int64
}

/// A deployment as `show` gives it.
package struct DeploymentRecord: Sendable {
  package var specification: DeploymentSpecification
  package var generation: Int64
  package var provisioningState: String
  /// Why it is `Failed`.
  package var failure: DeploymentFailure?
  /// `churn:3`, what `specification.model` resolved to; nil before that.
  package var model: String?
  package var createdAt: Int64
  package var modifiedAt: Int64
}

/// A long-running operation as its poll URL gives it.
package struct OperationRecord: Sendable {
  package var id: String
  /// `InProgress`, `Succeeded`, `Failed`, `Canceled`.
  package var status: String
  package var failure: DeploymentFailure?
  package var startedAt: Int64
  package var endedAt: Int64?
}

/// Who asks: `uid 1000`, `serve --apply`, `key`. For the audit.
package struct Actor: Sendable {
  package var name: String
  package init(name: String) { self.name = name }
}

package enum ControlError: Error, Sendable {
  case endpointNotFound(String, known: [String])
  case deploymentNotFound(endpoint: String, name: String, known: [String])
  case operationNotFound(String)
  /// What was asked is wrong: field and reason.
  case invalid(field: String, reason: String)
  /// Another state stands against it: live traffic, an operation in progress, a model in use.
  case conflict(String)
  case document(DocumentError)
  /// Several faults, each with its document, told together.
  case documents([String])
  case registry(RegistryError)
  case deployment(DeploymentFailure)
  case store(StoreError)
}


/// What `apply` did, or what `plan` would do.
package struct ApplyReport: Sendable {
  package struct Change: Sendable, Equatable {
    package enum Action: String, Sendable { case create, update, delete, unchanged, failed }
    package var action: Action
    /// `model churn:3`, `endpoint churn`, `deployment churn/blue`.
    package var resource: String
    /// What differs, field by field, or why it failed.
    package var detail: String
  }
  package var changes: [Change] = []
  /// One notice for each document skipped or field that has no meaning here.
  package var notices: [String] = []
}

/// Desired state to running deployments: every change of models, endpoints and deployments goes
/// through here, is in the database before it is acknowledged, and then in force in one swap of
/// the routing table. Any thread; changes are serialised.
package final class ControlPlane: Sendable {
  package init(
    database: Database, registry: ModelRegistry, service: ScoringService, sealer: Sealer,
    metrics: MetricRegistry, log: Log, keysFolder: String?
  ) { fatalError("skeleton") }

  /// Loads every deployment that the database names and puts them in force. A deployment that
  /// fails is `Failed` with its reason; the others serve.
  package func start() throws(ControlError) { fatalError("skeleton") }

  /// True when every deployment has finished loading or failed.
  package var isReady: Bool { fatalError("skeleton") }

  package func endpoints() throws(ControlError) -> [EndpointRecord] { fatalError("skeleton") }
  package func endpoint(_ name: String) throws(ControlError) -> EndpointRecord {
    fatalError("skeleton")
  }
  /// Creates or updates, by Azure's rules for traffic. `created` tells which.
  package func putEndpoint(
    _ specification: EndpointSpecification, by actor: Actor
  ) throws(ControlError) -> (record: EndpointRecord, created: Bool) { fatalError("skeleton") }
  /// Deletes it with its deployments.
  package func deleteEndpoint(_ name: String, by actor: Actor) throws(ControlError) {
    fatalError("skeleton")
  }

  package func deployments(of endpoint: String) throws(ControlError) -> [DeploymentRecord] {
    fatalError("skeleton")
  }
  package func deployment(
    _ name: String, of endpoint: String
  ) throws(ControlError) -> DeploymentRecord { fatalError("skeleton") }
  /// Accepts the change, commits it as `Creating` or `Updating`, and loads it on another thread;
  /// an update keeps the old generation serving until the new one is ready, and for good when
  /// that fails.
  package func putDeployment(
    _ specification: DeploymentSpecification, by actor: Actor
  ) throws(ControlError) -> (record: DeploymentRecord, created: Bool, operation: OperationRecord) {
    fatalError("skeleton")
  }
  /// Refused while it has live traffic.
  package func deleteDeployment(
    _ name: String, of endpoint: String, by actor: Actor
  ) throws(ControlError) { fatalError("skeleton") }

  package func operation(_ id: String) throws(ControlError) -> OperationRecord {
    fatalError("skeleton")
  }

  package struct Keys: Sendable {
    package var primary: String
    package var secondary: String
  }
  package func keys(of endpoint: String) throws(ControlError) -> Keys { fatalError("skeleton") }
  package enum KeyKind: String, Sendable { case primary, secondary }
  /// A fresh key when `value` is nil or the current one.
  package func regenerateKey(
    _ kind: KeyKind, of endpoint: String, value: String?, by actor: Actor
  ) throws(ControlError) -> Keys { fatalError("skeleton") }

  /// `endpoint/deployment` of each deployment that uses this model version.
  package func deployments(using model: String, version: String) throws(ControlError) -> [String] {
    fatalError("skeleton")
  }
  package func deleteModel(
    name: String, version: String, by actor: Actor
  ) throws(ControlError) { fatalError("skeleton") }
  package func registerModel(
    _ registration: ModelRegistration, by actor: Actor
  ) throws(ControlError) -> (version: ModelVersion, created: Bool) { fatalError("skeleton") }

  package enum ApplyUnit: Sendable {
    /// All documents or nothing.
    case everything
    /// At start: an endpoint with its deployments; one that fails leaves the others.
    case endpoint
  }

  /// Validates, registers, loads and warms up everything first, then commits with one database
  /// commit and one routing swap, or changes nothing (`DESIGN.md` §2). An unchanged document
  /// changes nothing.
  ///
  /// - Parameter dryRun: Reports what would be done, and does none of it (`plan`).
  package func apply(
    _ documents: [ApplyDocument], prune: Bool, dryRun: Bool, unit: ApplyUnit, by actor: Actor
  ) throws(ControlError) -> ApplyReport { fatalError("skeleton") }

  /// Ends the loading threads. At shutdown.
  package func stop() { fatalError("skeleton") }
}
