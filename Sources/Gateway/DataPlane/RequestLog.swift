internal import HTTP
internal import Serving
internal import Telemetry

/// One line and one count for each request of the data plane, at its end.
struct RequestLog: Sendable {
  let log: Log
  let metrics: MetricRegistry
  let deploymentLogs: DeploymentLogs

  func write(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    switch exchange.context {
    case let scoring as ScoringExchange: write(exchange, scoring, outcome)
    case let plain as PlainExchange: write(exchange, plain, outcome)
    default: writeRefused(exchange, outcome)
    }
  }

  /// 499 for a caller who left before the whole answer was sent.
  private func status(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) -> Int {
    switch outcome {
    case .sent: exchange.status
    case .aborted: 499
    }
  }

  private func write(
    _ exchange: HTTPExchange, _ scoring: ScoringExchange, _ outcome: HTTPOutcome
  ) {
    let status = status(exchange, outcome)
    let times = scoring.outcome?.times ?? ScoringTimes()
    if let deployment = scoring.outcome?.deployment {
      deployment.metrics.record(status: status, times: times, ended: exchange.endTime)
    } else {
      count(endpoint: scoring.endpoint.name, status: status)
    }
    scoring.client?.count(status: status)
    if case .failure(let error)? = scoring.outcome?.result { note(error, scoring, status: status) }
    log.write(.info, "request") { line in
      append(scoring.requestID, to: &line)
      if let id = scoring.clientRequestID { line.appendLogMember("client_request_id", id) }
      if let client = scoring.client { line.appendLogMember("client", client.record.name) }
      if let deployment = scoring.outcome?.deployment {
        line.append(deployment.logMembers)
      } else {
        line.appendLogMember("endpoint", scoring.endpoint.name)
      }
      appendEnd(exchange, outcome, status: status, to: &line)
      line.appendLogMember("decode_ms", millisecondsOf: times.decode)
      line.appendLogMember("queue_ms", millisecondsOf: times.queue)
      line.appendLogMember("execute_ms", millisecondsOf: times.execute)
      line.appendLogMember("encode_ms", millisecondsOf: times.encode)
      appendCaller(exchange, to: &line)
      if case .failure(let error)? = scoring.outcome?.result {
        appendError(ErrorResponse(.scoring(error)), to: &line)
      }
    }
  }

  /// A line for `get-logs` of the deployment that refused a request.
  private func note(_ error: ScoringError, _ scoring: ScoringExchange, status: Int) {
    guard let deployment = scoring.outcome?.deployment else { return }
    let error = ErrorResponse(.scoring(error))
    deploymentLogs.appendRequest(
      endpoint: deployment.endpointName, deployment: deployment.name,
      status == 400 || status == 499 ? .warning : .error,
      "request \(scoring.requestID) \(status) \(error.code): \(error.message.prefix(500))")
  }

  private func write(_ exchange: HTTPExchange, _ plain: PlainExchange, _ outcome: HTTPOutcome) {
    let status = status(exchange, outcome)
    if !plain.isOperational { count(endpoint: plain.endpointName, status: status) }
    plain.client?.count(status: status)
    let isQuiet = plain.isOperational && plain.administrator == nil
    log.write(isQuiet ? .debug : .info, "request") { line in
      append(plain.requestID, to: &line)
      if let id = plain.clientRequestID { line.appendLogMember("client_request_id", id) }
      if !plain.endpointName.isEmpty { line.appendLogMember("endpoint", plain.endpointName) }
      if let client = plain.client { line.appendLogMember("client", client.record.name) }
      if let actor = plain.administrator { line.appendLogMember("actor", actor.name) }
      line.appendLogMember("method", exchange.method.rawValue)
      line.appendLogMember("path", String(exchange.path.prefix(200)))
      appendEnd(exchange, outcome, status: status, to: &line)
      appendCaller(exchange, to: &line)
      if let error = plain.error { appendError(error, to: &line) }
    }
  }

  /// What the server refused before a handler saw it.
  private func writeRefused(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    let status = status(exchange, outcome)
    count(endpoint: "", status: status)
    log.write(.info, "request") { line in
      appendEnd(exchange, outcome, status: status, to: &line)
      line.appendLogMember("peer", exchange.peer)
    }
  }

  private func count(endpoint: String, status: Int) {
    requestCounter(endpoint: endpoint, status: status, metrics).increment()
  }

  private func appendEnd(
    _ exchange: HTTPExchange, _ outcome: HTTPOutcome, status: Int, to line: inout LogLine
  ) {
    line.appendLogMember("code", Int64(status))
    line.appendLogMember("bytes_in", Int64(exchange.bodyByteCount))
    line.appendLogMember("bytes_out", Int64(exchange.responseByteCount))
    line.appendLogMember(
      "total_ms",
      millisecondsOf: exchange.endTime > exchange.headTime
        ? exchange.endTime - exchange.headTime : 0)
    if case .aborted(let reason) = outcome { line.appendLogMember("aborted", reason) }
  }

  private static let maxAgentBytes = 70

  private func appendCaller(_ exchange: HTTPExchange, to line: inout LogLine) {
    line.appendLogMember("peer", exchange.peer)
    if let agent = exchange.headerBytes("user-agent"), agent.count > 0 {
      let start = agent.extracting(0..<min(agent.count, Self.maxAgentBytes))
      start.withUnsafeBufferPointer { line.appendLogMember("user_agent", bytes: $0) }
    }
  }

  private func append(_ identifier: RequestIdentifier, to line: inout LogLine) {
    identifier.withText { line.appendLogMember("request_id", verbatim: $0) }
  }

  private func appendError(_ error: ErrorResponse, to line: inout LogLine) {
    line.appendLogMember("error", error.code)
    line.appendLogMember("detail", String((error.detail ?? error.message).prefix(500)))
  }
}
