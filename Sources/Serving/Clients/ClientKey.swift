internal import Digest
internal import Synchronization
internal import Telemetry

/// A client key as `list` gives it.
package struct ClientKeyRecord: Sendable, Equatable {
  /// As written; compared without case.
  package var name: String
  package var endpoint: String
  package var quota: ClientQuota
  /// Milliseconds since 1970.
  package var createdAt: Int64
  package var createdBy: String
}

/// One client's key to one endpoint as requests meet it: its hash, its quota, and what it has
/// used. Any thread. Lives through changes of the table, so that those change nothing of what it
/// has used.
package final class ClientKey: Sendable {
  package let record: ClientKeyRecord
  let hash: [UInt8]
  private let meter: Mutex<ClientMeter>
  private let clock: MonotonicClock
  private let metrics: MetricRegistry
  /// Counters by status, resolved when they are first needed.
  private let statuses = Mutex<[Int: Counter]>([:])
  private let refusals: [ClientRefusal.Reason: Counter]
  private let bodyBytes: Counter
  private let labels: [(name: String, value: String)]

  init(
    _ record: ClientKeyRecord, hash: [UInt8], metrics: MetricRegistry,
    clock: MonotonicClock = .system
  ) {
    self.record = record
    self.hash = hash
    self.clock = clock
    self.metrics = metrics
    meter = Mutex(ClientMeter(record.quota, now: clock.now()))
    let labels = [
      (name: "endpoint", value: record.endpoint), (name: "client", value: record.name),
    ]
    self.labels = labels
    refusals = Dictionary(
      uniqueKeysWithValues: ClientRefusal.Reason.allCases.map { reason in
        (
          reason,
          metrics.counter(
            "swerve_client_refused_total", help: "Requests beyond a client key's quota.",
            labels: labels + [(name: "reason", value: reason.rawValue)])
        )
      })
    bodyBytes = metrics.counter(
      "swerve_client_body_bytes_total", help: "Bytes of bodies by client key.", labels: labels)
  }

  /// Takes a request that has come; `end` must follow.
  package func begin() -> ClientRefusal? {
    let quota = record.quota
    let now = clock.now()
    guard let refused = meter.withLock({ $0.begin(quota, now: now) }) else { return nil }
    refusals[refused.reason]?.increment()
    return ClientRefusal(
      client: record.name, reason: refused.reason, quota: quota,
      retryAfterSeconds: Int(min(max(refused.seconds.rounded(.up), 1), 86_400)))
  }

  /// The request that was taken is over.
  package func end(bodyByteCount: Int) {
    let quota = record.quota
    let now = clock.now()
    meter.withLock { $0.end(quota, bodyByteCount: bodyByteCount, now: now) }
    bodyBytes.increment(by: UInt64(bodyByteCount))
  }

  /// Counts how a request has ended, a refused one too.
  package func count(status: Int) {
    let counter = statuses.withLock { statuses in
      if let known = statuses[status] { return known }
      let counter = metrics.counter(
        "swerve_client_requests_total", help: "Requests by client key and how they ended.",
        labels: labels + [(name: "code", value: String(status))])
      statuses[status] = counter
      return counter
    }
    counter.increment()
  }

  package var requestsInFlight: Int { meter.withLock { $0.inFlight } }
}

extension EndpointRoute {
  /// The client whose key was offered. Compares with every hash, so that the time tells neither
  /// which nor how far it fits.
  package func client(offering key: Span<UInt8>) -> ClientKey? {
    guard !clients.isEmpty else { return nil }
    let hash = key.withUnsafeBufferPointer { ClientKeyText.hash($0) }
    var found: ClientKey?
    for client in clients {
      let known = client.hash
      let isEqual = equalInConstantTime(hash.span, known.span)
      if isEqual { found = client }
    }
    return found
  }
}
