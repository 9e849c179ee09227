package import Documents
package import Registry

/// An online deployment as its owner wrote it. Source: `AZUREML.md` §1.2, §1.3.
package struct DeploymentSpecification: Sendable, Equatable {
  /// What the deployment serves.
  package enum Model: Sendable, Equatable {
    /// `azureml:churn:3`, `azureml:churn@latest`, or an ARM id of one.
    case registered(ModelReference)
    /// An inline model: registered on the fly before the deployment is made. `path` is absolute.
    case inline(ModelRegistration)
  }

  /// Where requests run.
  package enum Execution: String, Sendable {
    /// Decided per request from its size and the measured cost.
    case automatic = "auto"
    case inline
    case queued
  }

  package var name: String
  package var endpointName: String
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  package var model: Model?
  package var instanceCount = 1
  /// Milliseconds. Default 5000. Range 1...180000.
  package var requestTimeoutMs = 5000
  /// Only what the document itself writes limits concurrency; nil: no limit.
  package var maxConcurrentRequestsPerInstance: Int?
  package var maxQueueWaitMs: Int?
  package var execution = Execution.automatic
  /// `swerve: response: {outputs: […]}`: the outputs of a `/score` answer; nil: the model's own.
  package var responseOutputs: [String]?
  /// Fields with no meaning on one host, in YAML's names: kept, echoed back, reported once.
  /// `code_configuration` and a container `environment` are here too: see `cannotRunReason`.
  package var noted = DocumentObject()
  /// Why this gateway cannot run it yet (a scoring script, a container), in one sentence.
  package var cannotRunReason: String?

  package init(name: String, endpointName: String) {
    self.name = name
    self.endpointName = endpointName
  }

  /// Reads the YAML document. Relative paths count from `folder`, the document's own.
  package init(yaml document: Document, folder: String) throws(DocumentError) {
    fatalError("skeleton")
  }

  /// The YAML schema's form, as `az ml online-deployment show` prints it.
  package var yaml: DocumentValue { fatalError("skeleton") }
}
