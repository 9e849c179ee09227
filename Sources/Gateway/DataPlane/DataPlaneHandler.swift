internal import Compression
internal import Digest
internal import Documents
internal import HTTP
internal import Serving
internal import Telemetry

/// Answers what callers of the scoring address ask: who may, then what, then how it went.
final class DataPlaneHandler: HTTPHandler {
  struct Settings: Sendable {
    var maxBodyBytes: Int
    /// Serves `/invocations` without a name; nil: the only endpoint there is.
    var defaultEndpoint: String?
    /// Whether endpoints with `auth: none` answer without a key: on loopback, or behind a proxy.
    var allowsOpenEndpoints: Bool
    /// What the Open Inference Protocol's clients are told this server is.
    var serverName = "swerve"
    /// What they are told where a deployment's queue is full.
    var queueFullStatus = 503
  }

  let settings: Settings
  let service: ScoringService
  let readiness: Readiness
  /// nil: nobody loads and unloads models over the scoring address.
  let modelControl: ModelControl?
  let keyFailures: KeyFailures
  /// nil: there are no batch endpoints; in tests.
  let batchCalls: BatchCalls?
  private let metrics: MetricRegistry
  private let requestLog: RequestLog
  let identifiers: RequestIdentifiers

  init(
    _ settings: Settings, service: ScoringService, readiness: Readiness, metrics: MetricRegistry,
    log: Log, modelControl: ModelControl? = nil, batchCalls: BatchCalls? = nil,
    keyFailures: KeyFailures = KeyFailures(limit: 0),
    identifiers: RequestIdentifiers = RequestIdentifiers()
  ) {
    self.identifiers = identifiers
    self.keyFailures = keyFailures
    self.settings = settings
    self.modelControl = modelControl
    self.batchCalls = batchCalls
    self.service = service
    self.readiness = readiness
    self.metrics = metrics
    requestLog = RequestLog(log: log, metrics: metrics, deploymentLogs: service.deploymentLogs)
  }

  /// Route, key, size: what can be refused is refused before a byte of the body is read.
  func admit(_ exchange: HTTPExchange) -> HTTPAdmission {
    let route = DataPlaneRoute(path: exchange.pathBytes)
    exchange.refusalForm = route.refusalForm.rawValue
    switch route {
    case .score(let name):
      return admit(exchange, route, name: name, form: .score)
    case .invocations(let name):
      // What is neither is refused behind the key.
      return admit(
        exchange, route, name: name,
        form: invocationsForm(exchange.header("content-type")) ?? .invocations)
    case .swagger(let name):
      return admitSwagger(exchange, route, name: name)
    case .livez, .readyz, .metrics, .root:
      guard exchange.method == .get || exchange.method == .head else {
        return refuse(exchange, .methodNotAllowed(allowed: "\(route.allowedMethods)"))
      }
      exchange.context = plain(exchange, operational(route))
      return .collect(maxBodyBytes: DataPlaneHandler.maxProbeBytes)
    case .inference(let name, let segments):
      return admitInference(exchange, scope: name, segments: segments)
    case .predict:
      return admitPredict(exchange)
    case .ping(let name):
      return admitMLflow(exchange, route, name: name, isVersion: false)
    case .version(let name):
      return admitMLflow(exchange, route, name: name, isVersion: true)
    case .jobs(let endpoint, let job):
      return admitJobs(exchange, route, endpoint: endpoint, job: job)
    case .unknown:
      return refuse(exchange, .routeNotFound(exchange.path))
    }
  }

  /// A probe has no body; a few bytes of one are forgiven.
  static let maxProbeBytes = 1024

  func handle(_ exchange: HTTPExchange) {
    switch exchange.context {
    case let scoring as ScoringExchange:
      var request = ScoringRequest(
        endpoint: scoring.endpoint, pinned: scoring.pinned, form: scoring.form,
        arrived: exchange.bodyTime)
      request.isPacked = scoring.coding != nil
      service.score(request, for: scoring)
    case let plain as PlainExchange:
      exchange.respond(plain.response)
    case let repository as RepositoryExchange:
      handle(exchange, repository)
    case let batch as BatchExchange:
      handle(exchange, batch)
    default:
      exchange.respond(
        refusal(
          status: 500, reason: "the request has no context", of: exchange,
          form: exchange.refusalForm))
    }
  }

  func received(_ exchange: HTTPExchange, byteCount: Int) {
    guard let scoring = exchange.context as? ScoringExchange, let client = scoring.client else {
      return
    }
    client.take(bodyByteCount: byteCount)
    scoring.paidBytes += byteCount
  }

  func refusal(
    status: Int, reason: String, of exchange: HTTPExchange?, form: UInt8
  ) -> HTTPResponse {
    // What is refused for its head has not been looked at yet.
    let form =
      exchange.map { DataPlaneRoute(path: $0.pathBytes).refusalForm } ?? RefusalForm(rawValue: form)
      ?? .score
    // The log knows it by the same name.
    let requestID = (exchange?.context as? ScoringExchange)?.requestID ?? identifiers.next()
    let error = ErrorResponse(
      .refused(status: status, reason: reason), form: form.answerForm)
    var response = error.response(requestID: requestID, form: form.answerForm)
    addIdentifiers(
      requestID,
      exchange?.header("x-ms-client-request-id").flatMap(clientRequestIdentifier), to: &response)
    return response
  }

  func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    requestLog.write(exchange, outcome)
    if let scoring = exchange.context as? ScoringExchange {
      scoring.client?.end(bodyByteCount: exchange.bodyByteCount, taken: scoring.paidBytes)
      if case .sent = outcome { scoring.offerToMirror(service) }
    }
    exchange.context = nil
  }

  // MARK: - Scoring

  private func admit(
    _ exchange: HTTPExchange, _ route: DataPlaneRoute, name: Range<Int>?, form: AnswerForm
  ) -> HTTPAdmission {
    guard exchange.method == .post else {
      return refuse(
        exchange, .methodNotAllowed(allowed: "\(route.allowedMethods)"), form: form)
    }
    let table = service.table
    guard let endpoint = endpoint(of: exchange, named: name, in: table) else {
      if readiness.state == .starting {
        return refuse(exchange, .notReady("the gateway is loading its models"), form: form)
      }
      return refuse(
        exchange,
        name.map {
          hiddenFromStrangers(exchange, .endpointNotFound(endpointName(of: exchange, $0)))
        } ?? .noDefaultEndpoint, form: form)
    }
    guard isAuthorized(exchange, for: endpoint) else {
      return refuse(exchange, .unauthorized, form: form, endpoint: endpoint)
    }
    var coding: ContentCoding?
    if let type = unsupportedContent(exchange, form: form, coding: &coding) {
      return refuse(exchange, .unsupportedContent(type), form: form, endpoint: endpoint)
    }
    let scoring = ScoringExchange(
      exchange, handler: self, requestID: identifiers.next(),
      clientRequestID: exchange.header("x-ms-client-request-id").flatMap(clientRequestIdentifier),
      endpoint: endpoint, pinned: exchange.header("azureml-model-deployment"), form: form,
      coding: coding)
    switch client(exchange, of: endpoint, form: form) {
    case .none: break
    case .taken(let key): scoring.take(key)
    case .refused(let refusal): return refusal
    }
    exchange.context = scoring
    return .collect(maxBodyBytes: settings.maxBodyBytes)
  }

  func endpoint(
    of exchange: HTTPExchange, named name: Range<Int>?, in table: RoutingTable
  ) -> EndpointRoute? {
    if let name { return table.endpoint(named: exchange.pathBytes.extracting(name)) }
    if let name = settings.defaultEndpoint { return table.endpoints[name.lowercased()] }
    return table.endpoints.count == 1 ? table.endpoints.first?.value : nil
  }

  func endpointName(of exchange: HTTPExchange, _ name: Range<Int>) -> String {
    String(
      decoding: exchange.path.utf8.dropFirst(name.lowerBound).prefix(name.count), as: UTF8.self)
  }

  /// Compares with every key (of clients too, where there are any), so that the time tells neither
  /// which nor how far it fits.
  func isAuthorized(_ exchange: HTTPExchange, for endpoint: EndpointRoute) -> Bool {
    if endpoint.isOpen, settings.allowsOpenEndpoints { return true }
    guard let offered = bearerToken(exchange) else { return false }
    var isKnown = false
    for key in endpoint.keys where !key.isEmpty {
      let isEqual = equalInConstantTime(offered, key.span)
      isKnown = isKnown || isEqual
    }
    if endpoint.clients.isEmpty { return isKnown }
    return endpoint.client(offering: offered) != nil || isKnown
  }

  /// Whoever has no key learns no names: what does not exist is refused as what does.
  func hiddenFromStrangers(
    _ exchange: HTTPExchange, _ error: DataPlaneError
  ) -> DataPlaneError {
    let endpoints = service.table.endpoints.values
    let isKnown = endpoints.isEmpty || endpoints.contains { isAuthorized(exchange, for: $0) }
    return isKnown ? error : .unauthorized
  }

  /// Takes a request that is answered without scoring from its client's quota.
  ///
  /// - Returns: The refusal, when it has used what it may.
  func metered(
    _ exchange: HTTPExchange, by endpoints: [EndpointRoute], form: AnswerForm
  ) -> HTTPAdmission? {
    for endpoint in endpoints {
      switch client(exchange, of: endpoint, form: form) {
      case .none: continue
      case .taken(let key):
        key.end(bodyByteCount: 0, taken: exchange.declaredBodyByteCount ?? 0)
        return nil
      case .refused(let refusal): return refusal
      }
    }
    return nil
  }

  /// The caller as a client with a quota of its own.
  enum Client {
    /// It is none: the endpoint's own key, or nobody's.
    case none
    /// Its request counts from here to `ScoringExchange.finish`.
    case taken(ClientKey)
    case refused(HTTPAdmission)
  }

  /// Takes the request from its client's quota.
  func client(
    _ exchange: HTTPExchange, of endpoint: EndpointRoute, form: AnswerForm
  ) -> Client {
    guard !endpoint.clients.isEmpty, let offered = bearerToken(exchange),
      let key = endpoint.client(offering: offered)
    else { return .none }
    guard let refusal = key.begin(bodyByteCount: exchange.declaredBodyByteCount ?? 0) else {
      return .taken(key)
    }
    return .refused(
      refuse(
        exchange, .quotaExceeded(refusal), form: form, endpoint: endpoint, client: key))
  }

  /// The content type or encoding that we do not read; nil when it is one of ours. `curl -d`
  /// says that its JSON is a form: that is let through.
  func unsupportedContent(
    _ exchange: HTTPExchange, form: AnswerForm, coding: inout ContentCoding?
  ) -> String? {
    if let encoding = exchange.header("content-encoding"), encoding.lowercased() != "identity" {
      coding = ContentCoding(headerValue: encoding)
      if coding == nil { return "Content-Encoding: \(encoding)" }
    }
    guard let bytes = exchange.headerBytes("content-type"), !isEqual(bytes, "application/json"),
      let type = exchange.header("content-type")
    else { return nil }
    switch form {
    case .invocations, .invocationsCSV: return invocationsForm(type) == nil ? type : nil
    case .score, .predict, .inference: break
    }
    let name = type.split(separator: ";").first.map { $0.lowercased() } ?? ""
    let isTaken =
      name.contains("json")
      || ["", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"]
        .contains(name)
    return isTaken ? nil : type
  }

  /// The answer to a scoring request. On the thread that scored.
  ///
  /// - Parameter outcome: Its times grow by what compressing the answer takes.
  func response(to scoring: ScoringExchange, _ outcome: inout ScoringOutcome) -> HTTPResponse {
    var response: HTTPResponse
    switch outcome.result {
    case .success(let body):
      response = HTTPResponse(
        status: 200, headers: HTTPHeaders(reservingBytes: 288), body: .bytes(body))
      if case .inference(let call) = scoring.form {
        let started = MonotonicClock.system.now()
        let deadline = outcome.deployment?.deadline(arrived: scoring.arrived) ?? .max
        response = inferenceResponse(
          body, call,
          coding: Self.hasTimeToPack(body, now: started, deadline: deadline)
            ? scoring.answerCoding : nil)
        outcome.times.encode &+= MonotonicClock.system.now() &- started
      } else {
        response.headers.append(Self.jsonContent)
      }
    case .failure(let error):
      var failure = ErrorResponse(
        .scoring(error), form: scoring.form, queueFullStatus: settings.queueFullStatus)
      failure.isHidden = scoring.endpoint.hidesErrors
      response = failure.response(requestID: scoring.requestID, form: scoring.form)
    }
    if let deployment = outcome.deployment {
      deployment.nameBytes.withUnsafeBufferPointer {
        response.headers.append("azureml-model-deployment", verbatim: $0)
      }
    }
    if outcome.times.execute > 0 {
      withMilliseconds(outcome.times.execute) {
        response.headers.append("ms-azureml-model-time", verbatim: $0)
      }
    }
    addIdentifiers(scoring.requestID, scoring.clientRequestID, to: &response)
    return response
  }

  static let metricsContent = (
    name: "Content-Type", value: "text/plain; version=0.0.4; charset=utf-8"
  )
  private static let jsonContent = HTTPHeaders([("Content-Type", "application/json")])

  // MARK: - The rest

  private func operational(_ route: DataPlaneRoute) -> HTTPResponse {
    switch route {
    case .livez:
      return json(200, "{\"status\": \"alive\"}")
    case .readyz:
      switch readiness.state {
      case .starting: return json(503, "{\"status\": \"loading\"}")
      case .ready: return json(200, "{\"status\": \"ready\"}")
      case .draining: return json(503, "{\"status\": \"draining\"}")
      }
    case .metrics:
      return HTTPResponse(
        status: 200, headers: [Self.metricsContent],
        // Names of clients are for administrators, on their own address.
        body: .bytes(metrics.prometheusText { !$0.hasPrefix("swerve_client_") }))
    case .root:
      return HTTPResponse(
        status: 200, headers: [("Content-Type", "text/plain; charset=utf-8")],
        body: .bytes(Array("Healthy".utf8)))
    case .score, .invocations, .swagger, .inference, .predict, .ping, .version, .jobs, .unknown:
      preconditionFailure("\(route) is not operational")
    }
  }

  func json(_ status: Int, _ text: String) -> HTTPResponse {
    var response = HTTPResponse(
      status: status, headers: [("Content-Type", "application/json")],
      body: .bytes(Array(text.utf8)))
    if status == 503 { response.headers.append("Retry-After", "1") }
    return response
  }

  /// The endpoint's description, for those who may call it.
  private func admitSwagger(
    _ exchange: HTTPExchange, _ route: DataPlaneRoute, name: Range<Int>
  ) -> HTTPAdmission {
    guard exchange.method == .get || exchange.method == .head else {
      return refuse(exchange, .methodNotAllowed(allowed: "\(route.allowedMethods)"))
    }
    guard let endpoint = endpoint(of: exchange, named: name, in: service.table) else {
      return refuse(
        exchange,
        readiness.state == .starting
          ? .notReady("the gateway is loading its models")
          : hiddenFromStrangers(
            exchange, .endpointNotFound(endpointName(of: exchange, name))))
    }
    guard isAuthorized(exchange, for: endpoint) else {
      return refuse(exchange, .unauthorized, endpoint: endpoint)
    }
    if let refusal = metered(exchange, by: [endpoint], form: .score) { return refusal }
    guard let version = DescriptionVersion(query: exchange.query) else {
      return refuse(
        exchange,
        .routeNotFound("\(exchange.path)?\(exchange.query.prefix(200)); the version is 2 or 3"),
        endpoint: endpoint)
    }
    let deployment: LiveDeployment
    do {
      deployment = try endpoint.describedDeployment(
        pinned: exchange.header("azureml-model-deployment"))
    } catch {
      return refuse(exchange, .scoring(error), endpoint: endpoint)
    }
    var text = JSONWriter()
    let document = OpenAPIDocument(endpoint: endpoint, deployment: deployment).value
    text.document(
      version == .swagger
        ? SwaggerDocument(openAPI: document, endpointName: endpoint.name).value : document)
    var response = HTTPResponse(
      status: 200,
      headers: [
        ("Content-Type", "application/json"), ("azureml-model-deployment", deployment.name),
      ], body: .bytes(text.bytes))
    let requestID = identifiers.next()
    addIdentifiers(requestID, nil, to: &response)
    exchange.context = PlainExchange(
      requestID: requestID, clientRequestID: nil, endpointName: endpoint.name, isOperational: true,
      error: nil, response: response)
    return .collect(maxBodyBytes: DataPlaneHandler.maxProbeBytes)
  }

  func plain(_ exchange: HTTPExchange, _ response: HTTPResponse) -> PlainExchange {
    PlainExchange(
      requestID: identifiers.next(), clientRequestID: nil, endpointName: "", isOperational: true,
      error: nil, response: response)
  }

  func refuse(
    _ exchange: HTTPExchange, _ error: DataPlaneError, form: AnswerForm = .score,
    endpoint: EndpointRoute? = nil, client: ClientKey? = nil
  ) -> HTTPAdmission {
    let requestID = identifiers.next()
    let clientRequestID = exchange.header("x-ms-client-request-id")
      .flatMap(clientRequestIdentifier)
    var error = ErrorResponse(throttled(error, exchange), form: form)
    error.isHidden = endpoint?.hidesErrors ?? false
    var response = error.response(requestID: requestID, form: form)
    addIdentifiers(requestID, clientRequestID, to: &response)
    exchange.context = PlainExchange(
      requestID: requestID, clientRequestID: clientRequestID,
      endpointName: endpoint?.name ?? "", isOperational: false, error: error, response: response,
      client: client)
    return .refuse(response)
  }

  /// A wrong key counts; after many of them that is what is told.
  private func throttled(_ error: DataPlaneError, _ exchange: HTTPExchange) -> DataPlaneError {
    guard error == .unauthorized || error == .adminKeyNeeded, bearerToken(exchange) != nil,
      let seconds = keyFailures.note(peer: exchange.peer)
    else { return error }
    return .tooManyWrongKeys(retryAfterSeconds: seconds)
  }

  func addIdentifiers(
    _ requestID: RequestIdentifier, _ clientRequestID: String?, to response: inout HTTPResponse
  ) {
    requestID.withText { text in
      response.headers.append("x-request-id", verbatim: text)
      if clientRequestID == nil { response.headers.append("x-ms-request-id", verbatim: text) }
    }
    if let clientRequestID {
      response.headers.append("x-ms-request-id", clientRequestID)
      response.headers.append("x-ms-client-request-id", clientRequestID)
    }
  }
}

/// Runs `body` with milliseconds as text of three decimals: `0.012`.
func withMilliseconds<Result>(
  _ nanoseconds: UInt64, _ body: (UnsafeBufferPointer<UInt8>) -> Result
) -> Result {
  let capacity = 24
  return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { text in
    // From the last digit to the first.
    var rest = nanoseconds / 1000
    var start = capacity
    repeat {
      if start == capacity - 3 {
        start -= 1
        text[start] = UInt8(ascii: ".")
      }
      start -= 1
      text[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0 || start > capacity - 5
    return body(UnsafeBufferPointer(rebasing: text[start..<capacity]))
  }
}
