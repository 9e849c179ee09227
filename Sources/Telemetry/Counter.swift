/// A number that only grows. Any thread.
package final class Counter: Sendable {
  private let count = ThreadShards()

  init() {}

  /// Adds `amount`; after 2^64 - 1 it begins again at zero, as Prometheus expects of a counter.
  package func increment(by amount: UInt64 = 1) {
    count.add(amount)
  }

  package var value: UInt64 { count.sum() }
}
