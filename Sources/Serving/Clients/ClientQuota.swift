package import Documents

/// What one client key may use of its endpoint. nil: as much as the endpoint gives.
package struct ClientQuota: Sendable, Equatable {
  /// Requests a second, in the long run. Range 0.001...1,000,000.
  package var requestsPerSecond: Double?
  /// Requests that may come at once before that counts. Default: one second's. Range 1...1,000,000.
  package var burst: Int?
  /// Requests in flight. Range 1...1,000,000.
  package var maxConcurrentRequests: Int?
  /// Bytes of bodies a second, in the long run; one body may be larger. Range 1...2^40.
  package var bodyBytesPerSecond: Int?

  package init() {}

  /// Requests that may come at once, given a rate.
  var burstSize: Double { Double(burst ?? max(1, Int((requestsPerSecond ?? 1).rounded(.up)))) }

  /// Reads the members that are there; others are errors.
  package init(_ document: Document) throws(DocumentError) {
    var fields = try FieldReader(document)
    if let value = fields.value("requests_per_second") {
      let number: Double? =
        switch value {
        case .integer(let number): Double(number)
        case .double(let number): number
        case .string(let text): Double(text)
        case .null, .bool, .array, .object: nil
        }
      guard let number, (0.001...1_000_000).contains(number) else {
        throw fields.fault(
          "requests_per_second", expected: "a number from 0.001 to 1000000", value)
      }
      requestsPerSecond = number
    }
    burst = try fields.integer("burst", in: 1...1_000_000)
    maxConcurrentRequests = try fields.integer("max_concurrent_requests", in: 1...1_000_000)
    bodyBytesPerSecond = try fields.integer("body_bytes_per_second", in: 1...(1 << 40))
    try fields.finish()
    guard burst == nil || requestsPerSecond != nil else {
      throw .missingField(
        source: document.source, path: "\(document.path).requests_per_second")
    }
  }

  package var value: DocumentValue {
    var object = DocumentObject()
    object["requests_per_second"] = requestsPerSecond.map { .double($0) }
    object["burst"] = burst.map { .integer(Int64($0)) }
    object["max_concurrent_requests"] = maxConcurrentRequests.map { .integer(Int64($0)) }
    object["body_bytes_per_second"] = bodyBytesPerSecond.map { .integer(Int64($0)) }
    return .object(object)
  }
}

/// Why a client key's request is refused now.
package struct ClientRefusal: Error, Sendable, Equatable {
  package enum Reason: String, Sendable, CaseIterable {
    case requestRate = "rate_limit_exceeded"
    case concurrency = "too_many_pending_request"
    case bodyBytes = "bandwidth_limit_exceeded"
  }

  package var client: String
  package var reason: Reason
  package var quota: ClientQuota
  /// Whole seconds after which the same request may be taken; at least 1.
  package var retryAfterSeconds: Int

  package var sentence: String {
    let limit =
      switch reason {
      case .requestRate: "\(quota.requestsPerSecond ?? 0) requests a second"
      case .concurrency: "\(quota.maxConcurrentRequests ?? 0) requests at once"
      case .bodyBytes: "\(quota.bodyBytesPerSecond ?? 0) bytes of bodies a second"
      }
    return "client key '\(client)' may use \(limit); try again in \(retryAfterSeconds) s"
  }
}
