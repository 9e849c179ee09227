package import Documents
package import Registry
package import Store

/// An endpoint as `show` gives it.
package struct EndpointRecord: Sendable, Equatable {
  package var specification: EndpointSpecification
  package var generation: Int64
  /// `Succeeded`, `Creating`, `Updating`, `Deleting`, `Failed`.
  package var provisioningState: String
  /// Milliseconds since 1970.
  package var createdAt: Int64
  package var modifiedAt: Int64
}

/// A deployment as `show` gives it.
package struct DeploymentRecord: Sendable, Equatable {
  package var specification: DeploymentSpecification
  package var generation: Int64
  package var provisioningState: String
  /// Why it is `Failed`.
  package var failure: DeploymentFailure?
  /// `churn:3`, what `specification.model` resolved to; nil before that.
  package var model: String?
  /// Where its requests run, and why there; nil while it cannot answer. Not stored.
  package var execution: String?
  package var createdAt: Int64
  package var modifiedAt: Int64
}

/// A long-running operation as its poll URL gives it.
package struct OperationRecord: Sendable, Equatable {
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

package enum ControlError: Error, Sendable, CustomStringConvertible {
  case endpointNotFound(String, known: [String])
  case deploymentNotFound(endpoint: String, name: String, known: [String])
  case operationNotFound(String)
  /// What there is none of, and what there is, in a sentence.
  case notFound(String)
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

  package var description: String {
    switch self {
    case .endpointNotFound(let name, let known):
      "endpoint '\(name)' does not exist; " + Self.list(known, of: "endpoints")
    case .deploymentNotFound(let endpoint, let name, let known):
      "endpoint '\(endpoint)' has no deployment '\(name)'; "
        + Self.list(known, of: "deployments")
    case .operationNotFound(let id): "operation '\(id)' does not exist"
    case .notFound(let sentence): sentence
    case .invalid(let field, let reason): "\(field): \(reason)"
    case .conflict(let reason): reason
    case .document(let error): error.description
    case .documents(let faults): faults.joined(separator: "\n")
    case .registry(let error): registrySentence(for: error)
    case .deployment(let failure): failure.message
    case .store(let error): error.description
    }
  }

  static func list(_ known: [String], of what: String) -> String {
    if known.isEmpty { return "there are no \(what)" }
    let shown = known.prefix(20).joined(separator: ", ")
    return "\(what): \(shown)" + (known.count > 20 ? " and \(known.count - 20) more" : "")
  }
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
