/// The jobs of a service that have not ended: which runs next, and how many at once. Holds no lock.
struct JobQueue {
  struct Entry {
    let job: StoredJob
    let control = JobControl()
    /// Set when it waits for room, to be gone on with.
    var rest: Rest?
    /// Of a deployment one job runs at a time.
    let lane: String

    init(job: StoredJob) {
      self.job = job
      lane = (job.job.order.endpoint + "/" + job.job.order.deployment).lowercased()
    }

    /// It has only to end, which gives its room back: it waits for no turn and takes none.
    var isCanceled: Bool { control.isCanceled || job.job.status == .cancelRequested }
  }

  /// A job that waits for room. It takes nobody's turn, and no thread.
  struct Rest {
    var run: JobRun
    /// When it is looked at again, on the monotonic clock.
    var wakesAt: UInt64
    /// A cancel has nothing to say any more.
    var ignoresCancel: Bool
  }

  /// Where a job is that is to be canceled.
  enum Place {
    /// Nothing of it has begun; it was taken out.
    case fresh(Entry)
    /// It runs, or waits to be gone on with.
    case begun(Entry)
    case elsewhere
  }

  var isRunning = false
  /// Not yet begun, or to be gone on with, in their order.
  private var waiting: [Entry] = []
  private var running: [String: Entry] = [:]
  /// Those that wait for room.
  private var resting: [String: Entry] = [:]
  /// Unfinished jobs as they stand now; what is not here, the database knows.
  private var live: [String: Job] = [:]
  private var workers = 0

  static let maxJobsAtOnce = 4
  /// With those of jobs that are only to end: whoever may make deployments makes no more threads.
  static let maxWorkers = 64

  // MARK: Begin and end

  mutating func begin(_ unfinished: [StoredJob]) {
    isRunning = true
    waiting = unfinished.map { Entry(job: $0) }
    live = Dictionary(
      unfinished.map { ($0.job.order.name, $0.job) }, uniquingKeysWith: { first, _ in first })
  }

  /// - Returns: What ends those that run.
  mutating func stop() -> [JobControl] {
    isRunning = false
    waiting = []
    resting = [:]
    return running.values.map(\.control)
  }

  /// All workers have ended.
  mutating func clear() {
    live = [:]
    workers = 0
  }

  // MARK: Turns

  /// How many run now, or look whether they may, and are not only to end.
  private var active: Int { running.values.count { !$0.isCanceled } }

  /// Counts the workers that are missing as started.
  mutating func addWorkers() -> Int {
    guard isRunning else { return 0 }
    let besides = running.values.count(where: \.isCanceled)
    let isEnding =
      waiting.contains(where: \.isCanceled) || resting.values.contains(where: \.isCanceled)
    let ending = isEnding ? 1 : 0
    let wanted = min(Self.maxJobsAtOnce + besides, Self.maxWorkers) + ending
    let missing = max(0, wanted - workers)
    workers += missing
    return missing
  }

  /// Nobody would take a job.
  var hasNoWorker: Bool { workers == 0 }

  /// There was no thread for it.
  mutating func loseWorker() { workers -= 1 }

  /// The job that is next. One that waits for room comes in its turn, to look for it.
  ///
  /// - Parameter now: On the monotonic clock.
  mutating func take(at now: UInt64) -> Entry? {
    if let entry = takeResting(at: now) { return entry }
    guard let index = nextIndex() else { return nil }
    let entry = waiting.remove(at: index)
    running[entry.job.job.order.name] = entry
    return entry
  }

  private func nextIndex() -> Int? {
    if let index = waiting.firstIndex(where: \.isCanceled) { return index }
    guard active < Self.maxJobsAtOnce else { return nil }
    let busy = Set(running.values.map(\.lane)).union(resting.values.map(\.lane))
    return waiting.firstIndex { !busy.contains($0.lane) }
  }

  /// Whether a resting job may be looked at when its time has come.
  private func mayWake(_ entry: Entry) -> Bool {
    entry.isCanceled || active < Self.maxJobsAtOnce
  }

  private mutating func takeResting(at now: UInt64) -> Entry? {
    var next: (name: String, wakesAt: UInt64)?
    for (name, entry) in resting {
      guard let rest = entry.rest, mayWake(entry) else { continue }
      let time = entry.control.isCanceled && !rest.ignoresCancel ? 0 : rest.wakesAt
      guard time <= now, time < next?.wakesAt ?? .max else { continue }
      next = (name, time)
    }
    guard let next, let entry = resting.removeValue(forKey: next.name) else { return nil }
    running[next.name] = entry
    return entry
  }

  /// When `take` has a job that waits now; nil: not before something else changes.
  var nextWake: UInt64? {
    resting.values.filter(mayWake).compactMap { $0.rest?.wakesAt }.min()
  }

  /// The job waits for room. After a stop the next start goes on with it.
  mutating func rest(_ name: String, _ rest: Rest) {
    guard var entry = running.removeValue(forKey: name), isRunning else { return }
    entry.rest = rest
    resting[name] = entry
  }

  // MARK: Jobs

  func job(_ name: String) -> Job? { live[name] }

  mutating func add(_ job: StoredJob) {
    // With a stop in between, the next start takes it up.
    guard isRunning else { return }
    live[job.job.order.name] = job.job
    waiting.append(Entry(job: job))
  }

  /// A run tells how the job is.
  mutating func note(_ job: Job) {
    let name = job.order.name
    let isCanceled = live[name]?.status == .cancelRequested
    live[name] = job
    if isCanceled, !job.status.isFinal { live[name]?.status = .cancelRequested }
  }

  mutating func noteCancel(_ name: String) {
    guard let status = live[name]?.status, !status.isFinal else { return }
    live[name]?.status = .cancelRequested
  }

  /// The run of a job is over.
  mutating func leave(_ name: String, hasEnded: Bool) {
    running[name] = nil
    if hasEnded { live[name] = nil }
  }

  /// Of one that has not begun nothing is left, unless it is put back.
  mutating func placeToCancel(_ name: String) -> Place {
    if let entry = running[name] ?? resting[name] { return .begun(entry) }
    guard let index = waiting.firstIndex(where: { $0.job.job.order.name == name }) else {
      return .elsewhere
    }
    let entry = waiting[index]
    guard entry.job.job.status == .queued, !entry.control.isCanceled else { return .begun(entry) }
    waiting.remove(at: index)
    live[name] = nil
    return .fresh(entry)
  }

  /// Its cancel could not be stored: a worker does that.
  mutating func putBack(_ entry: Entry) {
    guard isRunning else { return }
    live[entry.job.job.order.name] = entry.job.job
    waiting.insert(entry, at: 0)
  }
}
