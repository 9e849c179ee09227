import Synchronization

/// A number that goes up and down. Any thread.
package final class Gauge: Sendable {
  /// What `set` has said, less what had been added before.
  private let base = Atomic<Int64>(0)
  private let added = ThreadShards()

  init() {}

  package func set(_ value: Int64) {
    base.store(value &- addedSum, ordering: .relaxed)
  }

  package func add(_ amount: Int64) {
    added.add(UInt64(bitPattern: amount))
  }

  package var value: Int64 { base.load(ordering: .relaxed) &+ addedSum }

  private var addedSum: Int64 { Int64(bitPattern: added.sum()) }
}
