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
  private let use: ClientUse
  private let clock: MonotonicClock
  private let metrics: MetricRegistry
  private let refusals: [ClientRefusal.Reason: Counter]
  private let bodyBytes: Counter
  private let labels: [(name: String, value: String)]

  /// - Parameter before: The same client under another quota; what it has used counts on.
  init(
    _ record: ClientKeyRecord, hash: [UInt8], metrics: MetricRegistry,
    clock: MonotonicClock = .system, before: ClientKey? = nil
  ) {
    self.record = record
    self.hash = hash
    self.clock = clock
    self.metrics = metrics
    let now = clock.now()
    if let before {
      use = before.use
      use.meter.withLock {
        $0.change(from: before.record.quota, to: record.quota, now: now)
      }
    } else {
      use = ClientUse(ClientMeter(record.quota, now: now))
    }
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
  ///
  /// - Parameter bodyByteCount: What its head says of its body; 0 where it does not say.
  package func begin(bodyByteCount: Int = 0) -> ClientRefusal? {
    let quota = record.quota
    let now = clock.now()
    guard
      let refused = use.meter.withLock({ $0.begin(quota, bodyByteCount: bodyByteCount, now: now) })
    else { return nil }
    refusals[refused.reason]?.increment()
    return ClientRefusal(
      client: record.name, reason: refused.reason, quota: quota,
      retryAfterSeconds: Int(min(max(refused.seconds.rounded(.up), 1), 86_400)))
  }

  /// More of a body has come whose length was not declared, or out of its content coding.
  package func take(bodyByteCount: Int) {
    let quota = record.quota
    use.meter.withLock { $0.take(quota, bodyByteCount: bodyByteCount) }
  }

  /// The request that was taken is over.
  ///
  /// - Parameter taken: What `begin` and `take` have taken of its body.
  package func end(bodyByteCount: Int, taken: Int = 0) {
    let quota = record.quota
    let now = clock.now()
    use.meter.withLock { $0.end(quota, bodyByteCount: bodyByteCount, taken: taken, now: now) }
    bodyBytes.increment(by: UInt64(bodyByteCount))
  }

  /// Counts how a request has ended, a refused one too. Once the client is gone it does not: that
  /// would bring its series back.
  package func count(status: Int) {
    let counter: Counter? = use.statuses.withLock { statuses in
      if let known = statuses?[status] { return known }
      guard statuses != nil else { return nil }
      let counter = metrics.counter(
        "swerve_client_requests_total", help: "Requests by client key and how they ended.",
        labels: labels + [(name: "code", value: String(status))])
      statuses?[status] = counter
      return counter
    }
    counter?.increment()
  }

  /// The client is gone: its series are forgotten, and no request brings them back.
  func forget() {
    use.statuses.withLock { statuses in
      statuses = nil
      metrics.remove(labels: labels)
    }
  }

  package var requestsInFlight: Int { use.meter.withLock { $0.inFlight } }
}

/// What a client has used: lives through changes of its quota.
private final class ClientUse: Sendable {
  let meter: Mutex<ClientMeter>
  /// Counters by status, resolved when they are first needed; nil when the client is gone.
  let statuses = Mutex<[Int: Counter]?>([:])

  init(_ meter: ClientMeter) { self.meter = Mutex(meter) }
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
