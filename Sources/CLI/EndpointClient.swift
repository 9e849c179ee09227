import ArgumentParser
import Documents
import Gateway
import Serving

/// An endpoint of either family: as YAML, as the control plane's body, as `az ml` prints it.
protocol EndpointResource {
  /// Where the control plane has the family.
  static var collection: String { get }
  /// What messages call one.
  static var noun: String { get }
  static var nounWithArticle: String { get }
  /// What help adds on deleting one.
  static var deletionNote: String { get }

  var name: String { get }
  var yaml: DocumentValue { get }
  var body: DocumentValue { get }
  /// What in it has no effect on the gateway, in sentences.
  var notices: [String] { get }

  init(yaml: Document) throws(DocumentError)
  init(name: String, body: Document) throws(DocumentError)

  static func view(_ answer: DocumentValue) throws(CommandFailure) -> DocumentValue
}

extension EndpointResource {
  static func path(_ name: String) -> String { "\(collection)/\(name.percentEncoded)" }
}

extension EndpointSpecification: EndpointResource {
  static let collection = "onlineEndpoints"
  static let noun = "endpoint"
  static let nounWithArticle = "an endpoint"
  static let deletionNote = ""

  var body: DocumentValue { ARM.body(of: self) }
  var notices: [String] { ResourceNotices.of(self) }

  init(name: String, body: Document) throws(DocumentError) {
    self = try ARM.endpoint(name: name, body: body)
  }

  static func view(_ answer: DocumentValue) throws(CommandFailure) -> DocumentValue {
    try ResourceViews.endpoint(answer)
  }
}

extension BatchEndpointSpecification: EndpointResource {
  static let collection = "batchEndpoints"
  static let noun = "batch endpoint"
  static let nounWithArticle = "a batch endpoint"
  static let deletionNote = "; its jobs stay"

  var body: DocumentValue { ARM.body(of: self) }
  var notices: [String] { ResourceNotices.of(self) }

  init(name: String, body: Document) throws(DocumentError) {
    self = try ARM.batchEndpoint(name: name, body: body)
  }

  static func view(_ answer: DocumentValue) throws(CommandFailure) -> DocumentValue {
    try ResourceViews.batchEndpoint(answer)
  }
}

/// What the commands of both families of endpoints ask the gateway. Answers are as they are
/// printed.
struct EndpointClient<Endpoint: EndpointResource> {
  let control: ControlClient

  init(_ options: ClientOptions) throws(CommandFailure) { control = try options.client() }

  /// - Parameter tellsNotices: Whether it comes from a file of the user's, who is told on standard
  ///   error what in it has no effect.
  func put(
    _ endpoint: Endpoint, tellsNotices: Bool = false
  ) throws(CommandFailure) -> DocumentValue {
    let answer = try control.send("PUT", Endpoint.path(endpoint.name), body: endpoint.body)
    if tellsNotices { StandardError.warn(endpoint.notices) }
    return try Endpoint.view(answer.body)
  }

  /// The endpoint as it is, with members of its YAML changed.
  func changed(_ name: String, _ assignments: [String]) throws -> Endpoint {
    let current = try control.send("GET", Endpoint.path(name)).body
    let source = "\(Endpoint.noun) \(name)"
    do {
      var yaml = try Endpoint(name: name, body: Document(current, source: source)).yaml
      try apply(assignments, to: &yaml)
      return try Endpoint(yaml: Document(yaml, source: source))
    } catch let error as DocumentError {
      throw CommandFailure("\(error)")
    }
  }

  func show(_ name: String) throws(CommandFailure) -> DocumentValue {
    try Endpoint.view(try control.send("GET", Endpoint.path(name)).body)
  }

  func list() throws(CommandFailure) -> DocumentValue {
    let answer = try control.send("GET", Endpoint.collection)
    return .array(try ResourceViews.elements(answer.body).map(Endpoint.view))
  }

  func delete(_ name: String, isWaiting: Bool) throws(CommandFailure) {
    let answer = try control.send("DELETE", Endpoint.path(name))
    if isWaiting { try control.wait(for: answer) }
  }

  func keys(of name: String) throws(CommandFailure) -> DocumentValue {
    try control.send("POST", Endpoint.path(name) + "/listKeys").body
  }

  /// - Returns: Both keys.
  func regenerateKey(
    _ kind: KeyKind, of name: String, isWaiting: Bool
  ) throws(CommandFailure) -> DocumentValue {
    let answer = try control.send(
      "POST", Endpoint.path(name) + "/regenerateKeys",
      body: ["keyType": .string(kind == .primary ? "Primary" : "Secondary")])
    if isWaiting { try control.wait(for: answer) }
    return try keys(of: name)
  }
}

/// Which of an endpoint's two keys.
enum KeyKind: String, ExpressibleByArgument, CaseIterable { case primary, secondary }
