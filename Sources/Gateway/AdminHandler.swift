package import Documents
package import HTTP
package import Registry
package import Serving
package import Telemetry

/// The admin API on the workspace's socket: Azure Resource Manager's paths and bodies for the
/// resources that exist here, and three of ours. One request at a time; a handler may block.
///
/// `{WS}` is `/subscriptions/{s}/resourceGroups/{g}/providers/
/// Microsoft.MachineLearningServices/workspaces/{w}`, with any names; `api-version` is ignored.
///
/// | path | methods |
/// |---|---|
/// | `{WS}/onlineEndpoints[/{ep}]` | GET, PUT, PATCH, DELETE |
/// | `{WS}/onlineEndpoints/{ep}/listKeys`, `/token`, `/regenerateKeys` | POST |
/// | `{WS}/onlineEndpoints/{ep}/deployments[/{dep}]` | GET, PUT, PATCH, DELETE |
/// | `{WS}/onlineEndpoints/{ep}/deployments/{dep}/getLogs` | POST |
/// | `{WS}/models[/{n}[/versions[/{v}]]]` | GET, PUT, PATCH, DELETE |
/// | `{WS}/models/{n}/versions/{v}/package/{file}` | GET: a file of the package |
/// | `{WS}/apply` | POST `{"documents": [{"path", "text"}], "prune", "dryRun"}` |
/// | `{WS}/swerve/status` | GET |
/// | `/operations/{id}`, `/operations/{id}/result` | GET |
package final class AdminHandler: HTTPHandler {
  static let maxBodyBytes = 16 << 20

  let control: ControlPlane
  let registry: ModelRegistry
  let processStatus: @Sendable () -> DocumentValue
  let scoringAddress: @Sendable () -> String
  let log: Log

  /// - Parameters:
  ///   - status: What `swerve/status` tells of the process: version, pid, address, uptime.
  ///   - scoringAddress: `http://127.0.0.1:8080`, for the scoring URIs.
  package init(
    control: ControlPlane, registry: ModelRegistry,
    status: @escaping @Sendable () -> DocumentValue,
    scoringAddress: @escaping @Sendable () -> String, log: Log
  ) {
    self.control = control
    self.registry = registry
    processStatus = status
    self.scoringAddress = scoringAddress
    self.log = log
  }

  package func admit(_ exchange: HTTPExchange) -> HTTPAdmission {
    // Whoever opens the socket (mode 0600) is the owner. Over TCP nobody has proven anything.
    guard exchange.peerUserID != nil else {
      return .refuse(
        ARMError(403, "Forbidden", "the admin API answers on the workspace's socket only")
          .response)
    }
    guard ARMRoute.parse(exchange.pathSegments) != nil else {
      return .refuse(
        ARMError(404, "NotFound", "there is nothing at \(exchange.path)").response)
    }
    return .collect(maxBodyBytes: Self.maxBodyBytes)
  }

  package func handle(_ exchange: HTTPExchange) {
    exchange.respond(answer(exchange))
  }

  package func refusal(status: Int, reason: String) -> HTTPResponse {
    ARMError(status, status == 413 ? "RequestTooLarge" : "BadRequest", reason).response
  }

  package func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    guard exchange.method != .get || exchange.status >= 400 else { return }
    log.write(
      .info, "admin request",
      [
        "method": .string(exchange.method.rawValue), "path": .string(exchange.path),
        "status": .integer(Int64(exchange.status)),
        "actor": .string("uid \(exchange.peerUserID.map { String($0) } ?? "?")"),
      ])
  }

  private func answer(_ exchange: HTTPExchange) -> HTTPResponse {
    guard let (route, workspace) = ARMRoute.parse(exchange.pathSegments) else {
      return ARMError(404, "NotFound", "there is nothing at \(exchange.path)").response
    }
    // Over the socket a `Host` header says nothing.
    let scoringAddress = UsableAddress.text(
      scoringAddress(), askedAs: exchange.peerUserID == nil ? exchange.header("host") : nil)
    let request = AdminRequest(
      exchange, responses: ARMResponses(workspace: workspace, scoringAddress: scoringAddress))
    do throws(ARMError) {
      return try answer(route, request)
    } catch {
      return error.response
    }
  }

  private func answer(
    _ route: ARMRoute, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch route {
    case .workspace: try workspace(request)
    case .endpoints: try endpoints(request)
    case .endpoint(let name): try endpoint(name, request)
    case .endpointAction(let name, let action):
      try endpointAction(name, action: action, request)
    case .deployments(let endpoint): try deployments(of: endpoint, request)
    case .deployment(let name, let endpoint): try deployment(name, of: endpoint, request)
    case .deploymentAction(let name, let endpoint, let action):
      try deploymentAction(name, of: endpoint, action: action, request)
    case .models: try models(request)
    case .model(let name): try model(name, request)
    case .versions(let name): try versions(of: name, request)
    case .version(let number, let name): try version(number, of: name, request)
    case .packageFile(let file, let version, let name):
      try packageFile(file, version: version, of: name, request)
    case .apply: try apply(request)
    case .status: try status(request)
    case .operation(let id): try operation(id, request)
    case .operationResult(let id): try operationResult(id, request)
    }
  }
}

/// One admin request as the handlers see it.
struct AdminRequest {
  let method: HTTPMethod
  let query: [String: String]
  let actor: Actor
  let responses: ARMResponses
  /// What stands before `/operations`: nothing over the socket, where a URL has no host.
  let origin: String
  private let exchange: HTTPExchange

  init(_ exchange: HTTPExchange, responses: ARMResponses) {
    self.exchange = exchange
    self.responses = responses
    method = exchange.method
    actor = Actor(name: "uid \(exchange.peerUserID.map { String($0) } ?? "?")")
    origin = ""
    var query: [String: String] = [:]
    for pair in exchange.query.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = PercentText.decoded(String(parts[0])).lowercased()
      query[name] = parts.count > 1 ? PercentText.decoded(String(parts[1])) : ""
    }
    self.query = query
  }

  /// The JSON body; an empty one is an empty object.
  func document() throws(ARMError) -> Document {
    guard exchange.bodyByteCount > 0 else {
      return Document(.object(DocumentObject()), source: "request body")
    }
    do {
      return Document(
        try JSONReader.read(exchange.body, source: "request body", maxDepth: 64),
        source: "request body")
    } catch {
      throw ARMError(error)
    }
  }

  func notAllowed(_ allowed: String) -> ARMError {
    ARMError(405, "MethodNotAllowed", "this path takes \(allowed), not \(method.rawValue)")
  }
}

/// Percent-decoding of a query's parts.
enum PercentText {
  static func decoded(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest.removeFirst(2)
      } else {
        bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Does what may fail in the control plane or below, with the error as ARM has it.
func armControl<Result>(
  _ body: () throws(ControlError) -> Result
) throws(ARMError) -> Result {
  do { return try body() } catch { throw ARMError(error) }
}

func armRegistry<Result>(
  _ body: () throws(RegistryError) -> Result
) throws(ARMError) -> Result {
  do { return try body() } catch { throw ARMError(error) }
}

func armDocument<Result>(
  _ body: () throws(DocumentError) -> Result
) throws(ARMError) -> Result {
  do { return try body() } catch { throw ARMError(error) }
}
