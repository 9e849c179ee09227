internal import Executors
internal import Glibc
internal import Registry
internal import Serving
internal import Store
internal import Telemetry

/// What all runs of jobs share.
struct JobSurroundings: Sendable {
  var store: JobStore
  var registry: ModelRegistry
  var workFolder: String
  var metrics: JobMetrics
  var log: Log
  var clock = MonotonicClock.system
  var options = JobOptions()
}

/// What tests set.
struct JobOptions: Sendable {
  var commits = CommitPolicy()
  /// Between two looks for room on a full disk.
  var roomInterval: UInt64 = 5_000_000_000
  /// False: threads of jobs are as important as those that answer requests.
  var yieldsToOthers = true
  /// Bytes of text that are scored at once; nil: as `RowCutter` has it.
  var maxBlockBytes: Int?
  var steps: JobSteps = { (_) throws(BatchError) in }
}

/// One job from wherever it stands to its end, on the calling thread.
///
/// 1. The input is listed and stamped, and that is written down.
/// 2. Pieces are read, scored and appended to files in the work folder; commits tell how much of
///    them counts.
/// 3. `_SUCCESS.json` is written beside them, and the folder renamed to the output.
///
/// After a crash the same steps are taken again from the last commit on: what is behind it is cut
/// off.
final class JobRun {
  private let surroundings: JobSurroundings
  private let control: JobControl
  /// Told of each change.
  private let report: (Job) -> Void
  private var job: StoredJob

  init(
    _ job: StoredJob, _ surroundings: JobSurroundings, _ control: JobControl,
    report: @escaping (Job) -> Void
  ) {
    self.job = job
    self.surroundings = surroundings
    self.control = control
    self.report = report
  }

  private var order: JobOrder { job.job.order }
  private var store: JobStore { surroundings.store }
  private var steps: JobSteps { surroundings.options.steps }

  /// Returns when the job has ended, or is to go on at the next start.
  func run() {
    /// Decided, and not stored yet.
    var ending: (status: Job.Status, reason: String?)?
    while true {
      do throws(BatchError) {
        if let ending { return try end(ending.status, reason: ending.reason) }
        return try attempt()
      } catch .interrupted(.cancel) {
        ending = (.canceled, nil)
      } catch .interrupted(.stop) {
        return tell(.info, "batch job stops, to go on at the next start")
      } catch .interrupted(.crash) {
        return
      } catch .noSpace(let reason) {
        guard pause("no space: \(reason)", isEnding: ending != nil) else { return }
      } catch .store(let reason) {
        guard pause(reason, isEnding: ending != nil) else { return }
      } catch {
        ending = (.failed, "\(error)")
      }
    }
  }

  // MARK: Steps

  private func attempt() throws(BatchError) {
    try steps(.begin)
    let work = WorkFolder(path: try workFolder())
    if job.workFolder != nil, !work.holdsScore, JobManifest.isOutput(of: order) {
      return try end(.completed, reason: nil)
    }
    // Asked for before a crash.
    if job.job.status == .cancelRequested { throw .interrupted(.cancel) }
    try control.check()
    if job.progress.totalFiles == 0 {
      try change(.preparing, startedAt: wallClock(), workFolder: work.path)
    }
    try work.make()
    let listing = try InputListing(order.input)
    let files = try listedFiles(listing)
    let model = try loadModel()
    // A job that was paused runs again when something of it has found room.
    if job.job.status != .paused { try change(.running) }
    let writer = try makeWriter(files, work)
    try read(listing, files, model.loaded, into: writer)
    try finishOutput(model.version, writer, work)
  }

  private func workFolder() throws(BatchError) -> String {
    if let known = job.workFolder { return known }
    return try WorkFolder.path(for: order, in: surroundings.workFolder)
  }

  private func loadModel() throws(BatchError) -> (loaded: LoadedModel, version: ModelVersion) {
    let registry = surroundings.registry
    let label = "model \(order.model):\(order.modelVersion)"
    do {
      let version = try registry.find(name: order.model, version: order.modelVersion)
      try registry.verify(version)
      let folder = registry.packagePath(name: version.name, version: version.version)
      let loaded = try ModelLoader.load(
        path: folder + "/" + version.artifact, type: version.type,
        properties: version.properties)
      return (loaded, version)
    } catch RegistryError.store(let error) {
      throw BatchError(error)
    } catch {
      throw .unknownModel("\(label): \(error)")
    }
  }

  private func listedFiles(_ listing: InputListing) throws(BatchError) -> [JobFile] {
    if job.progress.totalFiles > 0 { return try store.files(job.sequence) }
    let files = try listing.files()
    try OutputPaths(order.settings, folder: "").check(files)
    var progress = JobProgress()
    progress.totalFiles = files.count
    progress.totalBytes = files.reduce(0) { $0 &+ $1.stamp.byteCount }
    try steps(.listed)
    try store.list(job.sequence, files, progress)
    setProgress(progress)
    tell(
      .info, "batch job has listed its input",
      [
        ("files", .integer(Int64(files.count))), ("bytes", .integer(Int64(progress.totalBytes))),
      ])
    return files
  }

  private func makeWriter(_ files: [JobFile], _ work: WorkFolder) throws(BatchError) -> JobWriter {
    func open() throws(BatchError) -> JobWriter {
      try JobWriter(
        job, files: files, work: work, store: store, policy: surroundings.options.commits,
        clock: surroundings.clock, steps: steps)
    }
    do throws(BatchError) {
      return try open()
    } catch .store(let reason) {
      // What was committed does not lie there: a power cut took it, or somebody did.
      tell(.warning, "batch job starts over", [("reason", .string(reason))])
      var progress = JobProgress()
      progress.totalFiles = job.progress.totalFiles
      progress.totalBytes = job.progress.totalBytes
      try store.startOver(job.sequence, progress)
      setProgress(progress)
      return try open()
    }
  }

  private func read(
    _ listing: InputListing, _ files: [JobFile], _ model: LoadedModel, into writer: JobWriter
  ) throws(BatchError) {
    let settings = order.settings
    let outputs = model.defaultOutputs
    var limits = RowCutter.Limits(model.signature, outputs: outputs)
    limits.maxRows = min(limits.maxRows, settings.miniBatchRows)
    if let bytes = surroundings.options.maxBlockBytes { limits.maxBytes = bytes }
    let columns = PredictionColumns(settings)
    let reader = JobReader(
      listing, files: files, hasGlob: order.input.glob != nil, from: job.progress,
      signature: model.signature, limits: limits,
      columns: { file in
        var own = columns
        own.fileName = file.path
        return own
      })
    let control = control
    let yields = surroundings.options.yieldsToOthers
    var failure: BatchError?
    do throws(BatchError) {
      try OrderedPipeline<JobPiece, ScoredPiece>(
        threads: min(settings.maxConcurrencyPerInstance, Self.maxThreads)
      ).run(
        source: { () throws(BatchError) in
          if yields { lowerPriority() }
          try control.check()
          return try reader.next()
        },
        makeWork: {
          if yields { lowerPriority() }
          let pace = ScoringPace()
          pace.maxNanoseconds = UInt64(max(settings.timeoutSeconds, 1)) &* 1_000_000_000
          pace.maxRetries = settings.maxRetries
          pace.shouldStop = { control.isInterrupted }
          let scorer = JobScorer(model, outputs: outputs, pace: pace)
          return { scorer.score($0) }
        },
        sink: { (piece) throws(BatchError) in
          if piece.isAbandoned {
            try control.check()
            throw .interrupted(.stop)
          }
          if let failure = piece.failure {
            throw .scoring(
              file: files[piece.place.file].path, row: failure.row, reason: failure.reason)
          }
          let before = writer.committed
          try writer.take(piece)
          try noteCommit(writer, before)
        })
    } catch {
      failure = error
    }
    if let failure {
      // What is behind the last commit is read again; for a stop, as little as may be.
      if failure == .interrupted(.stop) {
        let before = writer.committed
        try writer.commit()
        try noteCommit(writer, before)
      } else if failure != .interrupted(.crash) {
        writer.rollBack()
      }
      job.progress = writer.committed
      throw failure
    }
    let before = writer.committed
    try writer.commit()
    try noteCommit(writer, before)
  }

  /// More would not work any faster, and each has its own scratch and block: whoever may invoke may
  /// ask for any number.
  private static let maxThreads = 16

  private func finishOutput(
    _ model: ModelVersion, _ writer: JobWriter, _ work: WorkFolder
  ) throws(BatchError) {
    let progress = writer.committed
    setProgress(progress)
    if progress.failedRows > 0, progress.scoredRows == 0 {
      throw .nothingScored(count: progress.failedRows, first: progress.firstFault ?? "")
    }
    try control.beginPublishing()
    defer { control.endPublishing() }
    try steps(.finalizing)
    try change(.finalizing)
    let manifest = JobManifest(
      job: job, model: model, files: try store.files(job.sequence), endedAt: wallClock())
    try steps(.manifest)
    try manifest.write(to: OutputPaths(order.settings, folder: work.score).manifest)
    try steps(.syncFolder)
    try work.sync()
    try steps(.rename)
    try work.publish(as: order.output)
    try steps(.renamed)
    try end(.completed, reason: nil)
  }

  // MARK: Ends

  /// Ends the job, and removes what it has left in the work folder.
  private func end(_ status: Job.Status, reason: String?) throws(BatchError) {
    let time = wallClock()
    try steps(.complete)
    try store.end(job.sequence, status, reason: reason, at: time)
    try steps(.cleanUp)
    if let path = job.workFolder {
      do throws(BatchError) {
        try WorkFolder(path: path).remove()
        try store.clearWorkFolder(job.sequence)
      } catch {
        // The next start removes it.
        tell(.warning, "files of a batch job are left", [("reason", .string("\(error)"))])
      }
    }
    move(to: status, reason: reason, endedAt: time)
    tell(
      status == .failed ? .error : .info, "batch job ended",
      [
        ("status", .string(status.rawValue)), ("reason", .string(reason ?? "")),
        ("scored", .integer(Int64(job.progress.scoredRows))),
        ("failed", .integer(Int64(job.progress.failedRows))),
        ("milliseconds", .integer(time - (job.job.startedAt ?? time))),
      ])
  }

  /// Waits until it may go on.
  ///
  /// - Parameter isEnding: Only its end is to be stored: a cancel has nothing to say any more.
  /// - Returns: False when the gateway stops.
  private func pause(_ reason: String, isEnding: Bool) -> Bool {
    if job.job.status != .paused {
      tell(.warning, "batch job is paused", [("reason", .string(reason))])
    }
    // The database may be on the same disk: then only the callers of now hear of it.
    if !control.isCanceled { try? store.set(job.sequence, .paused, reason: reason) }
    move(to: .paused, reason: reason)
    let isStopped = control.rest(
      surroundings.options.roomInterval, clock: surroundings.clock, evenIfCanceled: isEnding)
    if isStopped { return false }
    if let now = try? store.job(order.name) {
      job.progress = now.progress
      job.workFolder = now.workFolder
    }
    return true
  }

  // MARK: Telling

  private func change(
    _ status: Job.Status, startedAt: Int64? = nil, workFolder: String? = nil
  ) throws(BatchError) {
    try store.set(
      job.sequence, status, startedAt: startedAt, workFolder: workFolder)
    job.job.startedAt = job.job.startedAt ?? startedAt
    job.workFolder = job.workFolder ?? workFolder
    move(to: status, reason: nil)
  }

  private func move(to status: Job.Status, reason: String?, endedAt: Int64? = nil) {
    surroundings.metrics.move(from: job.job.status, to: status)
    job.job.status = status
    job.job.reason = reason
    job.job.endedAt = endedAt
    report(job.job)
  }

  private func noteCommit(_ writer: JobWriter, _ before: JobProgress) throws(BatchError) {
    if writer.committed != before {
      if job.job.status == .paused { try change(.running) }
      surroundings.metrics.count(order, from: before, to: writer.committed)
    }
    job.job.progress = writer.progress.shown
    report(job.job)
  }

  private func setProgress(_ progress: JobProgress) {
    job.progress = progress
    job.job.progress = progress.shown
    report(job.job)
  }

  private func tell(
    _ level: Log.Level, _ message: StaticString, _ fields: [(StaticString, LogValue)] = []
  ) {
    surroundings.log.write(level, message) { line in
      line.appendLogMember("job", order.name)
      line.appendLogMember("endpoint", order.endpoint)
      line.appendLogMember("deployment", order.deployment)
      for (name, value) in fields { line.appendLogMember(name, value) }
    }
  }
}

/// Lets what answers requests go first on a busy machine.
private func lowerPriority() {
  // In Linux a priority is a thread's own; 0 is the caller.
  _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
}

/// Milliseconds since 1970.
func wallClock() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}

extension PredictionColumns {
  init(_ settings: BatchSettings) {
    self.init()
    format = settings.outputFormat == .csv ? .csv : .jsonl
    hasHeader = settings.hasHeader
    carried = settings.carriedColumns
  }
}
