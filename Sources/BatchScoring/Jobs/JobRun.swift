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
  /// The default datastore's folder.
  var datastore: String
  var metrics: JobMetrics
  var log: Log
  var clock = MonotonicClock.system
  /// Requests that came to this process so far.
  var requestCount: @Sendable () -> UInt64 = { 0 }
  var options = JobOptions()
}

/// What tests set.
struct JobOptions: Sendable {
  var commits = CommitPolicy()
  /// Between two looks for room on a full disk.
  var roomInterval: UInt64 = 5_000_000_000
  /// Between two reports of progress, where nothing was committed.
  var reportInterval: UInt64 = 20_000_000
  /// Those that have not ended. Each is in memory, and a start takes all of them up again.
  var maxUnfinishedJobs = 10_000
  /// False: threads of jobs are as important as those that answer requests.
  var yieldsToOthers = true
  /// Bytes of text that are scored at once; nil: as `RowCutter` has it.
  var maxBlockBytes: Int?
  /// `errno` that stands for a system without another thread; 0: it has one.
  var threadFailure: @Sendable () -> Int32 = { 0 }
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
///
/// One thread at a time: a job that waits for room gives its thread back, and another one goes on.
final class JobRun: @unchecked Sendable {
  enum Outcome {
    case ended
    /// The gateway stops; the job goes on at the next start.
    case stops
    /// It waits for room, and is run again when `mayGoOn`.
    case rests
  }

  let surroundings: JobSurroundings
  let control: JobControl
  /// Told of each change.
  let report: (Job) -> Void
  var job: StoredJob
  /// Asked for before a crash.
  var isCancelStored: Bool
  /// Bytes that a full disk had no room for, or more of them, in the last attempt.
  var missingByteCount = 0
  /// How far the last attempt had come when it failed: behind its last commit, as a rule.
  var failedProgress: JobProgress?
  /// Why it was last said to be paused, unless it has come on since.
  var toldPause: String?
  /// When others were last told of progress.
  var reportedAt: UInt64 = 0
  /// Decided, and not stored yet.
  private var ending: (status: Job.Status, reason: String?)?
  /// The row may have come on without us: it has ended, or a commit that failed was one.
  private var isStale = true
  /// This run is in the count of those that began; see `countRun`.
  var isCounted = false
  /// While it waits: a cancel has nothing to say any more.
  private(set) var ignoresCancel = false

  init(
    _ job: StoredJob, _ surroundings: JobSurroundings, _ control: JobControl,
    report: @escaping (Job) -> Void
  ) {
    self.job = job
    isCancelStored = job.job.status == .cancelRequested
    self.surroundings = surroundings
    self.control = control
    self.report = report
  }

  var order: JobOrder { job.job.order }
  var store: JobStore { surroundings.store }
  var steps: JobSteps { surroundings.options.steps }
  private var checkInterruption: InterruptionCheck {
    let control = control
    return { () throws(BatchError) in try control.check() }
  }

  func run() -> Outcome {
    while true {
      let wasCanceled = control.isCanceled
      func rests(_ reason: String) -> Outcome {
        ignoresCancel = ending != nil || wasCanceled
        isStale = true
        forgetRuns()
        pause(reason, discarding: ending.flatMap { $0.status == .completed ? nil : $0.status })
        return .rests
      }
      do throws(BatchError) {
        if isStale, try readAgain() { return .ended }
        isStale = false
        if let ending {
          try end(ending.status, reason: ending.reason)
        } else {
          try attempt()
        }
        return .ended
      } catch .interrupted(.cancel) {
        ending = (.canceled, nil)
      } catch .interrupted(.stop) {
        forgetRuns()
        tell(.info, "batch job stops, to go on at the next start")
        return .stops
      } catch .interrupted(.crash) {
        return .stops
      } catch .interrupted(.ended) {
        isStale = true
      } catch .noSpace(let reason) {
        return rests("no space: \(reason)")
      } catch .busy(let reason) {
        return rests("busy: \(reason)")
      } catch .store(let reason), .outputLost(let reason) {
        return rests(reason)
      } catch {
        switch hasOutput() {
        case .some(let isInPlace):
          ending = isInPlace ? (.completed, Self.warning(error)) : (.failed, "\(error)")
        case nil:
          return rests("\(error)")
        }
      }
    }
  }

  /// Whether the job's output is in its place; nil while that cannot be told.
  private func hasOutput() -> Bool? {
    do throws(BatchError) {
      return try outputIsInPlace()
    } catch {
      switch error {
      case .busy, .store, .outputLost, .noSpace: return nil
      default: return false
      }
    }
  }

  // MARK: Steps

  private func attempt() throws(BatchError) {
    missingByteCount = 0
    failedProgress = nil
    try steps(.begin)
    // Before anything that a place which is gone could make it fail for.
    if isCancelStored, hasOutput() == false { throw .interrupted(.cancel) }
    let work = WorkFolder(path: try workFolder())
    if try outputIsInPlace() { return try end(.completed, reason: nil) }
    if isCancelStored { throw .interrupted(.cancel) }
    try control.check()
    try countRun()
    if job.progress.totalFiles == 0 {
      try change(.preparing, startedAt: wallClock(), workFolder: work.path)
    }
    try work.make()
    let listing = try openInput()
    let files = try listedFiles(listing)
    let model = try loadModel()
    try checkColumns(model.loaded)
    // A job that was paused runs again when something of it has found room.
    if job.job.status != .paused { try change(.running) }
    let writer = try makeWriter(files, work, model.loaded)
    try read(listing, files, model.loaded, into: writer)
    try finishOutput(model.version, writer, work)
  }

  private func workFolder() throws(BatchError) -> String {
    if let known = job.workFolder { return known }
    return try WorkFolder.path(for: order, in: surroundings.workFolder)
  }

  private func openInput() throws(BatchError) -> InputListing {
    do throws(BatchError) {
      return try InputListing(order.input)
    } catch .inputMissing(let reason) where job.progress.totalFiles > 0 {
      // It was there when it was listed.
      throw .inputChanged(file: order.input.address, how: reason)
    }
  }

  private func loadModel() throws(BatchError) -> (loaded: LoadedModel, version: ModelVersion) {
    let registry = surroundings.registry
    let label = "model \(order.model):\(order.modelVersion)"
    do {
      let version = try registry.find(name: order.model, version: order.modelVersion)
      let control = control
      try registry.verify(version) { !control.isInterrupted }
      let folder = registry.packagePath(name: version.name, version: version.version)
      let loaded = try ModelLoader.load(
        path: folder + "/" + version.artifact, type: version.type,
        properties: version.properties)
      return (loaded, version)
    } catch RegistryError.interrupted {
      try control.check()
      throw .interrupted(.stop)
    } catch RegistryError.store(let error) {
      throw BatchError(error)
    } catch ModelFormatError.busy(let path, let reason) {
      throw .busy("\(path): \(reason)")
    } catch {
      throw .unknownModel("\(label): \(error)")
    }
  }

  /// Asked before the first row: a job that has begun goes on as it was taken.
  private func checkColumns(_ model: LoadedModel) throws(BatchError) {
    guard job.progress.scoredRows == 0, job.progress.failedRows == 0,
      let reason = order.settings.columnFault(
        model.defaultOutputs.map { model.signature.outputs[$0] })
    else { return }
    throw .refused(reason)
  }

  private func listedFiles(_ listing: InputListing) throws(BatchError) -> [JobFile] {
    if job.progress.totalFiles > 0 { return try store.files(job.sequence) }
    let files = try listing.files(checkInterruption)
    try OutputPaths(order.settings, folder: "").check(
      files.lazy.map(\.path),
      folderByteCount: try OutputPaths.folderByteCount(
        of: order, workFolder: surroundings.workFolder))
    var progress = JobProgress()
    progress.totalFiles = files.count
    progress.totalBytes = files.reduce(0) { $0 &+ $1.stamp.byteCount }
    try steps(.listed)
    try store.list(job.sequence, files, progress, checkInterruption)
    setProgress(progress)
    tell(
      .info, "batch job has listed its input",
      [
        ("files", .integer(Int64(files.count))), ("bytes", .integer(Int64(progress.totalBytes))),
      ])
    return files
  }

  private func makeWriter(
    _ files: [JobFile], _ work: WorkFolder, _ model: LoadedModel
  ) throws(BatchError) -> JobWriter {
    var columns = PredictionColumns(order.settings)
    columns.fileName = ""
    let emptyHeader = columns.header(model.defaultOutputs.map { model.signature.outputs[$0] })
    func open() throws(BatchError) -> JobWriter {
      try JobWriter(
        job, files: files, work: work, store: store, policy: surroundings.options.commits,
        clock: surroundings.clock, steps: steps, emptyHeader: emptyHeader,
        checkInterruption: checkInterruption)
    }
    do throws(BatchError) {
      return try open()
    } catch .outputLost(let reason) {
      // A power cut took it, or somebody did.
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
      checkInterruption: checkInterruption,
      columns: { file in
        var own = columns
        own.fileName = file.path
        return own
      })
    let control = control
    let yields = surroundings.options.yieldsToOthers
    let requestCount = surroundings.requestCount
    var failure: BatchError?
    do throws(BatchError) {
      try OrderedPipeline<JobPiece, ScoredPiece>(
        threads: min(settings.maxConcurrencyPerInstance, Self.maxThreads),
        begin: { if yields { ThreadPriority.computeWhenIdle() } }
      ).run(
        source: { () throws(BatchError) in
          try control.check()
          return try reader.next()
        },
        makeWork: {
          let pace = ScoringPace()
          pace.maxNanoseconds = UInt64(max(settings.timeoutSeconds, 1)) &* 1_000_000_000
          pace.maxRetries = settings.maxRetries
          pace.shouldStop = { control.isInterrupted }
          pace.requestCount = requestCount
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
          let (rows, faults) = (writer.progress.row, writer.progress.fileFaults)
          try writer.take(piece)
          if let end = piece.end, isDebugging {
            tellRead(
              files[piece.place.file], rows: rows, failed: faults + (end.fault == nil ? 0 : 1),
              fault: end.fault)
          }
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
      } else if failure.failsJob {
        failedProgress = writer.fail()
      } else if failure != .interrupted(.crash) {
        if case .noSpace = failure { missingByteCount = writer.uncommittedByteCount }
        writer.rollBack()
      }
      job.progress = writer.committed
      throw failure
    }
    let before = writer.committed
    try writer.finish()
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
    try manifest.checkOutputs(in: work.score)
    let text = manifest.text()
    do throws(BatchError) {
      try steps(.manifest)
      try manifest.write(text, to: OutputPaths(order.settings, folder: work.score).manifest)
      try steps(.syncFolder)
      try work.sync()
      try steps(.rename)
      try work.publish(as: order.output)
    } catch {
      // Without room for that, another attempt would come no further.
      if case .noSpace = error { missingByteCount = text.count }
      throw error
    }
    try steps(.renamed)
    try end(.completed, reason: nil)
  }
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
