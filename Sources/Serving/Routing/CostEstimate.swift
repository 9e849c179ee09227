/// What a request will take, from what was measured at warm-up.
struct CostEstimate: Sendable, Equatable {
  /// Below this a request runs where it came in: handing it to another thread would cost more.
  static let maxInlineNanoseconds: UInt64 = 200_000

  /// What a request of `bodyByteCount` bytes took, nanoseconds; nil when nothing could be
  /// measured.
  var nanoseconds: UInt64?
  var bodyByteCount: Int
  /// Rows of the measured request.
  var rows = 1
  /// Bytes of a row in a binary body; nil where the model does not say.
  var rowByteCount: Int?

  static let unknown = CostEstimate(nanoseconds: nil, bodyByteCount: 1)

  /// In proportion to the body beyond the measured one, and never less than measured: a small
  /// body has the fixed cost too.
  func nanoseconds(forBody byteCount: Int) -> UInt64? {
    guard let nanoseconds else { return nil }
    let ratio = max(1, Double(byteCount) / Double(max(bodyByteCount, 1)))
    return UInt64(min(Double(nanoseconds) * ratio, 1e15))
  }

  /// How many bytes a binary body would have if it were written as the measured one was.
  func comparableBytes(ofBinary byteCount: Int) -> Int {
    guard let rowByteCount, rowByteCount > 0 else { return byteCount }
    let count = Double(byteCount) / Double(rowByteCount) * Double(bodyByteCount) / Double(rows)
    return max(byteCount, Int(min(count, 1e15)))
  }

  /// Rows of a body, as far as can be told before it is read: at least one.
  func rows(forBody byteCount: Int) -> Int {
    let ratio = Double(byteCount) / Double(max(bodyByteCount, 1))
    return max(1, Int(min(ratio * Double(rows), 1e15)))
  }

  /// The longest body that runs inline.
  var maxInlineBytes: Int {
    guard let nanoseconds, nanoseconds <= CostEstimate.maxInlineNanoseconds else { return 0 }
    let ratio = Double(CostEstimate.maxInlineNanoseconds) / Double(max(nanoseconds, 1))
    return Int(min(Double(max(bodyByteCount, 1)) * ratio, 1e15))
  }

  func runsInline(bodyByteCount: Int) -> Bool {
    guard let expected = nanoseconds(forBody: bodyByteCount) else { return false }
    return expected <= CostEstimate.maxInlineNanoseconds
  }
}
