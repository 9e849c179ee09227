internal import CLinux
import Synchronization

/// A number kept once for each of a few groups of threads, in memory that they do not share:
/// threads that count at the same time do not wait for each other's caches.
package final class ThreadShards: @unchecked Sendable {
  // `@unchecked`: atomics in memory of our own, which never moves.
  private static let shardCount = 8
  private static let cacheLine = 64

  /// The shard of the calling thread, `0..<count`. Few threads share one.
  package static var current: Int { Int(swerve_thread_number()) % shardCount }
  package static var count: Int { shardCount }

  private let memory: UnsafeMutableRawPointer
  private let stride: Int
  private let width: Int

  /// - Parameter width: How many numbers each shard holds, all 0.
  package init(width: Int = 1) {
    self.width = width
    let size = MemoryLayout<Atomic<UInt64>>.stride
    stride = (width * size + Self.cacheLine - 1) / Self.cacheLine * Self.cacheLine
    memory = .allocate(byteCount: stride * Self.shardCount, alignment: Self.cacheLine)
    for shard in 0..<Self.shardCount {
      for index in 0..<width { place(shard, index).initialize(to: Atomic(0)) }
    }
  }

  deinit {
    for shard in 0..<Self.shardCount { place(shard, 0).deinitialize(count: width) }
    memory.deallocate()
  }

  private func place(_ shard: Int, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (memory + shard * stride).assumingMemoryBound(to: Atomic<UInt64>.self) + index
  }

  /// Adds to a number of the calling thread's shard; wraps around.
  package func add(_ amount: UInt64, at index: Int = 0) {
    precondition(index >= 0 && index < width)
    place(Self.current, index).pointee.wrappingAdd(amount, ordering: .relaxed)
  }

  /// Counts one more in the calling thread's shard.
  ///
  /// - Returns: The shard and its new count: no two calls get the same pair.
  package func next() -> (shard: Int, count: UInt64) {
    let shard = Self.current
    return (shard, place(shard, 0).pointee.wrappingAdd(1, ordering: .relaxed).newValue)
  }

  /// The sum of a number over all shards.
  package func sum(at index: Int = 0) -> UInt64 {
    precondition(index >= 0 && index < width)
    return (0..<Self.shardCount).reduce(0) { sum, shard in
      sum &+ place(shard, index).pointee.load(ordering: .relaxed)
    }
  }
}
