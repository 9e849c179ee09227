internal import HTTP
internal import Serving
internal import Telemetry

/// One line and one count for each request of the data plane, at its end.
struct RequestLog: Sendable {
  let log: Log
  let metrics: MetricRegistry

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
      deployment.metrics.record(status: status, times: times)
    } else {
      count(endpoint: scoring.endpoint.name, status: status)
    }
    log.write(.info, "request") { line in
      line.appendLogMember("request_id", scoring.requestID)
      if let id = scoring.clientRequestID { line.appendLogMember("client_request_id", id) }
      line.appendLogMember("endpoint", scoring.endpoint.name)
      if let deployment = scoring.outcome?.deployment {
        line.appendLogMember("deployment", deployment.name)
        line.appendLogMember("generation", deployment.generation)
      }
      appendEnd(exchange, outcome, status: status, to: &line)
      line.appendLogMember("decode_ms", millisecondsOf: times.decode)
      line.appendLogMember("queue_ms", millisecondsOf: times.queue)
      line.appendLogMember("execute_ms", millisecondsOf: times.execute)
      line.appendLogMember("encode_ms", millisecondsOf: times.encode)
      appendCaller(exchange, userAgent: scoring.userAgent, to: &line)
      if case .failure(let error)? = scoring.outcome?.result {
        appendError(ErrorResponse(.scoring(error)), to: &line)
      }
    }
  }

  private func write(_ exchange: HTTPExchange, _ plain: PlainExchange, _ outcome: HTTPOutcome) {
    let status = status(exchange, outcome)
    if !plain.isOperational { count(endpoint: plain.endpointName, status: status) }
    log.write(plain.isOperational ? .debug : .info, "request") { line in
      line.appendLogMember("request_id", plain.requestID)
      if let id = plain.clientRequestID { line.appendLogMember("client_request_id", id) }
      if !plain.endpointName.isEmpty { line.appendLogMember("endpoint", plain.endpointName) }
      line.appendLogMember("method", exchange.method.rawValue)
      line.appendLogMember("path", String(exchange.path.prefix(200)))
      appendEnd(exchange, outcome, status: status, to: &line)
      appendCaller(exchange, userAgent: plain.userAgent, to: &line)
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
    _ exchange: HTTPExchange, _ outcome: HTTPOutcome, status: Int, to line: inout [UInt8]
  ) {
    line.appendLogMember("code", Int64(status))
    line.appendLogMember("bytes_in", Int64(exchange.bodyByteCount))
    line.appendLogMember("bytes_out", Int64(exchange.responseByteCount))
    let now = MonotonicClock.system.now()
    line.appendLogMember(
      "total_ms", millisecondsOf: now > exchange.headTime ? now - exchange.headTime : 0)
    if case .aborted(let reason) = outcome { line.appendLogMember("aborted", reason) }
  }

  private func appendCaller(
    _ exchange: HTTPExchange, userAgent: String, to line: inout [UInt8]
  ) {
    line.appendLogMember("peer", exchange.peer)
    if !userAgent.isEmpty { line.appendLogMember("user_agent", String(userAgent.prefix(70))) }
  }

  private func appendError(_ error: ErrorResponse, to line: inout [UInt8]) {
    line.appendLogMember("error", error.code)
    line.appendLogMember("detail", String(error.message.prefix(500)))
  }
}
