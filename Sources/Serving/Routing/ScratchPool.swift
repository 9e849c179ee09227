package import Executors
internal import Synchronization
internal import Telemetry
internal import Tensors

/// Working memory for the threads that score with one deployment: taken for one request and
/// given back. Grows to as many as score at once, and goes with the deployment.
package final class ScratchPool: Sendable {
  /// One for each group of threads, which finds there what it has given back last.
  private let lanes: [Lane]
  private let free = Mutex<[ScoringScratch]>([])
  private let executor: any ModelExecutor

  private final class Lane: Sendable {
    /// Retained by whoever put it there.
    private let scratch = Atomic<UInt>(0)
    // Two lanes never lie in one cache line.
    private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
      (0, 0, 0, 0, 0, 0, 0)

    deinit { _ = take() }

    func take() -> ScoringScratch? {
      let word = scratch.exchange(0, ordering: .acquiring)
      guard let pointer = UnsafeRawPointer(bitPattern: word) else { return nil }
      return Unmanaged<ScoringScratch>.fromOpaque(pointer).takeRetainedValue()
    }

    /// False when there is one already.
    func give(back scratch: ScoringScratch) -> Bool {
      let pointer = Unmanaged.passRetained(scratch)
      let word = UInt(bitPattern: pointer.toOpaque())
      if self.scratch.compareExchange(expected: 0, desired: word, ordering: .releasing).exchanged {
        return true
      }
      pointer.release()
      return false
    }
  }

  package init(executor: any ModelExecutor) {
    self.executor = executor
    lanes = (0..<ThreadShards.count).map { _ in Lane() }
  }

  func take() -> ScoringScratch {
    if let kept = lanes[ThreadShards.current].take() { return kept }
    let kept = free.withLock { $0.popLast() }
    return kept ?? ScoringScratch(executor.makeScratch())
  }

  /// What one large request needed is given to the system, not kept for the small ones.
  private static let maxKeptBytes = 16 << 20

  func give(back scratch: ScoringScratch) {
    guard scratch.executor.byteCount <= ScratchPool.maxKeptBytes else { return }
    if lanes[ThreadShards.current].give(back: scratch) { return }
    free.withLock { $0.append(scratch) }
  }
}

/// What one thread needs from the body's first byte to the answer's last.
final class ScoringScratch: @unchecked Sendable {
  // `@unchecked`: in the pool or in the hands of one thread, never both.
  let executor: Scratch
  /// The last small request's inputs, whose memory the next one is read into.
  var inputs: [Tensor?] = []

  init(_ executor: Scratch) { self.executor = executor }
}
