internal import Serving
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Work on many things at once whose results leave in the order in which the things came.
///
/// One thread takes from the source, `threads` work, and the caller's thread receives. No more
/// than `threads + depth` things are on the way: memory does not grow with their number.
final class OrderedPipeline<Item: Sendable, Result: Sendable>: Sendable {
  private struct State {
    var waiting: [(index: Int, item: Item)] = []
    var results: [Int: Result] = [:]
    var taken = 0
    var delivered = 0
    var sourceFailure: BatchError?
    var hasEnded = false
    var isStopped = false
  }

  private let state = Monitor(State())
  private let threads: Int
  private let maxUnderWay: Int
  private let begin: @Sendable () -> Void

  /// - Parameter begin: Called once on each thread that is started, before anything else on it.
  init(threads: Int, depth: Int = 2, begin: @escaping @Sendable () -> Void = {}) {
    self.threads = max(threads, 1)
    maxUnderWay = self.threads + max(depth, 1)
    self.begin = begin
  }

  /// - Parameters:
  ///   - source: The next item; nil when there is none. On a thread of its own.
  ///   - interrupt: Ends a `source` that waits: an error elsewhere must not wait for it.
  ///   - makeWork: Called once on each working thread: what it returns does the work there.
  ///   - sink: Takes the results in order, on the caller's thread. An error ends everything.
  /// - Throws: What `source` and `sink` throw; `.busy` where the system has no thread to work on.
  func run(
    source: @escaping @Sendable () throws(BatchError) -> Item?,
    interrupt: @Sendable () -> Void = {},
    makeWork: @escaping @Sendable () -> (Item) -> Result,
    sink: (Result) throws(BatchError) -> Void
  ) throws(BatchError) {
    let crew = Threads()
    var failure: BatchError?
    do throws(BatchError) {
      try start(crew, source, makeWork)
      while let result = try nextResult() { try sink(result) }
    } catch {
      failure = error
    }
    state.withLock { $0.isStopped = true }
    state.broadcast()
    if failure != nil { interrupt() }
    crew.join()
    if let failure { throw failure }
  }

  /// Fewer threads that work are enough.
  private func start(
    _ crew: Threads, _ source: @escaping @Sendable () throws(BatchError) -> Item?,
    _ makeWork: @escaping @Sendable () -> (Item) -> Result
  ) throws(BatchError) {
    var code = crew.tryStart(name: "batch-read") { [self] in
      begin()
      feed(source)
    }
    var working = 0
    while code == 0, working < threads {
      code = crew.tryStart(name: "batch-score") { [self] in
        begin()
        work(makeWork())
      }
      if code == 0 { working += 1 }
    }
    if working == 0 {
      throw .busy("a thread for a batch job: \(String(cString: strerror(code)))")
    }
  }

  private func feed(_ source: () throws(BatchError) -> Item?) {
    while true {
      let mayGoOn: Bool =
        state.wait { state in
          if state.isStopped { return false }
          return state.taken - state.delivered < maxUnderWay ? true : nil
        } ?? false
      guard mayGoOn else { return }
      var item: Item?
      var failure: BatchError?
      do throws(BatchError) {
        item = try source()
      } catch {
        failure = error
      }
      state.withLock { state in
        if let item {
          state.waiting.append((state.taken, item))
          state.taken += 1
        } else {
          state.sourceFailure = failure
          state.hasEnded = true
        }
      }
      state.broadcast()
      if item == nil { return }
    }
  }

  private func work(_ body: (Item) -> Result) {
    while true {
      let next: (index: Int, item: Item)?? = state.wait { state in
        if state.isStopped { return .some(nil) }
        if !state.waiting.isEmpty { return state.waiting.removeFirst() }
        return state.hasEnded ? .some(nil) : nil
      }
      guard case .some(.some(let (index, item))) = next else { return }
      let result = body(item)
      state.withLock { $0.results[index] = result }
      state.broadcast()
    }
  }

  private func nextResult() throws(BatchError) -> Result? {
    let outcome: (Result?, BatchError?)? = state.wait { state in
      if let result = state.results.removeValue(forKey: state.delivered) {
        state.delivered += 1
        return (result, nil)
      }
      // What was read before the source failed is received first.
      guard state.hasEnded, state.delivered == state.taken else { return nil }
      return (nil, state.sourceFailure)
    }
    guard let outcome else { return nil }
    state.broadcast()
    if let failure = outcome.1 { throw failure }
    return outcome.0
  }
}
