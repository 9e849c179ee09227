/// What a client key has used, against its quota. Two token buckets and a count; holds no clock
/// and no lock.
///
/// A bucket fills with time up to one burst. Requests take their token when they come; bytes are
/// taken when they are declared, or when they come, and may leave the bucket in debt, so that a
/// body larger than a second's worth is possible, and paid for by those that come after it or at
/// the same time. What was declared and did not come is given back at the end.
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

  /// Goes on under another quota: what was used and what is owed stays, and what was not counted
  /// before begins full.
  mutating func change(from old: ClientQuota, to new: ClientQuota, now: UInt64) {
    refill(old, now: now)
    requests = old.requestsPerSecond == nil ? new.burstSize : min(requests, new.burstSize)
    let full = Double(new.bodyBytesPerSecond ?? 0)
    bytes = old.bodyBytesPerSecond == nil ? full : min(bytes, full)
  }

  /// Takes a request, or says what stands against it and for how many seconds.
  ///
  /// - Parameter bodyByteCount: What its head says of its body.
  mutating func begin(
    _ quota: ClientQuota, bodyByteCount: Int = 0, now: UInt64
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
    take(quota, bodyByteCount: bodyByteCount)
    return nil
  }

  /// More of a body has come.
  mutating func take(_ quota: ClientQuota, bodyByteCount: Int) {
    if quota.bodyBytesPerSecond != nil { bytes -= Double(bodyByteCount) }
  }

  /// - Parameters:
  ///   - bodyByteCount: What has come.
  ///   - taken: What `begin` and `take` have taken for it.
  mutating func end(_ quota: ClientQuota, bodyByteCount: Int, taken: Int = 0, now: UInt64) {
    refill(quota, now: now)
    inFlight -= 1
    guard let rate = quota.bodyBytesPerSecond else { return }
    bytes = min(Double(rate), bytes + Double(taken) - Double(bodyByteCount))
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
