import Serving
import Testing

@testable import BatchScoring

/// Which job runs next, and how many at once.
@Suite struct JobQueueTests {
  private static func job(_ name: String, deployment: String, sequence: Int64 = 1) -> StoredJob {
    let place = JobOrder.Input(root: "/data", path: "", address: "data")
    let order = JobOrder(
      name: name, endpoint: "ep", deployment: deployment, model: "m", modelVersion: "1",
      input: place, output: JobOrder.Output(root: "/store", folder: name, address: name),
      settings: BatchSettings(), actor: "test")
    return StoredJob(
      sequence: sequence,
      job: Job(order: order, status: .queued, progress: Job.Progress(), createdAt: 1),
      progress: JobProgress())
  }

  private static func queue(_ jobs: [(String, String)]) -> JobQueue {
    var queue = JobQueue()
    queue.begin(jobs.map { job($0.0, deployment: $0.1) })
    return queue
  }

  private static func name(_ entry: JobQueue.Entry?) -> String? { entry?.job.job.order.name }

  /// The names of the next ones; nil where none may begin.
  private static func taken(_ count: Int, _ queue: inout JobQueue) -> [String?] {
    (0..<count).map { _ in name(queue.take(at: 0)) }
  }

  private static let workshop = Result { try JobWorkshop() }

  /// One that waits for room.
  private static func rest(
    _ name: String, _ queue: inout JobQueue, until time: UInt64, ignoresCancel: Bool = false
  ) throws {
    let workshop = try Self.workshop.get()
    guard case .begun(let entry) = queue.placeToCancel(name) else {
      Issue.record("\(name) does not run")
      return
    }
    let run = JobRun(entry.job, workshop.surroundings(), entry.control) { _ in }
    queue.rest(name, JobQueue.Rest(run: run, wakesAt: time, ignoresCancel: ignoresCancel))
  }

  @Test func `a deployment's jobs come one behind the other, and four run at once`() {
    var queue = Self.queue([
      ("a", "1"), ("b", "1"), ("c", "2"), ("d", "3"), ("e", "4"), ("f", "5"),
    ])
    let workers = [queue.addWorkers(), queue.addWorkers()]
    #expect(workers == [4, 0])
    #expect(Self.taken(5, &queue) == ["a", "c", "d", "e", nil])
    queue.leave("a", hasEnded: true)
    #expect(queue.job("a") == nil && queue.job("b") != nil)
    #expect(Self.taken(2, &queue) == ["b", nil])
  }

  @Test func `a job that is only to end waits for no turn and takes none`() throws {
    var queue = Self.queue((0..<6).map { ("j\($0)", "\($0 % 5)") })
    #expect(queue.addWorkers() == 4)
    #expect(Self.taken(5, &queue) == ["j0", "j1", "j2", "j3", nil])
    // Of a deployment that is busy, with all workers at work: it has begun before, and is canceled.
    guard case .fresh(let entry) = queue.placeToCancel("j5") else {
      Issue.record("j5 does not wait")
      return
    }
    _ = try entry.control.cancel(by: "test") {}
    queue.putBack(entry)
    #expect(queue.addWorkers() == 1)
    #expect(Self.taken(2, &queue) == ["j5", nil])
    _ = try queue.begun("j0")?.cancel(by: "test") {}
    #expect(queue.addWorkers() == 1)
    #expect(Self.taken(2, &queue) == ["j4", nil])
  }

  @Test func `jobs that wait for room hold up no others, and come back in their turn`() throws {
    var queue = Self.queue((0..<10).map { ("j\($0)", "\($0)") })
    var workers = [queue.addWorkers()]
    #expect(Self.taken(5, &queue) == ["j0", "j1", "j2", "j3", nil])
    for number in 0..<4 {
      try Self.rest("j\(number)", &queue, until: UInt64(100 - number * 10))
    }
    var wakes = [queue.nextWake]
    workers.append(queue.addWorkers())
    #expect(Self.taken(4, &queue) == ["j4", "j5", "j6", "j7"])
    // There is no turn for them.
    wakes.append(queue.nextWake)
    var taken = [Self.name(queue.take(at: 80))]
    queue.leave("j5", hasEnded: true)
    wakes.append(queue.nextWake)
    taken += [Self.name(queue.take(at: 69))]
    queue.leave("j8", hasEnded: true)
    queue.leave("j6", hasEnded: true)
    taken += [Self.name(queue.take(at: 75)), Self.name(queue.take(at: 75))]
    #expect(taken == [nil, "j8", "j3", "j9"])
    #expect(wakes == [70, nil, 70])
    // One that is only to end waits for nobody.
    _ = try queue.begun("j0")?.cancel(by: "test") {}
    workers.append(queue.addWorkers())
    let ending = Self.name(queue.take(at: 0))
    #expect(ending == "j0" && workers == [4, 0, 1])
    // Where the end could not be stored, it waits for room like the others, but for no turn.
    try Self.rest("j0", &queue, until: 200, ignoresCancel: true)
    let ends = [Self.name(queue.take(at: 150)), Self.name(queue.take(at: 200))]
    #expect(ends == [nil, "j0"])
  }

  @Test func `jobs that wait for room take no threads, and none is started at a stop`() throws {
    var queue = Self.queue((0..<100).map { ("j\($0)", "\($0)") })
    var workers = queue.addWorkers()
    for number in 0..<100 {
      let taken = Self.name(queue.take(at: 0))
      #expect(taken == "j\(number)")
      try Self.rest("j\(number)", &queue, until: 9)
      workers += queue.addWorkers()
    }
    #expect(workers == JobQueue.maxJobsAtOnce)
    _ = queue.stop()
    let (more, wake) = (queue.addWorkers(), queue.nextWake)
    #expect(more == 0 && wake == nil && Self.taken(1, &queue) == [nil])
  }

  @Test func `of a deployment whose job waits for room, no other begins`() throws {
    var queue = Self.queue([("a", "1"), ("b", "1"), ("c", "2")])
    #expect(Self.taken(1, &queue) == ["a"])
    try Self.rest("a", &queue, until: 9)
    #expect(Self.taken(2, &queue) == ["c", nil])
  }

  @Test func `a job that was canceled while it waited is not taken, or taken to be ended`() throws {
    var queue = Self.queue([("a", "1"), ("b", "1")])
    guard case .fresh(let entry) = queue.placeToCancel("b") else {
      Issue.record("b has not begun")
      return
    }
    #expect(queue.job("b") == nil)
    guard case .elsewhere = queue.placeToCancel("b") else {
      Issue.record("b is there still")
      return
    }
    _ = try? entry.control.cancel(by: "me") { () throws(BatchError) in throw .noSpace("disk") }
    queue.putBack(entry)
    queue.noteCancel("b")
    #expect(queue.job("b")?.status == .cancelRequested)
    let next = queue.take(at: 0)
    let taken = try #require(next)
    #expect(Self.name(taken) == "b" && taken.control.isCanceled && taken.control.canceler == "me")
  }

  @Test func `what a run tells does not take back a cancel, and an end is kept`() {
    var queue = Self.queue([("a", "1")])
    var job = Self.job("a", deployment: "1").job
    queue.noteCancel("a")
    job.status = .running
    queue.note(job)
    #expect(queue.job("a")?.status == .cancelRequested)
    job.status = .completed
    queue.note(job)
    queue.noteCancel("a")
    #expect(queue.job("a")?.status == .completed)
  }
}

extension JobQueue {
  /// What others want of a job that runs.
  fileprivate mutating func begun(_ name: String) -> JobControl? {
    if case .begun(let entry) = placeToCancel(name) { entry.control } else { nil }
  }
}
