internal import Serving
internal import Store
internal import Telemetry

/// How a run ends or waits, and what it tells.
extension JobRun {
  /// The job's own output has appeared: whatever goes wrong behind that, it did not fail.
  func outputIsInPlace() throws(BatchError) -> Bool {
    guard let path = job.workFolder, !WorkFolder(path: path).holdsScore else { return false }
    return try JobManifest.isOutput(of: order)
  }

  static func warning(_ error: BatchError) -> String {
    "the output is whole and in its place, but may not outlast a power cut: \(error)"
  }

  /// Makes the name of an output that has appeared last: a crash may have come before that.
  ///
  /// - Returns: What to tell where that cannot be done.
  private func syncOutputName() throws(BatchError) -> String? {
    do throws(BatchError) {
      try steps(.syncOutputName)
      try WorkFolder.syncName(of: order.output)
      return nil
    } catch {
      switch error {
      case .interrupted, .noSpace, .busy, .store: throw error
      default: return Self.warning(error)
      }
    }
  }

  /// Ends the job, and removes what it has left in the work folder.
  ///
  /// Where an output may not outlast a power cut, the work folder stays known: what the next start
  /// finds in it again appears again (`JobService.start`).
  func end(_ status: Job.Status, reason: String?) throws(BatchError) {
    let time = wallClock()
    let warning = status == .completed ? try syncOutputName() : nil
    let reason = (reason ?? warning)?.withControlPictures
    try steps(.complete)
    let last = status == .failed ? failedProgress : nil
    let isFirst = try store.end(
      job.sequence, status, reason: reason, at: time, last,
      canceledBy: status == .canceled ? control.canceler : nil)
    try steps(.cleanUp)
    if isFirst {
      if let last {
        surroundings.metrics.count(order, from: job.progress, to: last)
        job.progress = last
        job.job.progress = last.shown
      }
      finish(status, reason: reason, endedAt: time, keepsFolder: warning != nil)
    } else {
      _ = try readAgain()
    }
  }

  /// Takes over what the database has of the job.
  ///
  /// - Returns: Whether it has ended there: then nothing is left to do.
  /// - Throws: When it cannot be read; not where the job is canceled, which ends it as it stands.
  func readAgain() throws(BatchError) -> Bool {
    let found: StoredJob?
    do throws(BatchError) {
      found = try store.job(order.name)
    } catch {
      if control.isCanceled { return false }
      if case .unreadable(let reason) = error { throw .store(reason) }
      throw error
    }
    guard let found, found.sequence == job.sequence else {
      throw .store("job '\(order.name)' is not in the workspace's database")
    }
    job.progress = found.progress
    job.workFolder = found.workFolder
    job.job.startedAt = found.job.startedAt
    isCancelStored = isCancelStored || found.job.status == .cancelRequested
    guard let endedAt = found.job.endedAt else { return false }
    // A completed job's reason is a warning: it may be that of `end`.
    finish(
      found.job.status, reason: found.job.reason, endedAt: endedAt,
      keepsFolder: found.job.status == .completed && found.job.reason != nil)
    return true
  }

  /// What is left to do when the end is stored.
  private func finish(
    _ status: Job.Status, reason: String?, endedAt time: Int64, keepsFolder: Bool
  ) {
    if let path = job.workFolder, !keepsFolder {
      do throws(BatchError) {
        let work = WorkFolder(path: path)
        if status == .failed {
          try FailedRows.keep(
            from: work, ofJob: order.name, byteCount: job.progress.errors.byteCount,
            in: surroundings.datastore)
        }
        try work.remove()
        try store.clearWorkFolder(job.sequence)
      } catch {
        // The next start removes it.
        tell(.warning, "files of a batch job are left", [("reason", .string("\(error)"))])
      }
    }
    move(to: status, reason: reason, endedAt: time)
    tell(
      status == .failed ? .error : status == .completed && reason != nil ? .warning : .info,
      "batch job ended",
      [
        ("status", .string(status.rawValue)), ("reason", .string(reason ?? "")),
        ("scored", .integer(Int64(job.progress.scoredRows))),
        ("failed", .integer(Int64(job.progress.failedRows))),
        ("milliseconds", .integer(time - (job.job.startedAt ?? time))),
      ])
    do throws(BatchError) {
      let control = control
      try store.clearFiles(job.sequence) { !control.isStopped }
    } catch {
      // The next start does it.
      tell(
        .warning, "inputs of an ended batch job are still listed",
        [("reason", .string("\(error)"))])
    }
  }

  /// Notes that the job waits.
  ///
  /// - Parameter end: Its end, where that is decided and to be stored, and it comes without an output.
  func pause(_ reason: String, discarding end: Job.Status?) {
    let reason = reason.withControlPictures
    if toldPause != reason {
      toldPause = reason
      tell(.warning, "batch job is paused", [("reason", .string(reason))])
    }
    // What it has written is of no use to anybody, and may be what the disk is full of.
    // What cannot be removed now is tried again at the end.
    if let end, let path = job.workFolder {
      let work = WorkFolder(path: path)
      if end == .failed { try? work.removePredictions() } else { try? work.remove() }
    }
    // The database may be on the same disk: then only the callers of now hear of it.
    if !control.isCanceled { try? store.set(job.sequence, .paused, reason: reason) }
    move(to: .paused, reason: reason)
  }

  /// Whether a job that waits is to be run again. An end is stored at once if it can be: that takes
  /// next to nothing.
  var mayGoOn: Bool { ignoresCancel || control.isCanceled || hasRoom() }

  /// Whether another attempt gets any further: it hashes the model, and all that was written.
  private func hasRoom() -> Bool {
    do throws(BatchError) {
      try steps(.look)
      // With a page for the row in the database.
      let needed = missingByteCount + 4096
      try WorkFolder.reserve(needed, in: surroundings.workFolder)
      if let path = job.workFolder, !path.hasPrefix(surroundings.workFolder + "/") {
        try WorkFolder.reserve(needed, in: DurableFile.parent(of: path))
      }
      return true
    } catch {
      switch error {
      case .noSpace, .busy: return false
      // The attempt tells of it.
      default: return true
      }
    }
  }

  // MARK: Runs that end with the process

  private static let maxFutileRuns = 5

  /// Counts this run, on the disk, before it does anything.
  ///
  /// - Throws: Where as many runs have begun and the process has ended with each, before any progress: what
  ///   the job meets may be what ends it, and would end the gateway at each start.
  func countRun() throws(BatchError) {
    guard !isCounted else { return }
    let runs = try store.beginRun(job.sequence)
    isCounted = true
    guard runs > Self.maxFutileRuns else { return }
    var place = ""
    if job.progress.totalFiles > 0 {
      let files = try store.files(job.sequence)
      if job.progress.file < files.count {
        place = " in '\(files[job.progress.file].path)' from row \(job.progress.row) on"
      }
    }
    throw .refused(
      "the gateway has ended \(runs - 1) times while it ran this job, each time before it had made any "
        + "progress\(place); the job is not started again")
  }

  /// A run that stops or waits has not ended with the process.
  func forgetRuns() {
    guard isCounted else { return }
    isCounted = false
    // What stays counted is one of several.
    try? store.forgetRuns(job.sequence)
  }

  // MARK: Telling

  func change(
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

  func noteCommit(_ writer: JobWriter, _ before: JobProgress) throws(BatchError) {
    let isCommit = writer.committed != before
    if isCommit {
      toldPause = nil
      if job.job.status == .paused { try change(.running) }
      surroundings.metrics.count(order, from: before, to: writer.committed)
      if isDebugging {
        let done = writer.committed.shown
        tell(
          .debug, "batch job has committed mini-batches",
          [
            ("mini_batches", .integer(Int64(done.miniBatches))),
            ("files", .integer(Int64(done.files))), ("scored", .integer(Int64(done.scoredRows))),
            ("failed", .integer(Int64(done.failedRows))),
            ("read_bytes", .integer(Int64(done.readBytes))),
          ])
      }
    }
    job.job.progress = writer.progress.shown
    // Each report wakes all who look on, and a piece may take a fraction of a millisecond.
    let now = surroundings.clock.now()
    if isCommit || now &- reportedAt >= surroundings.options.reportInterval {
      reportedAt = now
      report(job.job)
    }
  }

  func setProgress(_ progress: JobProgress) {
    job.progress = progress
    job.job.progress = progress.shown
    report(job.job)
  }

  /// The deployment's `logging_level`.
  private var logLevel: Log.Level { order.settings.logLevel }
  var isDebugging: Bool { logLevel == .debug }

  /// Told with `logging_level: debug`.
  func tellRead(_ file: JobFile, rows: Int, failed: Int, fault: String?) {
    tell(
      .debug, "batch job has read a file",
      [
        ("file", .string(file.path)), ("rows", .integer(Int64(rows))),
        ("failed", .integer(Int64(failed))), ("reason", .string(fault ?? "")),
      ])
  }

  func tell(
    _ level: Log.Level, _ message: StaticString, _ fields: [(StaticString, LogValue)] = []
  ) {
    surroundings.log.write(level, own: logLevel, message) { line in
      line.appendLogMember("job", order.name)
      line.appendLogMember("endpoint", order.endpoint)
      line.appendLogMember("deployment", order.deployment)
      for (name, value) in fields { line.appendLogMember(name, value) }
    }
  }
}

extension BatchSettings {
  /// Of the lines that a job writes to the log: `debug` has one for each file and each commit, `info`
  /// one for each change of the job's state, `warning` only what goes wrong.
  var logLevel: Log.Level { Log.Level(name: loggingLevel) ?? .info }
}
