internal import Documents
package import HTTP
internal import Registry
internal import Serving
internal import Telemetry

/// The admin API on the workspace's socket, and over TCP for those who have an admin key: Azure
/// Resource Manager's paths and bodies for the resources that exist here, and a few of ours. A
/// handler may block.
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
/// | `{WS}/batchEndpoints[/{ep}[/deployments[/{dep}]]]` | GET, PUT, PATCH, DELETE |
/// | `{WS}/batchEndpoints/{ep}/listKeys`, `/token`, `/regenerateKeys` | POST |
/// | `[/mferp/managementfrontend]{WS}/batchEndpoints/{ep}/jobs[/{id}]` | GET, POST |
/// | `{WS}/jobs[/{id}[/cancel]]` | GET, POST |
/// | `{WS}/jobs/{id}/outputs/score[/files/{file}]` | GET: what a job has written |
/// | `{WS}/jobs/{id}/outputs/logs[/files/{file}]` | GET: the rows that failed of a job that did |
/// | `{WS}/swerve/schedules[/{ep}[/pause]]`, `/resume` | GET, POST |
/// | `{WS}/data[/{n}[/versions[/{v}]]]` | GET, PUT, PATCH |
/// | `{WS}/models[/{n}[/versions[/{v}]]]` | GET, PUT, PATCH, DELETE |
/// | `{WS}/models/{n}/versions/{v}/package/{file}` | GET: a file of the package |
/// | `{WS}/apply` | POST `{"documents": [{"path", "text", "upload"}], "prune", "dryRun"}` |
/// | `{WS}/swerve/status` | GET |
/// | `{WS}/onlineEndpoints/{ep}/clientKeys[/{name}]` | GET, PUT, DELETE |
/// | `{WS}/swerve/restart` | POST `{"executable", "timeoutSeconds"}`; over the socket only |
/// | `{WS}/swerve/adminKeys[/{name}]` | GET, PUT, DELETE; over the socket only |
/// | `{WS}/swerve/uploads[/{id}]` | POST `{"files": [{"path", "bytes"}]}`, DELETE |
/// | `{WS}/swerve/uploads/{id}/files/{i}/blocks/{n}?of={m}` | PUT: bytes, `x-swerve-sha256` |
/// | `{WS}/swerve/uploads/{id}/commit` | POST `{"files": [{"path", "bytes", "sha256"}]}` |
/// | `/operations/{id}`, `/operations/{id}/result` | GET |
/// | `/metrics` | GET: all metrics; the scoring address leaves out those that name clients |
package final class AdminHandler: HTTPHandler {
  static let maxBodyBytes = 16 << 20

  let control: ControlPlane
  let adminKeys: AdminKeys
  let uploads: UploadStore
  let registry: ModelRegistry
  let desk: JobDesk
  let processStatus: @Sendable () -> DocumentValue
  let scoringAddress: @Sendable () -> String
  let log: Log
  let keyFailures: KeyFailures
  /// Prometheus' text.
  let metricsText: @Sendable () -> [UInt8]
  /// nil where there is no process of our own to be restarted: in tests.
  let restartProcess: Restart?

  /// - Parameters:
  ///   - adminKeys: What opens it over TCP.
  ///   - uploads: Packages that come over TCP.
  ///   - desk: Makes and shows batch jobs.
  ///   - status: What `swerve/status` tells of the process: version, pid, address, uptime.
  ///   - scoringAddress: `http://127.0.0.1:8080`, for the scoring URIs.
  init(
    control: ControlPlane, registry: ModelRegistry, adminKeys: AdminKeys, uploads: UploadStore,
    desk: JobDesk, status: @escaping @Sendable () -> DocumentValue,
    scoringAddress: @escaping @Sendable () -> String, log: Log,
    keyFailures: KeyFailures = KeyFailures(limit: 0),
    metrics: @escaping @Sendable () -> [UInt8] = { [] }, restart: Restart? = nil
  ) {
    self.keyFailures = keyFailures
    metricsText = metrics
    self.control = control
    self.registry = registry
    self.desk = desk
    self.adminKeys = adminKeys
    self.uploads = uploads
    processStatus = status
    self.scoringAddress = scoringAddress
    self.log = log
    restartProcess = restart
  }

  /// Who, then what: nobody without a key learns which paths there are, and no byte of a body is
  /// read before.
  package func admit(_ exchange: HTTPExchange) -> HTTPAdmission {
    guard let caller = AdminCaller(exchange, keys: adminKeys) else {
      if bearerToken(exchange) != nil, let seconds = keyFailures.note(peer: exchange.peer) {
        return .refuse(
          ARMError(
            429, "TooManyRequests",
            "too many wrong keys have come from this address; try again in \(seconds) s"
          ).response(headers: [("Retry-After", String(seconds))]))
      }
      return .refuse(
        ARMError(
          401, "Unauthorized",
          "the admin key is missing or wrong; send it as 'Authorization: Bearer KEY'"
        ).response(headers: [("WWW-Authenticate", "Bearer")]))
    }
    exchange.context = caller
    guard let (route, _) = ARMRoute.parse(exchange.pathSegments) else {
      return .refuse(
        ARMError(404, "NotFound", "there is nothing at \(exchange.path)").response)
    }
    if route.isForOwner, !caller.isLocal {
      return .refuse(
        ARMError(
          403, "Forbidden",
          "admin keys and restarts are managed on the gateway's own machine, over its workspace's "
            + "socket"
        ).response)
    }
    return .collect(
      maxBodyBytes: route.isBlock ? UploadStore.blockByteCount : Self.maxBodyBytes)
  }

  package func handle(_ exchange: HTTPExchange) {
    exchange.respond(answer(exchange))
  }

  package func refusal(
    status: Int, reason: String, of exchange: HTTPExchange?, form: UInt8
  ) -> HTTPResponse {
    ARMError(status, status == 413 ? "RequestTooLarge" : "BadRequest", reason).response
  }

  package func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    guard exchange.method != .get || exchange.status >= 400 else { return }
    let caller = exchange.context as? AdminCaller
    let isBlock = ARMRoute.parse(exchange.pathSegments)?.route.isBlock ?? false
    log.write(
      isBlock && exchange.status < 400 ? .debug : .info, "admin request",
      [
        "method": .string(exchange.method.rawValue),
        "path": .string(String(exchange.path.prefix(400))),
        "status": .integer(Int64(exchange.status)),
        "actor": .string(caller?.name ?? "nobody"), "peer": .string(exchange.peer),
      ])
  }

  private func answer(_ exchange: HTTPExchange) -> HTTPResponse {
    guard let (route, workspace) = ARMRoute.parse(exchange.pathSegments) else {
      return ARMError(404, "NotFound", "there is nothing at \(exchange.path)").response
    }
    guard let caller = exchange.context as? AdminCaller else {
      return ARMError(500, "InternalServerError", "the request has no caller").response
    }
    // Over the socket a `Host` header says nothing.
    let scoringAddress = UsableAddress.text(
      scoringAddress(), askedAs: caller.isLocal ? nil : exchange.header("host"))
    let request = AdminRequest(
      exchange, by: caller,
      responses: ARMResponses(workspace: workspace, scoringAddress: scoringAddress))
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
    case .clientKeys(let endpoint): try clientKeys(of: endpoint, request)
    case .clientKey(let name, let endpoint): try clientKey(name, of: endpoint, request)
    case .deployments(let endpoint): try deployments(of: endpoint, request)
    case .deployment(let name, let endpoint): try deployment(name, of: endpoint, request)
    case .deploymentAction(let name, let endpoint, let action):
      try deploymentAction(name, of: endpoint, action: action, request)
    case .batch(let route): try batch(route, request)
    case .models: try models(request)
    case .model(let name): try model(name, request)
    case .versions(let name): try versions(of: name, request)
    case .version(let number, let name): try version(number, of: name, request)
    case .packageFile(let file, let version, let name):
      try packageFile(file, version: version, of: name, request)
    case .apply: try apply(request)
    case .status: try status(request)
    case .restart: try restart(request)
    case .adminKeys: try adminKeys(request)
    case .adminKey(let name): try adminKey(name, request)
    case .uploads: try beginUpload(request)
    case .upload(let id): try upload(id, request)
    case .uploadCommit(let id): try commitUpload(id, request)
    case .uploadBlock(let block, let file, let id):
      try uploadBlock(block, file: file, of: id, request)
    case .metrics: try metrics(request)
    case .operation(let id): try operation(id, request)
    case .operationResult(let id): try operationResult(id, request)
    }
  }
}

extension AdminHandler {
  func metrics(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    return HTTPResponse(
      status: 200, headers: [DataPlaneHandler.metricsContent], body: .bytes(metricsText()))
  }
}

/// One admin request as the handlers see it.
struct AdminRequest {
  let method: HTTPMethod
  let query: [String: String]
  let caller: AdminCaller
  let responses: ARMResponses
  /// What stands before `/operations`: nothing over the socket, where a URL has no host.
  let origin: String
  let exchange: HTTPExchange

  var actor: Actor { caller.actor }

  init(_ exchange: HTTPExchange, by caller: AdminCaller, responses: ARMResponses) {
    self.exchange = exchange
    self.caller = caller
    self.responses = responses
    method = exchange.method
    let host = caller.isLocal ? nil : exchange.header("host")
    origin = host.map { "\(exchange.isTLS ? "https" : "http")://\($0)" } ?? ""
    query = exchange.queryValues
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

extension HTTPExchange {
  /// The query's values by their names in lower case.
  var queryValues: [String: String] {
    var values: [String: String] = [:]
    for pair in query.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = PercentText.decoded(String(parts[0])).lowercased()
      values[name] = parts.count > 1 ? PercentText.decoded(String(parts[1])) : ""
    }
    return values
  }
}

/// Percent-decoding of a query's parts.
enum PercentText {
  /// A name as one value of a query.
  static func encoded(_ text: String) -> String {
    var encoded = ""
    for byte in text.utf8 {
      let character = Character(Unicode.Scalar(byte))
      if byte < 0x80, character.isLetter || character.isNumber || "-._~".contains(character) {
        encoded.append(character)
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return encoded
  }

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
