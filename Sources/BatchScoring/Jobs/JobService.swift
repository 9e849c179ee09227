internal import Digest
internal import Glibc
package import Registry
internal import Serving
package import Store
internal import Synchronization
package import Telemetry

/// The jobs of a workspace: takes them, runs them one behind the other, and after a crash goes on
/// where each stood. Any thread.
///
/// A deployment's jobs run one behind the other, in the order in which they came; of several
/// deployments `JobQueue.maxJobsAtOnce` run at a time, beside those that wait for room.
package final class JobService: Sendable {
  private let surroundings: JobSurroundings
  private let state = Monitor(JobQueue())
  /// Held while the queue and the database's unfinished jobs are brought together, before `state`:
  /// else a job could be queued twice, or when it has ended.
  private let queueing = Monitor(())
  /// Taken along by whoever holds `queueing` next.
  private let submissions = Monitor<[JobSubmission]>([])
  /// Held while the service starts or stops, before `queueing`: a stop waits for all jobs, and who
  /// asks for something meanwhile is refused and does not wait with it.
  private let phase = Monitor(())
  private let crew = Threads()
  /// What of the database could not be read, and was told.
  private let told = Monitor<Set<String>>([])

  /// - Parameters:
  ///   - workFolder: Where unfinished jobs keep what they have written, on the same file system as
  ///     the default datastore.
  ///   - datastore: The default datastore's folder.
  /// - Parameter requestCount: Requests that came to this process so far: jobs give way more often
  ///   while they come.
  package convenience init(
    database: Database, registry: ModelRegistry, workFolder: String, datastore: String,
    metrics: MetricRegistry, log: Log,
    requestCount: @escaping @Sendable () -> UInt64 = { 0 }
  ) {
    self.init(
      JobSurroundings(
        store: JobStore(database: database), registry: registry, workFolder: workFolder,
        datastore: datastore, metrics: JobMetrics(metrics), log: log,
        requestCount: requestCount))
  }

  init(_ surroundings: JobSurroundings) {
    self.surroundings = surroundings
  }

  private var store: JobStore { surroundings.store }
  private var orderCheck: OrderCheck { OrderCheck(surroundings: surroundings) }

  // MARK: Start and stop

  /// Takes up what was not finished. Called once, when the workspace is served; and again after
  /// `stop`, where it is served on.
  package func start() throws(BatchError) {
    try phase.withLock { (_) throws(BatchError) in
      guard !state.withLock({ $0.isRunning }) else { return }
      do throws(StoreError) {
        try DurableFile.makeDirectory(surroundings.workFolder, mode: 0o700)
      } catch {
        throw BatchError(error)
      }
      try collectGarbage()
      try queueing.withLock { (_) throws(BatchError) in
        let (unfinished, problems) = try store.unfinished()
        tellUnreadable(problems)
        surroundings.metrics.set(try store.statusCounts())
        tellGoingOn(unfinished)
        let hasWorker = state.withLock { queue in
          queue.begin(unfinished)
          startWorkers(&queue)
          // One lives from here to the stop: whatever is taken has somebody to run it.
          if queue.hasNoWorker { _ = queue.stop() }
          return queue.isRunning
        }
        guard hasWorker else {
          state.withLock { $0.clear() }
          throw .busy("no job can be run: the system has no thread for one")
        }
      }
      // Where there is no thread for it, a later start does it.
      _ = crew.tryStart(name: "batch-tidy") { [self] in forgetFiles() }
    }
  }

  /// Ends after the mini-batches under way; jobs go on with the next `start`.
  package func stop() {
    phase.withLock { _ in
      let controls = queueing.withLock { _ in state.withLock { $0.stop() } }
      for control in controls { control.stop() }
      state.broadcast()
      crew.join()
      state.withLock { $0.clear() }
    }
  }

  private func startWorkers(_ queue: inout JobQueue) {
    for _ in 0..<queue.addWorkers() {
      // Those that are there do the work too, one job after the other; the next job asks again.
      let failure = surroundings.options.threadFailure()
      let code = failure == 0 ? crew.tryStart(name: "batch-job") { [self] in work() } : failure
      if code == 0 { continue }
      queue.loseWorker()
      surroundings.log.write(
        .warning, "no thread for batch jobs", ["reason": .string(String(cString: strerror(code)))])
    }
  }

  private func tellGoingOn(_ unfinished: [StoredJob]) {
    for job in unfinished where job.job.status != .queued {
      surroundings.log.write(
        .info, own: job.job.order.settings.logLevel, "batch job goes on"
      ) { line in
        line.appendLogMember("job", job.job.order.name)
        line.appendLogMember("status", job.job.status.rawValue)
        line.appendLogMember("files", Int64(job.progress.file))
        line.appendLogMember("scored", Int64(job.progress.scoredRows))
      }
    }
  }

  /// Each once: whoever looks at jobs looks often.
  private func tellUnreadable(_ problems: [String]) {
    for problem in problems where told.withLock({ $0.insert(problem).inserted }) {
      surroundings.log.write(
        .error, "a batch job cannot be read, shown or gone on with",
        ["reason": .string(problem)])
    }
  }

  /// Removes folders that no unfinished job works in. What cannot be removed is told, and tried
  /// again at the next start.
  private func collectGarbage() throws(BatchError) {
    var named = try store.workFolders()
    for job in try store.untidy() {
      let path = job.workFolder
      do throws(BatchError) {
        let work = WorkFolder(path: path)
        if job.isCompleted, work.holdsScore, let order = try store.job(job.name)?.job.order {
          // A power cut undid the rename that no fsync had made last.
          try work.publish(as: order.output)
        }
        if job.isFailed {
          try FailedRows.keep(
            from: work, ofJob: job.name, byteCount: job.errorByteCount,
            in: surroundings.datastore)
        }
        if !named.contains(path) { try work.remove() }
        try store.clearWorkFolder(job.sequence)
      } catch {
        tellLeft(path, "\(error)")
        named.insert(path)
      }
    }
    let entries: [FolderTree.Entry]
    do { entries = try FolderTree.entries(surroundings.workFolder) } catch {
      throw BatchError(error)
    }
    for entry in entries {
      let path = surroundings.workFolder + "/" + entry.name
      guard !named.contains(path) else { continue }
      do { try FolderTree.remove(path) } catch { tellLeft(path, "\(error)") }
    }
  }

  /// Removes what the database still lists of the inputs of jobs that have ended.
  private func forgetFiles() {
    do throws(BatchError) {
      let goesOn = { [state] in state.withLock { $0.isRunning } }
      for sequence in try store.endedWithFiles() where goesOn() {
        try store.clearFiles(sequence, while: goesOn)
      }
    } catch {
      surroundings.log.write(
        .warning, "inputs of ended batch jobs are still listed", ["reason": .string("\(error)")])
    }
  }

  private func tellLeft(_ path: String, _ reason: String) {
    surroundings.log.write(
      .warning, "files of a batch job are left",
      ["path": .string(path), "reason": .string(reason)])
  }

  // MARK: Running

  private func work() {
    if surroundings.options.yieldsToOthers {
      ThreadPriority.coordinateInShortTurns()
    }
    while let entry = takeJob() {
      let name = entry.job.job.order.name
      let run = entry.rest?.run ?? self.run(of: entry)
      let outcome = entry.rest == nil || run.mayGoOn ? run.run() : .rests
      state.withLock { queue in
        switch outcome {
        case .ended: queue.leave(name, hasEnded: true)
        case .stops: queue.leave(name, hasEnded: false)
        case .rests:
          queue.rest(
            name,
            JobQueue.Rest(
              run: run,
              wakesAt: surroundings.clock.now() &+ surroundings.options.roomInterval,
              ignoresCancel: run.ignoresCancel))
        }
      }
      state.broadcast()
    }
  }

  private func run(of entry: JobQueue.Entry) -> JobRun {
    JobRun(
      entry.job, surroundings, entry.control,
      report: { [self] now in
        state.withLock { $0.note(now) }
        state.broadcast()
      })
  }

  /// nil when the gateway stops.
  private func takeJob() -> JobQueue.Entry? {
    while true {
      let wake = state.withLock { $0.nextWake }
      // The inner nil: the gateway stops. The outer: there may be another time to wait for.
      let taken: JobQueue.Entry??? = state.wait(until: wake) { queue in
        guard queue.isRunning else { return .some(.some(nil)) }
        if let entry = queue.take(at: surroundings.clock.now()) { return .some(.some(entry)) }
        return queue.nextWake == wake ? nil : .some(nil)
      }
      if case .some(.some(let entry)) = taken { return entry }
    }
  }

  // MARK: Taking

  /// - Parameter requestIdentifier: `repeatability_request-id`: the same again gives the same job.
  /// - Returns: The job; the one of before where the identifier is known.
  /// - Throws: When the output exists, the input does not, or the model is unknown.
  package func submit(
    _ order: JobOrder, requestIdentifier: String?
  ) throws(BatchError) -> Job {
    if let requestIdentifier,
      let known = try job(endpoint: order.endpoint, requestIdentifier: requestIdentifier)
    {
      return known
    }
    try checkIsRunning()
    do throws(BatchError) {
      try orderCheck.check(order)
    } catch {
      // The same order may have come on another line meanwhile, and be done.
      if let requestIdentifier,
        let known = try store.job(endpoint: order.endpoint, requestIdentifier: requestIdentifier)
      {
        return known.job
      }
      throw error
    }
    let submission = JobSubmission(order, requestIdentifier: requestIdentifier)
    submissions.withLock { $0.append(submission) }
    // Another line may have taken it along meanwhile.
    queueing.withLock { _ in storeSubmissions() }
    let added = try submission.added()
    guard added.isNew else { return current(added.job) }
    state.broadcast()
    surroundings.log.write(.info, own: order.settings.logLevel, "batch job taken") { line in
      for (name, value) in [
        ("job", order.name), ("endpoint", order.endpoint), ("deployment", order.deployment),
        ("model", "\(order.model):\(order.modelVersion)"), ("input", order.input.address),
        ("output", order.output.address), ("actor", order.actor),
      ] as [(StaticString, String)] {
        line.appendLogMember(name, value)
      }
    }
    return added.job.job
  }

  /// Stores what waits, and queues it in the order in which it is stored. With `queueing` held.
  private func storeSubmissions() {
    var waiting: [JobSubmission] = []
    submissions.withLock { swap(&$0, &waiting) }
    guard !waiting.isEmpty else { return }
    let results = stored(waiting)
    let added = results.compactMap { result -> JobSubmission.Added? in
      guard case .success(let added) = result, added.isNew else { return nil }
      return added
    }
    if !added.isEmpty {
      state.withLock { queue in
        for (job, _) in added {
          surroundings.metrics.move(from: nil, to: .queued)
          queue.add(job)
        }
        startWorkers(&queue)
      }
    }
    for (submission, result) in zip(waiting, results) { submission.end(result) }
  }

  private func stored(_ waiting: [JobSubmission]) -> [Result<JobSubmission.Added, BatchError>] {
    do throws(BatchError) {
      try checkIsRunning()
      return try store.add(
        waiting, at: wallClock(), maxUnfinished: surroundings.options.maxUnfinishedJobs,
        check: orderCheck.checkPlace)
    } catch {
      switch error {
      // As the next try of each would meet it, while others wait for the lock.
      case .busy, .noSpace, .unavailable: return waiting.map { _ in .failure(error) }
      // What goes wrong with one is no matter of the others.
      default: return waiting.count == 1 ? [.failure(error)] : waiting.flatMap { stored([$0]) }
      }
    }
  }

  /// The job that came with this identifier; nil where none did. Asked before anything of the order
  /// is resolved: its own output may be what stands in the way of the second one.
  package func job(
    endpoint: String, requestIdentifier: String
  ) throws(BatchError) -> Job? {
    let known = try store.job(endpoint: endpoint, requestIdentifier: requestIdentifier)
    guard let known else { return nil }
    return current(known)
  }

  private func checkIsRunning() throws(BatchError) {
    guard state.withLock({ $0.isRunning }) else {
      throw .unavailable("the gateway takes no jobs now: it starts, stops, or hands over")
    }
  }

  private func current(_ stored: StoredJob) -> Job {
    state.withLock { $0.job(stored.job.order.name) } ?? stored.job
  }

  /// `job NAME` of each unfinished job that a model version is needed for.
  package static let unfinishedJobs:
    @Sendable (String, String, any SQLTransaction) throws(StoreError) -> [String] = {
      (model, version, transaction) throws(StoreError) in
      try JobStore.unfinished(of: model, version: version, transaction).map { "job \($0)" }
    }

  /// A new job's name, unique in the workspace.
  package func newName() -> String { "batchjob-" + SecureRandom.uuid() }

  // MARK: Looking

  /// - Returns: nil where there is none of the name.
  /// - Throws: `.busy` or `.store` while the database cannot be read: nothing is said of the job then.
  package func job(_ name: String) throws(BatchError) -> Job? {
    if let live = state.withLock({ $0.job(name) }) { return live }
    return try store.job(name)?.job
  }

  /// Newest first, without those that cannot be read.
  ///
  /// - Parameter last: The last job of the page before; nil: the first page.
  package func jobs(
    endpoint: String?, deployment: String?, after last: String?, limit: Int
  ) throws(BatchError) -> JobPage {
    let (stored, last, problems) = try store.jobs(
      endpoint: endpoint, deployment: deployment, after: last, limit: limit)
    tellUnreadable(problems)
    return state.withLock { queue in
      JobPage(jobs: stored.map { queue.job($0.job.order.name) ?? $0.job }, last: last)
    }
  }

  /// Returns when the job has another state or more progress than `seen`, or after `seconds`.
  package func wait(
    for name: String, after seen: Job, seconds: Double
  ) throws(BatchError) -> Job? {
    let deadline =
      surroundings.clock.now() &+ UInt64(min(max(seconds, 0), 3600) * 1_000_000_000)
    _ = state.wait(until: deadline) { queue in
      guard queue.isRunning, let live = queue.job(name) else { return true }
      return live != seen ? true : nil
    }
    return try job(name)
  }

  /// The name of an unfinished job whose output lies in a folder, is it, or holds it.
  package func unfinishedJob(
    writingAt place: JobOrder.Output
  ) throws(BatchError) -> String? {
    try store.rival(of: OutputPlace(place))
  }

  // MARK: Ending

  /// Of a job that has ended, or whose output is just appearing, it does nothing.
  ///
  /// - Parameter actor: Who asked, for the audit.
  /// - Throws: `.cancelNotStored` where the job ends, and only a start before there is room again
  ///   would know nothing of it.
  package func cancel(_ name: String, by actor: String = "") throws(BatchError) {
    defer {
      // What is to end has a worker, whatever the others do.
      state.withLock { startWorkers(&$0) }
      state.broadcast()
    }
    try queueing.withLock { (_) throws(BatchError) in
      switch state.withLock({ $0.placeToCancel(name) }) {
      case .begun(let entry):
        try cancel(entry, by: actor) { (sequence) throws(BatchError) in
          try store.noteCancel(sequence, by: actor, at: wallClock())
        }
      case .fresh(let entry): try cancelFresh(entry, by: actor)
      case .elsewhere:
        guard let stored = try store.job(name) else { throw .unknownJob(name) }
        guard !stored.job.status.isFinal else { return }
        // Between two starts: it is ended when it is taken.
        try store.noteCancel(stored.sequence, by: actor, at: wallClock())
      }
    }
  }

  private func cancel(
    _ entry: JobQueue.Entry, by actor: String, _ note: (Int64) throws(BatchError) -> Void
  ) throws(BatchError) {
    let name = entry.job.job.order.name
    do throws(BatchError) {
      let isTaken = try entry.control.cancel(by: actor) { () throws(BatchError) in
        try note(entry.job.sequence)
      }
      if isTaken { state.withLock { $0.noteCancel(name) } }
    } catch {
      state.withLock { $0.noteCancel(name) }
      throw .cancelNotStored(job: name, reason: "\(error)")
    }
  }

  private func cancelFresh(_ entry: JobQueue.Entry, by actor: String) throws(BatchError) {
    do throws(BatchError) {
      _ = try store.end(
        entry.job.sequence, .canceled, reason: nil, at: wallClock(), canceledBy: actor)
    } catch {
      // Canceled before it is back, so that nothing of it begins.
      defer {
        state.withLock { queue in
          queue.putBack(entry)
          queue.noteCancel(entry.job.job.order.name)
        }
      }
      try cancel(entry, by: actor) { (_) throws(BatchError) in throw error }
      return
    }
    surroundings.metrics.move(from: .queued, to: .canceled)
    surroundings.log.write(
      .info, "batch job ended",
      [
        "job": .string(entry.job.job.order.name),
        "status": .string(Job.Status.canceled.rawValue),
      ])
  }
}
