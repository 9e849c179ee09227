internal import Synchronization
internal import Telemetry

/// What others want of a job that runs.
final class JobControl: Sendable {
  private struct State {
    var isCanceled = false
    var isStopped = false
    /// The output is being put in its place: a cancel comes too late.
    var isPublishing = false

    var wanted: BatchError.Interruption? { isCanceled ? .cancel : isStopped ? .stop : nil }
  }

  private let state = Monitor(State())
  private let isWanted = Atomic<Bool>(false)

  /// Cheap: asked between two runs of the model.
  var isInterrupted: Bool { isWanted.load(ordering: .relaxed) }
  var isCanceled: Bool { state.withLock { $0.isCanceled } }

  /// - Parameter note: Stores that it is wanted; in one with the decision, so not after the
  ///   output has begun to appear.
  /// - Returns: False when it is too late.
  func cancel(_ note: () throws(BatchError) -> Void) throws(BatchError) -> Bool {
    let isTaken = try state.withLock { (state) throws(BatchError) in
      if state.isPublishing { return false }
      try note()
      state.isCanceled = true
      isWanted.store(true, ordering: .relaxed)
      return true
    }
    state.broadcast()
    return isTaken
  }

  func stop() {
    state.withLock { state in
      state.isStopped = true
      isWanted.store(true, ordering: .relaxed)
    }
    state.broadcast()
  }

  func check() throws(BatchError) {
    guard isInterrupted, let wanted = state.withLock({ $0.wanted }) else { return }
    throw .interrupted(wanted)
  }

  /// From here on the job completes, unless its disk fails.
  func beginPublishing() throws(BatchError) {
    let wanted = state.withLock { state in
      if state.wanted == nil { state.isPublishing = true }
      return state.wanted
    }
    if let wanted { throw .interrupted(wanted) }
  }

  /// The output is in its place, or could not be put there yet.
  func endPublishing() { state.withLock { $0.isPublishing = false } }

  /// Waits, but not when the job is canceled.
  ///
  /// - Returns: Whether the gateway stops.
  func rest(_ nanoseconds: UInt64, clock: MonotonicClock, evenIfCanceled: Bool) -> Bool {
    _ = state.wait(until: clock.now() &+ nanoseconds) { state in
      state.isStopped || (state.isCanceled && !evenIfCanceled) ? true : nil
    }
    return state.withLock { $0.isStopped }
  }
}
