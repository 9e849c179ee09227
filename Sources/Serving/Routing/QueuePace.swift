internal import Synchronization

/// How long queued work has taken beside what it was expected to take: warm-up measures one
/// request on an idle machine, while several run at once here, or many in one batch.
final class QueuePace: Sendable {
  /// Stands for what nothing is known of, until something of it has run.
  static let unknownNanoseconds: UInt64 = 1_000_000

  private static let one = 1024.0
  /// A run that took so much longer was disturbed.
  private static let maxRatio = 100.0
  /// The share of a new observation.
  private static let weight = 0.125

  /// Taken over expected, times 1024.
  private let ratio = Atomic(UInt64(QueuePace.one))

  func corrected(_ expected: UInt64) -> UInt64 {
    let ratio = Double(ratio.load(ordering: .relaxed)) / QueuePace.one
    return UInt64(min(Double(expected) * ratio, 1e18))
  }

  /// Two threads at once may lose one of two observations, of which more will come.
  func observe(expected: UInt64, took: UInt64) {
    guard expected > 0 else { return }
    let observed = min(Double(took) / Double(expected), QueuePace.maxRatio) * QueuePace.one
    let old = Double(ratio.load(ordering: .relaxed))
    ratio.store(UInt64(max(1, old + (observed - old) * QueuePace.weight)), ordering: .relaxed)
  }
}
