import Executors
import HTTP
import Testing

@testable import Gateway
@testable import Serving

struct ErrorResponseTests {
  @Test(arguments: [
    (DataPlaneError.unauthorized, 401, "Unauthorized"),
    (.endpointNotFound("iris"), 404, "EndpointNotFound"),
    (.routeNotFound("/x"), 404, "NotFound"),
    (.methodNotAllowed(allowed: "POST"), 405, "MethodNotAllowed"),
    (.bodyTooLarge(limit: 10), 413, "RequestTooLarge"),
    (.unsupportedContent("text/csv"), 415, "UnsupportedMediaType"),
    (.notReady("loading"), 503, "ServiceUnavailable"),
    (.refused(status: 431, reason: "long"), 431, "RequestHeaderFieldsTooLarge"),
    (.scoring(.noTraffic(endpoint: "iris")), 404, "NoTraffic"),
    (.scoring(.badInput("x")), 400, "BadRequest"),
    (.scoring(.executor(.missingInput("x"))), 400, "BadRequest"),
    (.scoring(.executor(.failed(node: "n", reason: "r"))), 424, "ModelError"),
    (.scoring(.queueFull(deployment: "blue", depth: 3)), 429, "TooManyRequests"),
    (.scoring(.tooManyAtOnce(deployment: "blue", limit: 1)), 429, "TooManyRequests"),
    (.scoring(.deadlinePassed(deployment: "blue", timeoutMs: 5)), 408, "RequestTimeout"),
    (.scoring(.draining), 503, "ServiceUnavailable"),
    (
      .scoring(.deploymentUnavailable(endpoint: "e", name: "blue", reason: "loading")), 503,
      "ModelNotReady"
    ),
    (
      .scoring(.deploymentUnavailable(endpoint: "e", name: "blue", reason: "rotten")), 424,
      "ModelNotReady"
    ),
  ])
  func `each error has its status and code`(error: DataPlaneError, status: Int, code: String) {
    let response = ErrorResponse(error)
    #expect(response.status == status)
    #expect(response.code == code)
    #expect(!response.message.isEmpty)
    #expect((status == 429 || status == 503) == (response.headers["Retry-After"] != nil))
  }

  @Test func `too many requests carry Azure's reason`() {
    let response = ErrorResponse(.scoring(.queueFull(deployment: "blue", depth: 3)))
    #expect(response.headers["ms-azureml-model-error-reason"] == "too_many_pending_request")
  }

  @Test(arguments: [503, 429])
  func `a full queue is what the operator says it is, at v2 only`(status: Int) {
    let call = InferenceCall(modelName: "m", version: nil, headerByteCount: nil)
    for error in [
      ScoringError.queueFull(deployment: "blue", depth: 3),
      .tooManyAtOnce(deployment: "blue", limit: 1), .tooLate(deployment: "blue", waitMs: 2500),
    ] {
      let response = ErrorResponse(
        .scoring(error), form: .inference(call), queueFullStatus: status)
      #expect(response.status == status)
      #expect(response.message == "Exceeds maximum queue size")
      #expect(response.headers["Retry-After"] != nil)
      for form in [AnswerForm.score, .predict, .invocations] {
        #expect(
          ErrorResponse(.scoring(error), form: form, queueFullStatus: status).status == 429)
      }
    }
    // Time that is over is no full queue.
    let late = ScoringError.deadlinePassed(deployment: "blue", timeoutMs: 5)
    #expect(
      ErrorResponse(.scoring(late), form: .inference(call), queueFullStatus: status).status == 503)
  }

  @Test func `a model that is too slow carries a reason`() {
    let error = ErrorResponse(.scoring(.deadlinePassed(deployment: "blue", timeoutMs: 5)))
    #expect(error.headers["ms-azureml-model-error-reason"] == "request_timeout")
  }

  @Test func `a failed model carries Azure's headers`() {
    let response = ErrorResponse(.scoring(.executor(.failed(node: "n", reason: "r"))))
    #expect(response.headers["ms-azureml-model-error-statuscode"] == "500")
    #expect(response.headers["ms-azureml-model-error-reason"] == "model_error")
  }

  @Test func `the body is Azure's, or MLflow's where MLflow's route was asked`() {
    let error = ErrorResponse(.scoring(.badInput("a \"quoted\" word")))
    let identifier = RequestIdentifier(high: 0x1234, low: 0xABCD)
    #expect(
      text(error.response(requestID: identifier, form: .score))
        == #"{"error": {"code": "BadRequest", "message": "a \"quoted\" word", "request_id": "#
        + #""00000000-0000-1234-0000-00000000abcd"}}"#
    )
    #expect(
      text(error.response(requestID: identifier, form: .invocations))
        == #"{"error_code": "BAD_REQUEST", "message": "a \"quoted\" word"}"#)
  }

  @Test func `a model that is not ready is 503, to Azure's clients 424`() {
    let call = InferenceCall(modelName: "e", version: nil, headerByteCount: nil)
    for (form, status) in [
      (AnswerForm.score, 424), (.invocations, 503), (.invocationsCSV, 503), (.predict, 503),
      (.inference(call), 503),
    ] {
      for (reason, says) in [
        ("rotten", "could not be started"), (EndpointRoute.unloaded, "is unloaded"),
      ] {
        let error = DataPlaneError.scoring(
          .deploymentUnavailable(endpoint: "e", name: "blue", reason: reason))
        let response = ErrorResponse(error, form: form)
        #expect(response.status == status)
        #expect(response.message.contains(says), "\(response.message)")
      }
    }
  }

  @Test(arguments: [AnswerForm.invocations, .invocationsCSV])
  func `a deadline on MLflow's routes is MLflow's 504 in plain text`(form: AnswerForm) {
    let error = ErrorResponse(
      .scoring(.deadlinePassed(deployment: "blue", timeoutMs: 5)), form: form)
    let response = error.response(
      requestID: RequestIdentifier(high: 1, low: 2), form: form)
    #expect(response.status == 504)
    #expect(text(response) == "Request processing time exceeded limit")
    let fields = response.headers.fields
    #expect(fields.contains { $0 == ("Content-Type", "text/plain; charset=utf-8") })
    #expect(fields.contains { $0 == ("ms-azureml-model-error-reason", "request_timeout") })
    #expect(error.detail?.contains("request_timeout_ms of 5") == true)
  }

  private func text(_ response: HTTPResponse) -> String? {
    guard case .bytes(let bytes) = response.body else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `a caller reads no path of this machine, the log does`() {
    let error = DataPlaneError.scoring(
      .deploymentUnavailable(endpoint: "e", name: "blue", reason: "/srv/models/m.onnx is rotten"))
    let call = InferenceCall(modelName: "e", version: nil, headerByteCount: nil)
    for form in [AnswerForm.score, .invocations, .predict, .inference(call)] {
      let response = ErrorResponse(error, form: form)
      #expect(!response.message.contains("/srv"), "\(response.message)")
      #expect(response.detail?.contains("/srv/models/m.onnx") == true)
    }
  }
}
