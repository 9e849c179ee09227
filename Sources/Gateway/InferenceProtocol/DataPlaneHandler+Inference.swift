internal import Compression
internal import Documents
internal import HTTP
internal import Serving

// The Open Inference Protocol: who may, which model, and everything that needs no scoring.

extension DataPlaneHandler {
  /// - Parameters:
  ///   - scope: Where the endpoint's name lies in the path; nil at the root.
  ///   - segments: Of the path, before what the protocol itself names.
  func admitInference(
    _ exchange: HTTPExchange, scope: Range<Int>?, segments: Int
  ) -> HTTPAdmission {
    let route = InferenceRoute(segments: exchange.pathSegments.dropFirst(segments))
    let asked = InferenceAsked(route)
    let allowed = route.allowedMethods
    guard allowed.contains(exchange.method) else {
      return refuse(exchange, .methodNotAllowed(allowed: allowed.rawValue), form: asked.form)
    }
    var endpoint: EndpointRoute?
    if let scope {
      endpoint = self.endpoint(of: exchange, named: scope, in: service.table)
      guard endpoint != nil else {
        let error: DataPlaneError =
          readiness.state == .starting
          ? .notReady(loadingText)
          : hiddenFromStrangers(exchange, .routeNotFound(exchange.path))
        return refuse(exchange, error, form: asked.form)
      }
    }
    switch route {
    case .server: return answer(exchange, serverMetadata)
    case .live: return answerHealth(exchange, isGood: true, member: "live")
    case .ready:
      return answerHealth(exchange, isGood: readiness.state == .ready, member: "ready")
    case .model(_, _, let action): return admit(exchange, asked, action, scope: endpoint)
    case .models:
      return answerForAll(exchange, asked, scope: endpoint) { models in
        ["models": .array(Array(Set(models.map(\.name))).sorted().map { .string($0) })]
      }
    case .statistics:
      return answerForAll(exchange, asked, scope: endpoint) { models in
        ["model_stats": .array(models.map(\.statistics))]
      }
    case .index:
      let endpoints = authorized(exchange, scope: endpoint)
      guard !endpoints.isEmpty || service.table.endpoints.isEmpty else {
        return refuse(exchange, .unauthorized, form: asked.form)
      }
      if let refusal = metered(exchange, by: endpoints, form: asked.form) { return refusal }
      return collect(exchange, .index(scope: endpoint))
    case .load(let name): return admitControl(exchange, asked) { .load(name, $0) }
    case .unload(let name): return admitControl(exchange, asked) { .unload(name, $0) }
    case .notServed(let what): return refuse(exchange, .notServed(what), form: asked.form)
    case .unknown: return refuse(exchange, .routeNotFound(exchange.path), form: asked.form)
    }
  }

  private var loadingText: String { "the gateway is loading its models" }

  // MARK: One model

  private func admit(
    _ exchange: HTTPExchange, _ asked: InferenceAsked, _ action: InferenceRoute.Action,
    scope: EndpointRoute?
  ) -> HTTPAdmission {
    if let scope, !isAuthorized(exchange, for: scope) {
      return refuse(exchange, .unauthorized, form: asked.form, endpoint: scope)
    }
    let model: ProtocolModel
    do throws(DataPlaneError) {
      model = try ProtocolModel(
        name: asked.name, version: asked.version, scope: scope, in: service.table)
    } catch {
      let isStarting = readiness.state == .starting
      return refuse(
        exchange,
        isStarting ? .notReady(loadingText) : hiddenFromStrangers(exchange, error),
        form: asked.form, endpoint: scope)
    }
    guard isAuthorized(exchange, for: model.endpoint) else {
      return refuse(exchange, .unauthorized, form: asked.form, endpoint: model.endpoint)
    }
    if action == .infer { return admitInfer(exchange, asked, model) }
    if let refusal = metered(exchange, by: [model.endpoint], form: asked.form) { return refusal }
    let pinned = model.pinned ?? exchange.header("azureml-model-deployment")
    let deployment: LiveDeployment
    do throws(ScoringError) {
      deployment = try model.endpoint.describedDeployment(pinned: pinned)
    } catch {
      return refuse(exchange, .scoring(error), form: asked.form, endpoint: model.endpoint)
    }
    let description = description(of: deployment, asked.name, model)
    switch action {
    case .metadata: return answer(exchange, description.metadata, model.endpoint)
    case .config: return answer(exchange, description.config, model.endpoint)
    case .ready:
      return answer(
        exchange, ["name": .string(asked.name), "ready": true], model.endpoint, isHealth: true)
    case .statistics, .infer:
      // Without a version: all that are loaded, as Triton tells them.
      let all =
        asked.version == nil
        ? model.endpoint.deployments.values.sorted { $0.name < $1.name } : [deployment]
      return answer(
        exchange,
        [
          "model_stats": .array(
            all.map { self.description(of: $0, asked.name, model).statistics })
        ], model.endpoint)
    }
  }

  private func description(
    of deployment: LiveDeployment, _ name: String, _ model: ProtocolModel
  ) -> ModelDescription {
    ModelDescription(
      name: name, deployment: deployment, versions: model.versions,
      version: model.usesModelVersions ? deployment.modelVersion : deployment.name)
  }

  private func admitInfer(
    _ exchange: HTTPExchange, _ asked: InferenceAsked, _ model: ProtocolModel
  ) -> HTTPAdmission {
    var coding: ContentCoding?
    if let encoding = exchange.header("content-encoding"), encoding.lowercased() != "identity" {
      coding = ContentCoding(headerValue: encoding)
      if coding == nil {
        return refuse(
          exchange, .unsupportedContent("Content-Encoding: \(encoding)"), form: asked.form,
          endpoint: model.endpoint)
      }
    }
    var headerByteCount: Int?
    if let text = exchange.header("inference-header-content-length") {
      let lineCount = exchange.headerCount("inference-header-content-length")
      guard lineCount == 1 else {
        // Two readers could cut the body in two ways.
        return refuse(
          exchange,
          .scoring(.badInput("Inference-Header-Content-Length is given \(lineCount) times")),
          form: asked.form, endpoint: model.endpoint)
      }
      let isNumber = !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
      guard isNumber, let number = Int(text) else {
        return refuse(
          exchange,
          .scoring(
            .badInput(
              "Unable to parse Inference-Header-Content-Length, got: \(text.prefix(80))")),
          form: asked.form, endpoint: model.endpoint)
      }
      headerByteCount = number
    }
    let call = InferenceCall(
      modelName: asked.name, version: asked.version,
      usesModelVersions: model.usesModelVersions, headerByteCount: headerByteCount)
    let scoring = ScoringExchange(
      exchange, handler: self, requestID: identifiers.next(),
      clientRequestID: exchange.header("x-ms-client-request-id").flatMap(clientRequestIdentifier),
      endpoint: model.endpoint,
      pinned: model.pinned ?? exchange.header("azureml-model-deployment"),
      form: .inference(call), coding: coding,
      answerCoding: exchange.header("accept-encoding").flatMap {
        ContentCoding(acceptedBy: $0)
      })
    switch client(exchange, of: model.endpoint, form: asked.form) {
    case .none: break
    case .taken(let key): scoring.take(key)
    case .refused(let refusal): return refusal
    }
    exchange.context = scoring
    return .collect(maxBodyBytes: settings.maxBodyBytes)
  }

  /// Shorter answers are not worth compressing.
  private static let minCompressedBytes = 256

  /// What zlib's fastest level takes for a byte, with a margin.
  private static let packingNanosecondsPerByte: UInt64 = 25

  /// Whether an answer can be compressed before the request's time is over; a plain one is right
  /// for every caller.
  static func hasTimeToPack(_ body: [UInt8], now: UInt64, deadline: UInt64) -> Bool {
    deadline > now && UInt64(body.count) < (deadline - now) / packingNanosecondsPerByte
  }

  /// An answer with its tensors: compressed as a whole, where the caller wants that; the header's
  /// length counts the JSON before.
  func inferenceResponse(
    _ body: [UInt8], _ call: InferenceCall, coding: ContentCoding?
  ) -> HTTPResponse {
    var response = HTTPResponse(status: 200, headers: HTTPHeaders(reservingBytes: 320))
    if let count = call.answerHeaderByteCount {
      response.headers.append("Content-Type", "application/octet-stream")
      response.headers.append("Inference-Header-Content-Length", String(count))
    } else {
      response.headers.append("Content-Type", "application/json")
    }
    if let coding, body.count >= Self.minCompressedBytes,
      let packed = coding.compressed(body)
    {
      response.headers.append("Content-Encoding", coding.rawValue)
      response.headers.append("Vary", "Accept-Encoding")
      response.body = .bytes(packed)
    } else {
      response.body = .bytes(body)
    }
    return response
  }

  // MARK: All models

  /// The endpoints that the caller's key opens.
  func authorized(_ exchange: HTTPExchange, scope: EndpointRoute?) -> [EndpointRoute] {
    (scope.map { [$0] } ?? service.table.endpoints.values.sorted { $0.name < $1.name })
      .filter { isAuthorized(exchange, for: $0) }
  }

  private func answerForAll(
    _ exchange: HTTPExchange, _ asked: InferenceAsked, scope: EndpointRoute?,
    _ answer: ([ModelDescription]) -> DocumentValue
  ) -> HTTPAdmission {
    let endpoints = authorized(exchange, scope: scope)
    guard !endpoints.isEmpty || service.table.endpoints.isEmpty else {
      return refuse(exchange, .unauthorized, form: asked.form)
    }
    if let refusal = metered(exchange, by: endpoints, form: asked.form) { return refusal }
    let models = endpoints.flatMap { endpoint in
      endpoint.deployments.values.sorted { $0.name < $1.name }.map { deployment in
        ModelDescription(
          name: endpoint.name, deployment: deployment, versions: [], version: deployment.name)
      }
    }
    return self.answer(exchange, answer(models), scope)
  }

  private var serverMetadata: DocumentValue {
    var extensions: [DocumentValue] = [
      "classification", "model_configuration", "binary_tensor_data", "parameters", "statistics",
      "model_repository",
    ]
    if modelControl != nil { extensions.append("model_repository(unload_dependents)") }
    return [
      "name": .string(settings.serverName), "version": .string(Version.text),
      "extensions": .array(extensions),
    ]
  }

  // MARK: Answers without scoring

  private func answerHealth(
    _ exchange: HTTPExchange, isGood: Bool, member: String
  ) -> HTTPAdmission {
    var members = DocumentObject()
    members[member] = .bool(isGood)
    return answer(
      exchange, .object(members), isHealth: true,
      status: isGood ? 200 : 503)
  }

  func answer(
    _ exchange: HTTPExchange, _ value: DocumentValue, _ endpoint: EndpointRoute? = nil,
    isHealth: Bool = false, status: Int = 200
  ) -> HTTPAdmission {
    var text = JSONWriter()
    text.document(value)
    var response = HTTPResponse(status: status)
    // tritonclient reads no body of a health answer, and gives up the connection for one.
    if isHealth, exchange.header("user-agent")?.hasPrefix("python/gevent-http-client") == true {
      response.body = .none
    } else {
      response.headers.append("Content-Type", "application/json")
      response.body = .bytes(text.bytes)
    }
    if status == 503 { response.headers.append("Retry-After", "1") }
    let requestID = identifiers.next()
    addIdentifiers(requestID, nil, to: &response)
    exchange.context = PlainExchange(
      requestID: requestID, clientRequestID: nil, endpointName: endpoint?.name ?? "",
      isOperational: true, error: nil, response: response)
    return .collect(maxBodyBytes: DataPlaneHandler.maxProbeBytes)
  }
}

/// A model as a path names it, for errors.
struct InferenceAsked {
  var name = ""
  var version: String?

  init(_ route: InferenceRoute) {
    switch route {
    case .model(let name, let version, _):
      self.name = name
      self.version = version
    case .load(let name), .unload(let name): self.name = name
    case .server, .live, .ready, .models, .statistics, .index, .notServed, .unknown: break
    }
  }

  var form: AnswerForm {
    .inference(InferenceCall(modelName: name, version: version, headerByteCount: nil))
  }
}
