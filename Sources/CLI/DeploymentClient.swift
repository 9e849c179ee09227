import ArgumentParser
import Documents
import Gateway
import Serving

/// A deployment of either family: as YAML, as the control plane's body, as `az ml` prints it.
protocol DeploymentResource {
  associatedtype Endpoint: EndpointResource
  /// What messages call one.
  static var noun: String { get }
  /// What help adds on deleting one.
  static var deletionNote: String { get }

  var name: String { get }
  var endpointName: String { get }
  var model: DeploymentSpecification.Model? { get set }
  var yaml: DocumentValue { get }
  var body: DocumentValue { get }
  /// What in it has no effect on the gateway, in sentences.
  var notices: [String] { get }

  init(yaml: Document, folder: String) throws(DocumentError)
  init(name: String, endpoint: String, body: Document) throws(DocumentError)

  static func view(
    _ answer: DocumentValue, endpoint: String
  ) throws(CommandFailure) -> DocumentValue
}

extension DeploymentResource {
  static func path(_ name: String, of endpoint: String) -> String {
    "\(Endpoint.path(endpoint))/deployments/\(name.percentEncoded)"
  }
}

extension DeploymentSpecification: DeploymentResource {
  typealias Endpoint = EndpointSpecification
  static let noun = "deployment"
  static let deletionNote = " that takes no traffic"

  var body: DocumentValue { ARM.body(of: self) }
  var notices: [String] { ResourceNotices.of(self) }

  init(name: String, endpoint: String, body: Document) throws(DocumentError) {
    self = try ARM.deployment(name: name, endpoint: endpoint, body: body)
  }

  static func view(
    _ answer: DocumentValue, endpoint: String
  ) throws(CommandFailure) -> DocumentValue {
    try ResourceViews.deployment(answer, endpoint: endpoint)
  }
}

extension BatchDeploymentSpecification: DeploymentResource {
  typealias Endpoint = BatchEndpointSpecification
  static let noun = "batch deployment"
  static let deletionNote = "; its jobs stay"

  var body: DocumentValue { ARM.body(of: self) }
  var notices: [String] { ResourceNotices.of(self) }

  init(name: String, endpoint: String, body: Document) throws(DocumentError) {
    self = try ARM.batchDeployment(name: name, endpoint: endpoint, body: body)
  }

  static func view(
    _ answer: DocumentValue, endpoint: String
  ) throws(CommandFailure) -> DocumentValue {
    try ResourceViews.batchDeployment(answer, endpoint: endpoint)
  }
}

/// `--endpoint-name`, `-e` and `--endpoint`, as `az ml` takes them.
struct EndpointOption: ParsableArguments {
  @Option(name: [.customShort("e"), .long, .customLong("endpoint")])
  var endpointName: String?

  /// It wins over the YAML's.
  var members: [(String, DocumentValue)] {
    endpointName.map { [("endpoint_name", .string($0))] } ?? []
  }
}

/// What the commands of both families of deployments ask the gateway. Answers are as they are
/// printed.
struct DeploymentClient<Deployment: DeploymentResource> {
  let control: ControlClient

  init(_ options: ClientOptions) throws(CommandFailure) { control = try options.client() }

  /// - Parameters:
  ///   - isWaiting: Until the deployment is ready; batch deployments are when the answer comes.
  ///   - sendsFiles: Whether a model in it lies on this machine; else the gateway has it.
  ///   - tellsNotices: Whether it comes from a file of the user's, who is told on standard error
  ///     what in it has no effect.
  func put(
    _ wanted: Deployment, isWaiting: Bool = false, sendsFiles: Bool = true,
    tellsNotices: Bool = false
  ) throws(CommandFailure) -> DocumentValue {
    var deployment = wanted
    var upload: PackageUpload?
    if control.remote != nil, sendsFiles, case .inline(let package)? = deployment.model {
      let sent = try PackageUpload([package], to: control)
      deployment.model = .inline(sent.placed(package))
      upload = sent
    }
    // The gateway has registered it when it answers.
    defer { upload?.remove() }
    let path = Deployment.path(deployment.name, of: deployment.endpointName)
    let answer = try control.send("PUT", path, body: deployment.body)
    if tellsNotices { StandardError.warn(wanted.notices) }
    var body = answer.body
    if isWaiting {
      try control.wait(for: answer)
      body = try control.send("GET", path).body
    }
    return try Deployment.view(body, endpoint: deployment.endpointName)
  }

  /// What `update` wants: a file that replaces the deployment, or the deployment as it is; with
  /// members of the YAML changed.
  ///
  /// - Returns: And whether its files are to be sent.
  func changed(
    _ name: String?, _ endpoint: EndpointOption, file: String?, _ assignments: [String]
  ) throws -> (deployment: Deployment, sendsFiles: Bool) {
    if let file {
      let yaml = try YAMLFile(
        file, name: name, assignments: assignments, extra: endpoint.members)
      return (try yaml.deployment(), true)
    }
    guard let name, let endpointName = endpoint.endpointName else {
      throw ValidationError("give --name and --endpoint-name, or --file")
    }
    let path = Deployment.path(name, of: endpointName)
    let body = try control.send("GET", path).body
    do {
      let current = try Deployment(
        name: name, endpoint: endpointName, body: Document(body, source: path))
      var yaml = current.yaml
      try apply(assignments, to: &yaml)
      let deployment = try Deployment(
        yaml: Document(yaml, source: "\(Deployment.noun) \(name)"),
        folder: LocalFile.absolute("."))
      return (deployment, deployment.model != current.model)
    } catch let error as DocumentError {
      throw CommandFailure("\(error)")
    }
  }

  func show(_ name: String, of endpoint: String) throws(CommandFailure) -> DocumentValue {
    let answer = try control.send("GET", Deployment.path(name, of: endpoint))
    return try Deployment.view(answer.body, endpoint: endpoint)
  }

  func list(of endpoint: String) throws(CommandFailure) -> DocumentValue {
    let answer = try control.send("GET", Deployment.Endpoint.path(endpoint) + "/deployments")
    return .array(
      try ResourceViews.elements(answer.body).map { (element) throws(CommandFailure) in
        try Deployment.view(element, endpoint: endpoint)
      })
  }

  func delete(_ name: String, of endpoint: String, isWaiting: Bool) throws(CommandFailure) {
    let answer = try control.send("DELETE", Deployment.path(name, of: endpoint))
    if isWaiting { try control.wait(for: answer) }
  }
}
