package import Executors
internal import Synchronization
internal import Tensors

/// Working memory for the threads that score with one deployment: taken for one request and
/// given back. Grows to as many as score at once, and goes with the deployment.
package final class ScratchPool: Sendable {
  private let free = Mutex<[ScoringScratch]>([])
  private let executor: any ModelExecutor

  package init(executor: any ModelExecutor) { self.executor = executor }

  func take() -> sending ScoringScratch {
    let kept = free.withLock { $0.popLast() }
    return kept ?? ScoringScratch(executor.makeScratch())
  }

  /// What one large request needed is given to the system, not kept for the small ones.
  private static let maxKeptBytes = 16 << 20

  func give(back scratch: ScoringScratch) {
    guard scratch.executor.byteCount <= ScratchPool.maxKeptBytes else { return }
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
