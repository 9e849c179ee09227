internal import BatchScoring
internal import Compression
internal import Digest
internal import Documents
internal import HTTP
internal import Serving

/// What callers of the scoring address ask batch endpoints for. A job is a row in the database before
/// it is acknowledged, so that is done on threads of its own: no scoring request waits for it.
final class BatchCalls: Sendable {
  let desk: JobDesk
  private let adminKeys: AdminKeys
  /// One that looks through a large folder holds up none that only asks how a job is.
  private let threads = LoadThreads(count: 4, name: "swerve-calls")

  init(desk: JobDesk, adminKeys: AdminKeys) {
    self.desk = desk
    self.adminKeys = adminKeys
  }

  func stop() { threads.stop() }

  func inBackground(_ work: @escaping @Sendable () -> Void) { threads.submit(work) }

  /// Who calls, where one of the endpoint's keys or an admin key proves it.
  func actor(_ exchange: HTTPExchange, of endpoint: String) -> Actor? {
    // The records are in memory: there is no other error than that there is none.
    guard let offered = bearerToken(exchange),
      let keys = try? desk.control.keys(of: endpoint, .batch)
    else { return nil }
    var isKnown = false
    // Every key is compared, so that the time does not tell which.
    for key in [keys.primary, keys.secondary] where !key.isEmpty {
      let isEqual = equalInConstantTime(offered, Array(key.utf8).span)
      isKnown = isKnown || isEqual
    }
    if isKnown { return Actor(name: "key of batch endpoint \(endpoint) from \(exchange.peer)") }
    return AdminCaller(exchange, keys: adminKeys)?.actor
  }
}

/// A call of a batch endpoint: the `context` of its exchange until it is answered.
final class BatchExchange: Sendable {
  enum Action: Sendable {
    case submit(JobDesk.Caller)
    /// - Parameter after: `$skipToken`.
    case list(after: String?)
    case show(job: String)
  }

  let endpoint: String
  let action: Action
  let actor: Actor
  let clientRequestID: String?

  init(endpoint: String, action: Action, actor: Actor, clientRequestID: String?) {
    self.endpoint = endpoint
    self.action = action
    self.actor = actor
    self.clientRequestID = clientRequestID
  }
}

extension DataPlaneHandler {
  /// An invocation is an address or two and a few settings.
  private static let maxInvocationBytes = 1 << 20

  func admitJobs(
    _ exchange: HTTPExchange, _ route: DataPlaneRoute, endpoint: Range<Int>, job: Range<Int>?
  ) -> HTTPAdmission {
    let isSubmission = exchange.method == .post && job == nil
    guard isSubmission || exchange.method == .get || exchange.method == .head else {
      return refuse(exchange, .methodNotAllowed(allowed: "\(route.allowedMethods)"))
    }
    guard let batchCalls else { return refuse(exchange, .routeNotFound(exchange.path)) }
    let name = endpointName(of: exchange, endpoint)
    // In memory too.
    guard let record = try? batchCalls.desk.control.batchEndpoint(name) else {
      return refuse(
        exchange,
        readiness.state == .starting
          ? .notReady("the gateway is loading its models") : .endpointNotFound(name))
    }
    guard let actor = batchCalls.actor(exchange, of: record.specification.name) else {
      return refuse(exchange, .unauthorized)
    }
    var coding: ContentCoding?
    if isSubmission, let type = unsupportedContent(exchange, form: .score, coding: &coding) {
      return refuse(exchange, .unsupportedContent(type))
    }
    if coding != nil {
      return refuse(exchange, .unsupportedContent("a compressed body, which jobs do not need"))
    }
    let action: BatchExchange.Action
    if let job {
      action = .show(job: endpointName(of: exchange, job))
    } else if isSubmission {
      action = .submit(
        JobDesk.Caller(
          actor: actor.name, isLocal: false,
          deployment: exchange.header("azureml-model-deployment"),
          requestIdentifier: exchange.header("repeatability_request-id")))
    } else {
      action = .list(after: exchange.queryValues["$skiptoken"])
    }
    exchange.context = BatchExchange(
      endpoint: record.specification.name, action: action, actor: actor,
      clientRequestID: exchange.header("x-ms-client-request-id").flatMap(clientRequestIdentifier))
    return .collect(
      maxBodyBytes: isSubmission
        ? min(Self.maxInvocationBytes, settings.maxBodyBytes) : Self.maxProbeBytes)
  }

  func handle(_ exchange: HTTPExchange, _ call: BatchExchange) {
    guard let batchCalls else { return }
    var body = DocumentValue.null
    if case .submit = call.action {
      do {
        body = try JSONReader.read(exchange.body, source: "request body", maxDepth: 64)
      } catch {
        return finish(exchange, call, .failure(ARMError(error)))
      }
    }
    exchange.suspend()
    let document = Document(body, source: "request body")
    batchCalls.inBackground { [self] in
      finish(exchange, call, result(of: call, document, batchCalls.desk))
    }
  }

  /// Any workspace's names do: one gateway is one workspace.
  private static let workspace =
    "/subscriptions/local/resourceGroups/local/providers/"
    + "Microsoft.MachineLearningServices/workspaces/local"

  private func result(
    of call: BatchExchange, _ document: Document, _ desk: JobDesk
  ) -> Result<(status: Int, body: DocumentValue), ARMError> {
    do throws(ARMError) {
      switch call.action {
      case .submit(let caller):
        let job = try desk.submit(document, to: call.endpoint, by: caller)
        return .success((201, desk.short(job, workspace: Self.workspace)))
      case .list(let last):
        let page = try desk.jobs(of: call.endpoint, after: last, limit: JobList.usualLength)
        // A path: only a proxy in between knows how it is called from outside.
        let list = JobList.body(
          page.jobs.map { desk.short($0, workspace: Self.workspace) }, page, wanted: nil,
          address: "/batch-endpoints/\(PercentText.encoded(call.endpoint))/jobs")
        return .success((200, list))
      case .show(let name):
        let job = try desk.job(name, of: call.endpoint)
        return .success((200, desk.short(job, workspace: Self.workspace)))
      }
    } catch {
      return .failure(error)
    }
  }

  private func finish(
    _ exchange: HTTPExchange, _ call: BatchExchange,
    _ result: Result<(status: Int, body: DocumentValue), ARMError>
  ) {
    let requestID = identifiers.next()
    var response: HTTPResponse
    var failure: ErrorResponse?
    switch result {
    case .success(let answer):
      response = .document(status: answer.status, answer.body)
    case .failure(let error):
      let told = ErrorResponse(error)
      response = told.response(requestID: requestID, form: .score)
      failure = told
    }
    addIdentifiers(requestID, call.clientRequestID, to: &response)
    let plain = PlainExchange(
      requestID: requestID, clientRequestID: call.clientRequestID, endpointName: call.endpoint,
      isOperational: true, error: failure, response: response, administrator: call.actor)
    exchange.respond(response) { exchange.context = plain }
  }
}
