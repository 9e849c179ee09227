internal import Synchronization
internal import Telemetry

/// Threads for work that takes long, such as loading models: nobody waits for it with a lock.
package final class LoadThreads: Sendable {
  private struct Waiting {
    var jobs: [@Sendable () -> Void] = []
    var isStopped = false
  }

  private let waiting = Monitor(Waiting())
  private let threads = Threads()

  package init(count: Int, name: StaticString = "swerve-load") {
    for _ in 0..<count {
      threads.start(name: name) { [waiting] in
        while let job = Self.next(in: waiting) { job() }
      }
    }
  }

  /// Runs `job` when a thread is free; not at all after `stop`.
  package func submit(_ job: @escaping @Sendable () -> Void) {
    waiting.withLock { if !$0.isStopped { $0.jobs.append(job) } }
    waiting.signal()
  }

  /// Waits for the jobs that run; those that wait are dropped.
  package func stop() {
    waiting.withLock {
      $0.isStopped = true
      $0.jobs = []
    }
    waiting.broadcast()
    threads.join()
  }

  private static func next(in waiting: Monitor<Waiting>) -> (@Sendable () -> Void)? {
    let job: (@Sendable () -> Void)?? = waiting.wait { waiting in
      if waiting.isStopped { return .some(nil) }
      return waiting.jobs.isEmpty ? nil : .some(waiting.jobs.removeFirst())
    }
    return job ?? nil
  }

  /// Does all of `items` on at most `count` threads of their own and gives the results in order.
  static func map<Item: Sendable, Result: Sendable>(
    _ items: [Item], threads count: Int, _ body: @escaping @Sendable (Item) -> Result
  ) -> [Result] {
    guard items.count > 1 else { return items.map(body) }
    let shared = Progress<Result>()
    let threads = Threads()
    for _ in 0..<min(count, items.count) {
      threads.start(name: "swerve-load") {
        while true {
          let index = shared.next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard index < items.count else { return }
          let result = body(items[index])
          shared.results.withLock { $0[index] = result }
        }
      }
    }
    threads.join()
    return shared.results.withLock { results in items.indices.compactMap { results[$0] } }
  }

  private final class Progress<Result: Sendable>: Sendable {
    let next = Atomic(0)
    let results = Mutex<[Int: Result]>([:])
  }
}
