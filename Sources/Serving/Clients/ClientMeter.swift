/// What a client key has used, against its quota. Two token buckets and a count; holds no clock
/// and no lock.
///
/// A bucket fills with time up to one burst. Requests take their token when they come; bytes are
/// taken when the body is whole and may leave the bucket in debt, so that a body larger than a
/// second's worth is possible, and paid for by those that come after it.
struct ClientMeter: Sendable {
  private(set) var inFlight = 0
  private var requests: Double
  private var bytes: Double
  private var updated: UInt64

  init(_ quota: ClientQuota, now: UInt64) {
    requests = quota.burstSize
    bytes = Double(quota.bodyBytesPerSecond ?? 0)
    updated = now
  }

  /// Takes a request, or says what stands against it and for how many seconds.
  mutating func begin(
    _ quota: ClientQuota, now: UInt64
  ) -> (reason: ClientRefusal.Reason, seconds: Double)? {
    refill(quota, now: now)
    if let most = quota.maxConcurrentRequests, inFlight >= most { return (.concurrency, 1) }
    if let rate = quota.bodyBytesPerSecond, bytes <= 0 {
      return (.bodyBytes, (1 - bytes) / Double(rate))
    }
    if let rate = quota.requestsPerSecond {
      guard requests >= 1 else { return (.requestRate, (1 - requests) / rate) }
      requests -= 1
    }
    inFlight += 1
    return nil
  }

  mutating func end(_ quota: ClientQuota, bodyByteCount: Int, now: UInt64) {
    refill(quota, now: now)
    inFlight -= 1
    if quota.bodyBytesPerSecond != nil { bytes -= Double(bodyByteCount) }
  }

  private mutating func refill(_ quota: ClientQuota, now: UInt64) {
    let seconds = now > updated ? Double(now - updated) / 1e9 : 0
    updated = max(updated, now)
    if let rate = quota.requestsPerSecond {
      requests = min(quota.burstSize, requests + seconds * rate)
    }
    if let rate = quota.bodyBytesPerSecond {
      bytes = min(Double(rate), bytes + seconds * Double(rate))
    }
  }
}
