/// What a request will take, from what was measured at warm-up.
struct CostEstimate: Sendable, Equatable {
  /// Below this a request runs where it came in: handing it to another thread would cost more.
  static let maxInlineNanoseconds: UInt64 = 200_000

  /// What a request of `bodyByteCount` bytes took, nanoseconds; nil when nothing could be
  /// measured.
  var nanoseconds: UInt64?
  var bodyByteCount: Int

  static let unknown = CostEstimate(nanoseconds: nil, bodyByteCount: 1)

  /// In proportion to the body beyond the measured one, and never less than measured: a small
  /// body has the fixed cost too.
  func nanoseconds(forBody byteCount: Int) -> UInt64? {
    guard let nanoseconds else { return nil }
    let ratio = max(1, Double(byteCount) / Double(max(bodyByteCount, 1)))
    return UInt64(min(Double(nanoseconds) * ratio, 1e15))
  }

  func runsInline(bodyByteCount: Int) -> Bool {
    guard let expected = nanoseconds(forBody: bodyByteCount) else { return false }
    return expected <= CostEstimate.maxInlineNanoseconds
  }
}
