internal import Documents
internal import Executors
internal import HTTP
internal import Serving

/// Why the data plane does not answer with a result.
enum DataPlaneError: Error, Equatable {
  case scoring(ScoringError)
  case unauthorized
  case adminKeyNeeded
  /// The address has offered too many keys that open nothing.
  case tooManyWrongKeys(retryAfterSeconds: Int)
  case endpointNotFound(String)
  /// A route without a name, and several endpoints (or none) that it could mean.
  case noDefaultEndpoint
  case routeNotFound(String)
  case methodNotAllowed(allowed: String)
  case unsupportedContent(String)
  case bodyTooLarge(limit: Int)
  case notReady(String)
  /// A client key has used what it may.
  case quotaExceeded(ClientRefusal)
  /// A part of a protocol that is not here.
  case notServed(String)
  /// What the HTTP server itself refuses.
  case refused(status: Int, reason: String)
}

/// An error as a client sees it. The one switch from errors to statuses.
struct ErrorResponse: Equatable {
  var status: Int
  var code: String
  var message: String
  var headers: [String: String] = [:]
  /// For the log, where it says more than the client is told.
  var detail: String?
  /// Each thing that is wrong with the body, where there is more than one.
  var problems: [InputProblem] = []
  /// Keeps the message from the client: the endpoint wants its errors hidden.
  var isHidden = false

  init(_ error: DataPlaneError) {
    switch error {
    case .scoring(let error):
      self = ErrorResponse(scoring: error)
    case .unauthorized:
      self.init(
        401, "Unauthorized",
        "the endpoint's key is missing or wrong; send it as 'Authorization: Bearer KEY'",
        ["WWW-Authenticate": "Bearer"])
    case .adminKeyNeeded:
      self.init(
        401, "Unauthorized",
        "an admin key is needed for this; send it as 'Authorization: Bearer KEY'",
        ["WWW-Authenticate": "Bearer"])
    case .tooManyWrongKeys(let seconds):
      self.init(
        429, "TooManyRequests",
        "too many wrong keys have come from this address; try again in \(seconds) s",
        ["Retry-After": String(seconds)])
    case .endpointNotFound(let name):
      self.init(404, "EndpointNotFound", "there is no endpoint '\(name)'")
    case .noDefaultEndpoint:
      self.init(
        404, "EndpointNotFound",
        "this path needs a default endpoint (--default-endpoint), or exactly one endpoint; "
          + "use /endpoints/NAME/invocations")
    case .routeNotFound(let path):
      self.init(404, "NotFound", "there is nothing at \(path)")
    case .methodNotAllowed(let allowed):
      self.init(405, "MethodNotAllowed", "this path takes \(allowed)", ["Allow": allowed])
    case .unsupportedContent(let type):
      self.init(
        415, "UnsupportedMediaType", "the body is '\(type)'; expected application/json")
    case .bodyTooLarge(let limit):
      self.init(413, "RequestTooLarge", "the body is larger than \(limit) bytes")
    case .notReady(let reason):
      self.init(503, "ServiceUnavailable", reason, ["Retry-After": "1"])
    case .quotaExceeded(let refusal):
      self.init(
        429, "TooManyRequests", refusal.sentence,
        [
          "Retry-After": String(refusal.retryAfterSeconds),
          "ms-azureml-model-error-reason": refusal.reason.rawValue,
        ])
    case .notServed(let what):
      self.init(501, "NotImplemented", "\(what) is not served here")
    case .refused(let status, let reason):
      self.init(
        status, ErrorResponse.code(of: status), reason,
        status == 429 || status == 503 ? ["Retry-After": "1"] : [:])
    }
  }

  init(_ status: Int, _ code: String, _ message: String, _ headers: [String: String] = [:]) {
    self.status = status
    self.code = code
    self.message = message
    self.headers = headers
  }

  /// The same error on the scoring address.
  init(_ error: ARMError) {
    let retry = ARMError.retryAfter
    self.init(
      error.status, error.code, error.message,
      error.status == 503 ? [retry.name: retry.value] : [:])
  }

  private init(scoring error: ScoringError) {
    switch error {
    case .deploymentNotFound(let endpoint, let name, let known):
      let list =
        known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"
      self.init(
        404, "DeploymentNotFound", "endpoint '\(endpoint)' has no deployment '\(name)'; \(list)")
    case .deploymentUnavailable(let endpoint, let name, EndpointRoute.loading):
      self.init(
        503, "ModelNotReady", "deployment '\(name)' of endpoint '\(endpoint)' is loading",
        ["Retry-After": "1", "ms-azureml-model-error-reason": "model_not_ready"])
    case .deploymentUnavailable(let endpoint, let name, let reason):
      self.init(
        424, "ModelNotReady",
        "deployment '\(name)' of endpoint '\(endpoint)' cannot answer: "
          + EndpointRoute.sentence(for: reason),
        modelError(status: 503, reason: "model_not_ready"))
      detail = "deployment '\(name)' of endpoint '\(endpoint)' cannot answer: \(reason)"
    case .noTraffic(let endpoint):
      self.init(
        404, "NoTraffic", "no deployment of endpoint '\(endpoint)' has any traffic")
    case .badInput(let reason):
      self.init(400, "BadRequest", reason)
    case .badInputs(let problems):
      self.init(400, "BadRequest", error.inputSentence ?? "")
      self.problems = problems
    case .unpackable(let reason):
      self.init(400, "BadRequest", reason)
    case .amplified(let reason):
      self.init(413, "RequestTooLarge", reason)
    case .bodyTooLarge(let limit):
      self = ErrorResponse(.bodyTooLarge(limit: limit))
    case .answerTooLarge(let byteCount, let limit):
      self.init(
        400, "AnswerTooLarge",
        "the answer would take about \(byteCount) bytes, more than the limit of \(limit); ask for "
          + "fewer rows or fewer outputs at once")
    case .executor(.failed(let node, let reason)):
      self.init(
        424, "ModelError", "\(ExecutorError.failed(node: node, reason: reason))",
        modelError(status: 500, reason: "model_error"))
    case .executor(let error):
      self.init(400, "BadRequest", "\(error)")
    case .queueFull(let deployment, let depth):
      self.init(
        429, "TooManyRequests",
        "deployment '\(deployment)' has \(depth) requests waiting; try again later",
        ["Retry-After": "1", "ms-azureml-model-error-reason": "too_many_pending_request"])
    case .tooLate(let deployment, let waitMs):
      self.init(
        429, "TooManyRequests",
        "deployment '\(deployment)' would answer in about \(waitMs) ms, which is too late; "
          + "try again later",
        [
          "Retry-After": String(max(1, waitMs / 1000)),
          "ms-azureml-model-error-reason": "too_many_pending_request",
        ])
    case .waitedTooLong(let deployment, let limitMs):
      self.init(
        429, "TooManyRequests",
        "the request has waited for deployment '\(deployment)' as long as its max_queue_wait_ms "
          + "of \(limitMs) allows; try again later",
        ["Retry-After": "1", "ms-azureml-model-error-reason": "too_many_pending_request"])
    case .tooManyAtOnce(let deployment, let limit):
      self.init(
        429, "TooManyRequests",
        "deployment '\(deployment)' takes \(limit) requests at once; try again later",
        ["Retry-After": "1", "ms-azureml-model-error-reason": "too_many_pending_request"])
    case .deadlinePassed(let deployment, let timeoutMs):
      self.init(
        408, "RequestTimeout",
        "deployment '\(deployment)' did not answer within its request_timeout_ms of \(timeoutMs)",
        ["ms-azureml-model-error-reason": "request_timeout"])
    case .callerLeft:
      self.init(499, "ClientClosedRequest", "the client left before its request was started")
    case .draining:
      self.init(
        503, "ServiceUnavailable", "the gateway is shutting down", ["Retry-After": "1"])
    }
  }

  /// The name of a status that the HTTP server gives by itself.
  private static func code(of status: Int) -> String {
    switch status {
    case 400: "BadRequest"
    case 405: "MethodNotAllowed"
    case 408: "RequestTimeout"
    case 413: "RequestTooLarge"
    case 417: "ExpectationFailed"
    case 431: "RequestHeaderFieldsTooLarge"
    case 501: "NotImplemented"
    case 503: "ServiceUnavailable"
    default: status < 500 ? "BadRequest" : "InternalServerError"
    }
  }

  /// Azure's `{"error": {"code", "message", "request_id"}}`, or MLflow's own form.
  func response(requestID: RequestIdentifier, form: AnswerForm) -> HTTPResponse {
    var text = JSONWriter()
    var type = "application/json"
    // The other protocols have one sentence for all.
    let message = isHidden ? "\(code), request id \(requestID.text)" : self.message
    switch form {
    case .score:
      text.raw("{\"error\": {\"code\": ")
      text.string(code)
      if !isHidden {
        text.raw(", \"message\": ")
        text.string(message)
        writeProblems(to: &text)
      }
      text.raw(", \"request_id\": ")
      text.string(requestID.text)
      text.raw("}}")
    case .invocations where status == 415 || status == 504,
      .invocationsCSV where status == 415 || status == 504:
      // What MLflow's server says in plain words.
      type = "text/plain; charset=utf-8"
      text.raw(message)
    case .invocations, .invocationsCSV:
      text.raw("{\"error_code\": ")
      text.string(status == 400 ? "BAD_REQUEST" : code)
      text.raw(", \"message\": ")
      text.string(message)
      text.raw("}")
    case .inference, .predict:
      text.raw("{\"error\": ")
      text.string(message)
      text.raw("}")
    }
    var response = HTTPResponse(
      status: status, headers: [("Content-Type", type)], body: .bytes(text.bytes))
    for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
      response.headers.append(name, value)
    }
    return response
  }

  private func writeProblems(to text: inout JSONWriter) {
    guard !problems.isEmpty else { return }
    text.raw(", \"details\": [")
    for (index, problem) in problems.enumerated() {
      text.raw(index == 0 ? "{\"target\": " : ", {\"target\": ")
      text.string(problem.path)
      text.raw(", \"message\": ")
      text.string(problem.reason)
      text.raw("}")
    }
    text.raw("]")
  }
}

private func modelError(status: Int, reason: String) -> [String: String] {
  [
    "ms-azureml-model-error-statuscode": String(status),
    "ms-azureml-model-error-reason": reason,
  ]
}
