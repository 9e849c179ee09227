internal import Digest
internal import Glibc
package import Registry
internal import Serving
package import Store
package import Telemetry

/// The jobs of a workspace: takes them, runs them one behind the other, and after a crash goes on
/// where each stood. Any thread.
///
/// A deployment's jobs run one behind the other, in the order in which they came; of several
/// deployments `maxJobsAtOnce` run at a time.
package final class JobService: Sendable {
  private struct State {
    var isRunning = false
    /// Not yet begun, or to be gone on with, in their order.
    var waiting: [StoredJob] = []
    var running: [String: (job: StoredJob, control: JobControl)] = [:]
    /// Unfinished jobs as they stand now; what is not here, the database knows.
    var live: [String: Job] = [:]
  }

  private let surroundings: JobSurroundings
  private let state = Monitor(State())
  private let crew = Threads()
  private static let maxJobsAtOnce = 4

  /// - Parameter workFolder: Where unfinished jobs keep what they have written, on the same file
  ///   system as the default datastore.
  package convenience init(
    database: Database, registry: ModelRegistry, workFolder: String, metrics: MetricRegistry,
    log: Log
  ) {
    self.init(
      JobSurroundings(
        store: JobStore(database: database), registry: registry, workFolder: workFolder,
        metrics: JobMetrics(metrics), log: log))
  }

  init(_ surroundings: JobSurroundings) {
    self.surroundings = surroundings
  }

  private var store: JobStore { surroundings.store }

  // MARK: Start and stop

  /// Takes up what was not finished. Called once, when the workspace is served; and again after
  /// `stop`, where it is served on.
  package func start() throws(BatchError) {
    do throws(StoreError) {
      try DurableFile.makeDirectory(surroundings.workFolder, mode: 0o700)
    } catch {
      throw BatchError(error)
    }
    let (unfinished, problems) = try store.unfinished()
    for problem in problems {
      surroundings.log.write(
        .error, "a batch job cannot be gone on with", ["reason": .string(problem)])
    }
    try collectGarbage(unfinished)
    surroundings.metrics.set(try store.statusCounts())
    let hasBegun = state.withLock { state in
      guard !state.isRunning else { return false }
      state.isRunning = true
      state.waiting = unfinished
      state.live = Dictionary(
        unfinished.map { ($0.job.order.name, $0.job) }, uniquingKeysWith: { first, _ in first })
      return true
    }
    guard hasBegun else { return }
    for job in unfinished where job.job.status != .queued {
      surroundings.log.write(
        .info, "batch job goes on",
        [
          "job": .string(job.job.order.name), "status": .string(job.job.status.rawValue),
          "files": .integer(Int64(job.progress.file)),
          "scored": .integer(Int64(job.progress.scoredRows)),
        ])
    }
    for _ in 0..<Self.maxJobsAtOnce {
      crew.start(name: "batch-job") { [self] in work() }
    }
  }

  /// Ends after the mini-batches under way; jobs go on with the next `start`.
  package func stop() {
    let controls = state.withLock { state in
      state.isRunning = false
      state.waiting = []
      return state.running.values.map(\.control)
    }
    for control in controls { control.stop() }
    state.broadcast()
    crew.join()
    state.withLock { $0.live = [:] }
  }

  /// Removes folders that no unfinished job works in. What cannot be removed is told, and tried
  /// again at the next start.
  private func collectGarbage(_ unfinished: [StoredJob]) throws(BatchError) {
    let named = Set(unfinished.compactMap(\.workFolder))
    for job in try store.untidy() {
      guard let path = job.workFolder else { continue }
      do throws(BatchError) {
        if !named.contains(path) { try WorkFolder(path: path).remove() }
        try store.clearWorkFolder(job.sequence)
      } catch {
        tellLeft(path, "\(error)")
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

  private func tellLeft(_ path: String, _ reason: String) {
    surroundings.log.write(
      .warning, "files of a batch job are left",
      ["path": .string(path), "reason": .string(reason)])
  }

  // MARK: Running

  private func work() {
    if surroundings.options.yieldsToOthers {
      _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
    }
    while let (job, control) = takeJob() {
      let run = JobRun(job, surroundings, control) { [self] now in
        state.withLock { state in
          let name = now.order.name
          let isCanceled = state.live[name]?.status == .cancelRequested
          state.live[name] = now
          if isCanceled, !now.status.isFinal { state.live[name]?.status = .cancelRequested }
        }
        state.broadcast()
      }
      run.run()
      state.withLock { state in
        let name = job.job.order.name
        state.running[name] = nil
        if state.live[name]?.status.isFinal ?? false { state.live[name] = nil }
      }
      state.broadcast()
    }
  }

  private func takeJob() -> (StoredJob, JobControl)? {
    let taken: (StoredJob, JobControl)?? = state.wait { state in
      guard state.isRunning else { return .some(nil) }
      let busy = Set(state.running.values.map { Self.lane($0.job) })
      guard let index = state.waiting.firstIndex(where: { !busy.contains(Self.lane($0)) }) else {
        return nil
      }
      let job = state.waiting.remove(at: index)
      let control = JobControl()
      state.running[job.job.order.name] = (job, control)
      return .some((job, control))
    }
    return taken ?? nil
  }

  private static func lane(_ job: StoredJob) -> String {
    (job.job.order.endpoint + "/" + job.job.order.deployment).lowercased()
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
    guard state.withLock({ $0.isRunning }) else {
      throw .refused("the gateway takes no jobs now: it starts, stops, or hands over")
    }
    do throws(BatchError) {
      try check(order)
    } catch {
      // The same order may have come on another line meanwhile, and be done.
      if let requestIdentifier,
        let known = try store.job(endpoint: order.endpoint, requestIdentifier: requestIdentifier)
      {
        return known.job
      }
      throw error
    }
    let added = try store.add(order, requestIdentifier: requestIdentifier, at: wallClock())
    guard added.isNew else { return added.job.job }
    surroundings.metrics.move(from: nil, to: .queued)
    state.withLock { state in
      // With `stop` in between, the next start takes it up.
      guard state.isRunning else { return }
      state.live[order.name] = added.job.job
      state.waiting.append(added.job)
    }
    state.broadcast()
    surroundings.log.write(
      .info, "batch job taken",
      [
        "job": .string(order.name), "endpoint": .string(order.endpoint),
        "deployment": .string(order.deployment),
        "model": .string("\(order.model):\(order.modelVersion)"),
        "input": .string(order.input.address), "output": .string(order.output.address),
        "actor": .string(order.actor),
      ])
    return added.job.job
  }

  /// The job that came with this identifier; nil where none did. Asked before anything of the order
  /// is resolved: its own output may be what stands in the way of the second one.
  package func job(
    endpoint: String, requestIdentifier: String
  ) throws(BatchError) -> Job? {
    let known = try store.job(endpoint: endpoint, requestIdentifier: requestIdentifier)
    guard let known else { return nil }
    return state.withLock { $0.live[known.job.order.name] } ?? known.job
  }

  private func check(_ order: JobOrder) throws(BatchError) {
    guard !order.name.isEmpty, order.name != ".", order.name != "..",
      order.name.utf8.count <= 200, !order.name.utf8.contains(UInt8(ascii: "/")),
      !order.name.utf8.contains(0), order.name.utf8.first != UInt8(ascii: ".")
    else { throw .refused("'\(order.name)' cannot be the name of a job") }
    try OutputPaths.check(order.settings)
    do {
      _ = try surroundings.registry.find(name: order.model, version: order.modelVersion)
    } catch RegistryError.store(let error) {
      throw BatchError(error)
    } catch {
      throw .unknownModel("\(error)")
    }
    try InputListing(order.input).check()
    let parts = pathParts(order.output.folder).filter { !$0.isEmpty && $0 != "." }
    guard !parts.isEmpty else {
      throw .outputExists(order.output.address)
    }
    do throws(StoreError) {
      guard try !ContainedFolder(order.output.root).exists(order.output.folder) else {
        throw StoreError.exists(path: order.output.folder)
      }
    } catch .exists {
      throw .outputExists(order.output.address)
    } catch .escapes(let path, let root) {
      throw .refused("the output '\(path)' leads out of \(root)")
    } catch {
      throw BatchError(error)
    }
  }

  /// A new job's name, unique in the workspace.
  package func newName() -> String { "batchjob-" + SecureRandom.uuid() }

  // MARK: Looking

  package func job(_ name: String) -> Job? {
    if let live = state.withLock({ $0.live[name] }) { return live }
    return (try? store.job(name))??.job
  }

  /// Newest first.
  package func jobs(endpoint: String?, deployment: String?, limit: Int) -> [Job] {
    guard
      let stored = try? store.jobs(endpoint: endpoint, deployment: deployment, limit: limit)
    else { return [] }
    return state.withLock { state in
      stored.map { state.live[$0.job.order.name] ?? $0.job }
    }
  }

  /// Returns when the job has another state or more progress than `seen`, or after `seconds`.
  package func wait(for name: String, after seen: Job, seconds: Double) -> Job? {
    let deadline =
      surroundings.clock.now() &+ UInt64(min(max(seconds, 0), 3600) * 1_000_000_000)
    _ = state.wait(until: deadline) { state in
      guard state.isRunning, let live = state.live[name] else { return true }
      return live != seen ? true : nil
    }
    return job(name)
  }

  // MARK: Ending

  /// Of a job that has ended, or whose output is just appearing, it does nothing.
  ///
  /// - Parameter actor: Who asked, for the audit.
  package func cancel(_ name: String, by actor: String = "") throws(BatchError) {
    guard let stored = try store.job(name) else { throw .unknownJob(name) }
    guard !stored.job.status.isFinal else { return }
    let note = { [self] () throws(BatchError) in
      try store.noteCancel(stored.sequence, name, by: actor, at: wallClock())
    }
    enum Place {
      case running(JobControl)
      /// Nothing of it has begun.
      case fresh(StoredJob)
      case elsewhere
    }
    let place: Place = state.withLock { state in
      if let running = state.running[name] { return .running(running.control) }
      if let index = state.waiting.firstIndex(where: { $0.job.order.name == name }),
        state.waiting[index].job.status == .queued
      {
        return .fresh(state.waiting.remove(at: index))
      }
      return .elsewhere
    }
    switch place {
    case .running(let control):
      guard try control.cancel(note) else { return }
      state.withLock { $0.live[name]?.status = .cancelRequested }
    case .fresh(let job):
      do throws(BatchError) {
        try store.end(job.sequence, .canceled, reason: nil, at: wallClock())
      } catch {
        state.withLock { $0.waiting.insert(job, at: 0) }
        throw error
      }
      state.withLock { $0.live[name] = nil }
      surroundings.metrics.move(from: .queued, to: .canceled)
      surroundings.log.write(
        .info, "batch job ended",
        ["job": .string(name), "status": .string(Job.Status.canceled.rawValue)])
    case .elsewhere:
      try note()
      // Between two starts, or to be gone on with: it is ended when it is taken.
      let control = state.withLock { state in
        if let index = state.waiting.firstIndex(where: { $0.job.order.name == name }) {
          state.waiting[index].job.status = .cancelRequested
          state.live[name]?.status = .cancelRequested
        }
        return state.running[name]?.control
      }
      if let control { _ = try control.cancel { () throws(BatchError) in } }
    }
    state.broadcast()
  }
}
