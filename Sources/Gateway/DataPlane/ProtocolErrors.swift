internal import Executors
internal import Serving

extension ErrorResponse {
  /// An error in a protocol's own statuses and words, where it has some.
  ///
  /// - Parameter queueFullStatus: What the Open Inference Protocol gives where there is no room:
  ///   some of its callers retry on 429 only.
  init(_ error: DataPlaneError, form: AnswerForm, queueFullStatus: Int = 503) {
    switch form {
    case .score: self.init(error)
    case .invocations, .invocationsCSV: self.init(mlflow: error)
    case .predict: self.init(predict: error)
    case .inference(let call): self.init(error, call, queueFullStatus)
    }
  }

  /// MLflow's sentences about content types and time, and no status of Azure's; the rest is ours.
  /// Source: `WIRE.md` §2.5.
  private init(mlflow error: DataPlaneError) {
    self.init(error)
    switch error {
    case .unsupportedContent(let type):
      message =
        "This predictor only supports the following content types: Types: ['text/csv', "
        + "'application/json']. Got '\(type.prefix(200))'."
    case .scoring(.deadlinePassed):
      // The log says which limit it was.
      detail = message
      status = 504
      message = "Request processing time exceeded limit"
    case .scoring(.deploymentUnavailable):
      status = 503
    case .scoring, .unauthorized, .adminKeyNeeded, .tooManyWrongKeys, .endpointNotFound,
      .noDefaultEndpoint, .routeNotFound, .methodNotAllowed, .bodyTooLarge, .notReady,
      .quotaExceeded, .notServed, .refused:
      break
    }
  }

  /// TensorFlow Serving's statuses and sentences. Source: `WIRE.md` §2.6.
  private init(predict error: DataPlaneError) {
    self.init(error)
    switch error {
    case .endpointNotFound(let name):
      message = "Servable not found for request: Latest(\(name.prefix(200)))"
    case .scoring(.deploymentNotFound(let endpoint, let name, _)):
      message = "Servable not found for request: Specific(\(endpoint), \(name.prefix(80)))"
    case .scoring(.deadlinePassed):
      status = 504
    case .scoring(.deploymentUnavailable):
      status = 503
    case .scoring(.executor(.failed(node: _, reason: _))):
      status = 500
    case .scoring, .unauthorized, .adminKeyNeeded, .tooManyWrongKeys, .noDefaultEndpoint,
      .routeNotFound,
      .methodNotAllowed, .unsupportedContent, .bodyTooLarge, .notReady, .quotaExceeded, .notServed,
      .refused:
      break
    }
  }

  /// Triton's statuses and sentences, which its clients look for. Source: `WIRE.md` §2.3.
  private init(_ error: DataPlaneError, _ call: InferenceCall, _ queueFullStatus: Int) {
    let unknown = "Request for unknown model: '\(call.modelName.prefix(200))'"
    let version = call.version.map { " version \($0.prefix(80))" } ?? ""
    switch error {
    case .endpointNotFound:
      self.init(400, "EndpointNotFound", "\(unknown) is not found")
    case .routeNotFound: self.init(404, "NotFound", "Not Found")
    case .methodNotAllowed(let allowed):
      self.init(405, "MethodNotAllowed", "Method Not Allowed", ["Allow": allowed])
    case .scoring(.deploymentNotFound(_, let name, _)):
      self.init(
        404, "DeploymentNotFound",
        "\(unknown) version \((call.version ?? name).prefix(80)) is not found")
    case .scoring(.deploymentUnavailable(_, _, let reason)):
      self.init(
        503, "ModelNotReady",
        "\(unknown)\(version) is not at ready state: \(EndpointRoute.sentence(for: reason))",
        reason == EndpointRoute.loading ? ["Retry-After": "1"] : [:])
      detail = ErrorResponse(error).detail
    case .scoring(.noTraffic):
      self.init(404, "NoTraffic", "\(unknown) has no available versions")
    case .scoring(.queueFull), .scoring(.tooManyAtOnce), .scoring(.tooLate):
      let retry = ErrorResponse(error).headers["Retry-After"] ?? "1"
      self.init(
        queueFullStatus, "TooManyRequests", "Exceeds maximum queue size", ["Retry-After": retry])
    case .scoring(.deadlinePassed), .scoring(.waitedTooLong):
      self.init(503, "RequestTimeout", "Request timeout expired", ["Retry-After": "1"])
    case .scoring(.executor(.failed(node: _, reason: _))):
      let base = ErrorResponse(error)
      self.init(500, base.code, base.message)
    case .scoring, .unauthorized, .adminKeyNeeded, .tooManyWrongKeys, .noDefaultEndpoint,
      .unsupportedContent,
      .bodyTooLarge, .notReady, .quotaExceeded, .notServed, .refused:
      self.init(error)
    }
  }
}
