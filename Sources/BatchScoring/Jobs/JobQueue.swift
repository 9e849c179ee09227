/// The jobs of a service that have not ended: which runs next, and how many at once. Holds no lock.
struct JobQueue {
  struct Entry {
    let job: StoredJob
    let control = JobControl()
    /// It waits for room, and takes nobody's turn.
    var isPaused = false
    /// Of a deployment one job runs at a time.
    let lane: String

    init(job: StoredJob) {
      self.job = job
      lane = (job.job.order.endpoint + "/" + job.job.order.deployment).lowercased()
    }

    /// It has only to end, which gives its room back: it waits for no turn and takes none.
    var isCanceled: Bool { control.isCanceled || job.job.status == .cancelRequested }
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
  /// Unfinished jobs as they stand now; what is not here, the database knows.
  private var live: [String: Job] = [:]
  private var workers = 0

  static let maxJobsAtOnce = 4
  /// With those of jobs that wait for room: whoever may make deployments makes no more threads.
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
    return running.values.map(\.control)
  }

  /// All workers have ended.
  mutating func clear() {
    live = [:]
    workers = 0
  }

  // MARK: Turns

  /// How many run now and do not wait for room.
  private var active: Int { running.values.count { !$0.isPaused && !$0.isCanceled } }

  /// Counts the workers that are missing as started. A job that waits for room keeps its worker:
  /// the other jobs have others.
  mutating func addWorkers() -> Int {
    guard isRunning else { return 0 }
    let besides = running.values.count { $0.isPaused || $0.isCanceled }
    let ending = waiting.contains { $0.isCanceled } ? 1 : 0
    let wanted = min(Self.maxJobsAtOnce + besides, Self.maxWorkers) + ending
    let missing = max(0, wanted - workers)
    workers += missing
    return missing
  }

  /// There was no thread for it.
  mutating func loseWorker() { workers -= 1 }

  mutating func take() -> Entry? {
    guard let index = nextIndex() else { return nil }
    let entry = waiting.remove(at: index)
    running[entry.job.job.order.name] = entry
    return entry
  }

  private func nextIndex() -> Int? {
    if let index = waiting.firstIndex(where: \.isCanceled) { return index }
    guard active < Self.maxJobsAtOnce else { return nil }
    let busy = Set(running.values.map(\.lane))
    return waiting.firstIndex { !busy.contains($0.lane) }
  }

  /// The job waits for room.
  mutating func giveTurn(_ name: String) { running[name]?.isPaused = true }

  /// The job tries again, when it is its turn, or when it is only to end.
  ///
  /// - Returns: False when it has to wait.
  mutating func takeTurn(_ name: String) -> Bool {
    guard let entry = running[name], isRunning, !entry.control.isInterrupted else { return true }
    guard active < Self.maxJobsAtOnce else { return false }
    running[name]?.isPaused = false
    return true
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
    if let entry = running[name] { return .begun(entry) }
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
