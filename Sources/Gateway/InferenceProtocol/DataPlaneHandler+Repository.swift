internal import Documents
internal import HTTP
internal import Serving

/// A request about the repository that has a body: the `context` of its exchange until it is
/// answered.
final class RepositoryExchange: Sendable {
  enum Action: Sendable {
    case index(scope: EndpointRoute?)
    case load(String, Actor)
    case unload(String, Actor)
  }

  let action: Action
  init(_ action: Action) { self.action = action }
}

extension DataPlaneHandler {
  /// What an index is asked for, or a load: a few names and flags.
  private static let maxRepositoryBytes = 1 << 20

  func collect(_ exchange: HTTPExchange, _ action: RepositoryExchange.Action) -> HTTPAdmission {
    exchange.context = RepositoryExchange(action)
    return .collect(maxBodyBytes: min(Self.maxRepositoryBytes, settings.maxBodyBytes))
  }

  /// Only an admin key loads and unloads, and only where the settings allow it at all.
  func admitControl(
    _ exchange: HTTPExchange, _ asked: InferenceAsked,
    _ action: (Actor) -> RepositoryExchange.Action
  ) -> HTTPAdmission {
    guard let modelControl else {
      return refuse(
        exchange,
        .refused(
          status: 503,
          reason: "explicit model load / unload is not allowed: the gateway was not started with "
            + "--model-control explicit"), form: asked.form)
    }
    guard let actor = modelControl.actor(exchange) else {
      return refuse(exchange, .adminKeyNeeded, form: asked.form)
    }
    return collect(exchange, action(actor))
  }

  func handle(_ exchange: HTTPExchange, _ repository: RepositoryExchange) {
    let body: DocumentValue
    do {
      body =
        exchange.body.isEmpty
        ? .null : try JSONReader.read(exchange.body, source: "the body")
    } catch {
      return finish(exchange, failure: .scoring(.badInput("\(error)")))
    }
    switch repository.action {
    case .index(let scope): answerIndex(exchange, body, scope)
    case .load(let name, let actor): load(exchange, name, body, actor)
    case .unload(let name, let actor):
      exchange.suspend()
      modelControl?.unload(name, by: actor) { [self] error in
        end(exchange, "unload", name, error, by: actor)
      }
    }
  }

  private func load(
    _ exchange: HTTPExchange, _ name: String, _ body: DocumentValue, _ actor: Actor
  ) {
    let sent: DocumentValue? =
      if case .object(let members) = body { members["parameters"] } else { nil }
    switch sent {
    case nil, .null?: break
    case .object(let parameters)?:
      guard let unknown = parameters.keys.first else { break }
      return finish(
        exchange,
        failure: .refused(
          status: 501,
          reason: "failed to load '\(name)', parameter '\(unknown.prefix(80))' is not served "
            + "here: a model is loaded as it was deployed"))
    case .bool?, .integer?, .double?, .string?, .array?:
      return finish(
        exchange,
        failure: .scoring(
          .badInput("failed to load '\(name)', 'parameters' must be an object of parameters")))
    }
    exchange.suspend()
    modelControl?.load(name, by: actor) { [self] error in
      end(exchange, "load", name, error, by: actor)
    }
  }

  /// On a loading thread.
  private func end(
    _ exchange: HTTPExchange, _ verb: String, _ name: String, _ error: ControlError?,
    by actor: Actor
  ) {
    if let error {
      finish(exchange, failure: controlFailure(error, verb, name), by: actor)
    } else {
      finish(exchange, HTTPResponse(status: 200), by: actor)
    }
  }

  private func controlFailure(
    _ error: ControlError, _ verb: String, _ name: String
  ) -> DataPlaneError {
    switch error {
    case .endpointNotFound:
      .refused(
        status: 400,
        reason: "failed to \(verb) '\(name)', failed to poll from model repository: there is no "
          + "such endpoint")
    case .conflict:
      .refused(status: 503, reason: "failed to \(verb) '\(name)', \(error)")
    default:
      .refused(status: 400, reason: "failed to \(verb) '\(name)', \(error)")
    }
  }

  // MARK: The index

  private func answerIndex(
    _ exchange: HTTPExchange, _ body: DocumentValue, _ scope: EndpointRoute?
  ) {
    var readyOnly = false
    if case .object(let members) = body, let ready = members["ready"] {
      guard case .bool(let flag) = ready else {
        return finish(
          exchange,
          failure: .scoring(.badInput("Invalid value for 'ready': expected a boolean")))
      }
      readyOnly = flag
    }
    var text = JSONWriter()
    text.document(
      .array(authorized(exchange, scope: scope).flatMap { entries($0, readyOnly: readyOnly) }))
    finish(
      exchange,
      HTTPResponse(
        status: 200, headers: [("Content-Type", "application/json")], body: .bytes(text.bytes)))
  }

  private func entries(_ endpoint: EndpointRoute, readyOnly: Bool) -> [DocumentValue] {
    var entries = endpoint.deployments.values.map { deployment in
      entry(endpoint, deployment.name, state: "READY", reason: "")
    }
    if !readyOnly {
      entries += endpoint.unavailable.map { name, reason in
        let isLoading = reason == EndpointRoute.loading
        return entry(
          endpoint, name, state: isLoading ? "LOADING" : "UNAVAILABLE",
          reason: isLoading || endpoint.hidesErrors ? "" : EndpointRoute.sentence(for: reason))
      }
    }
    return entries.sorted { $0.version < $1.version }.map(\.value)
  }

  private func entry(
    _ endpoint: EndpointRoute, _ version: String, state: String, reason: String
  ) -> (version: String, value: DocumentValue) {
    (
      version,
      [
        "name": .string(endpoint.name), "version": .string(version), "state": .string(state),
        "reason": .string(reason),
      ]
    )
  }

  // MARK: The end

  private func finish(
    _ exchange: HTTPExchange, failure: DataPlaneError, by actor: Actor? = nil
  ) {
    let form = AnswerForm.inference(
      InferenceCall(modelName: "", version: nil, headerByteCount: nil))
    let error = ErrorResponse(failure, form: form)
    let requestID = identifiers.next()
    finish(
      exchange, error.response(requestID: requestID, form: form), error, requestID: requestID,
      by: actor)
  }

  private func finish(
    _ exchange: HTTPExchange, _ response: HTTPResponse, _ error: ErrorResponse? = nil,
    requestID: RequestIdentifier? = nil, by actor: Actor? = nil
  ) {
    var response = response
    let requestID = requestID ?? identifiers.next()
    addIdentifiers(requestID, nil, to: &response)
    let plain = PlainExchange(
      requestID: requestID, clientRequestID: nil, endpointName: "",
      isOperational: error == nil || actor != nil, error: error, response: response,
      administrator: actor)
    exchange.respond(response) { exchange.context = plain }
  }
}
