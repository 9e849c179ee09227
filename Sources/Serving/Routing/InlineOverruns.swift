internal import Synchronization

/// How often requests of a deployment took far longer where they came in than was measured, as
/// they do where a model's loops turn as often as its input says. A host that halts looks the same,
/// so each weighs only until enough others have been quick.
final class InlineOverruns: Sendable {
  /// A hundred times what runs inline at most.
  static let maxNanoseconds = 100 * CostEstimate.maxInlineNanoseconds

  private static let weight = 1000
  private static let most = 3 * weight

  private let sum = Atomic(0)

  /// Whether requests go on to run inline.
  var areFew: Bool { sum.load(ordering: .relaxed) < Self.most }

  func count() { sum.add(Self.weight, ordering: .relaxed) }

  func countQuick() {
    // As a rule there is nothing to write.
    if sum.load(ordering: .relaxed) > 0 { sum.subtract(1, ordering: .relaxed) }
  }
}
