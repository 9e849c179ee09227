internal import Synchronization
internal import Telemetry

/// Throws `.interrupted` when a job is to go no further. Long work asks it for every block and
/// every entry: it costs next to nothing.
typealias InterruptionCheck = @Sendable () throws(BatchError) -> Void

/// What others want of a job that runs.
final class JobControl: Sendable {
  private struct State {
    var isCanceled = false
    /// Who has canceled it, where the audit does not know yet.
    var canceler: String?
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

  /// Set where a cancel could not be stored: the job's end is to tell the audit of it.
  var canceler: String? { state.withLock { $0.canceler } }
  var isStopped: Bool { state.withLock { $0.isStopped } }

  /// - Parameters:
  ///   - actor: Who asks.
  ///   - note: Stores that it is wanted; in one with the decision, so not after the output has begun
  ///     to appear.
  /// - Returns: False when it is too late.
  /// - Throws: What `note` throws. The job ends all the same.
  func cancel(
    by actor: String, _ note: () throws(BatchError) -> Void
  ) throws(BatchError) -> Bool {
    let (isTaken, failure) = state.withLock { state -> (Bool, BatchError?) in
      if state.isPublishing { return (false, nil) }
      var failure: BatchError?
      do throws(BatchError) {
        try note()
        state.canceler = nil
      } catch {
        failure = error
        state.canceler = actor
      }
      state.isCanceled = true
      isWanted.store(true, ordering: .relaxed)
      return (true, failure)
    }
    state.broadcast()
    if let failure { throw failure }
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
}
