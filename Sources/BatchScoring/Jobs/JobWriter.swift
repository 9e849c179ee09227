internal import Documents
internal import Serving
internal import Telemetry

/// When what has been written is committed: rework after a crash stays small, and the disk is
/// not asked for every block.
struct CommitPolicy: Sendable {
  var maxMiniBatches = 8
  var minInterval: UInt64 = 200_000_000
  var maxInterval: UInt64 = 1_000_000_000

  func isDue(miniBatches: Int, elapsed: UInt64) -> Bool {
    if elapsed >= maxInterval { return true }
    return miniBatches >= maxMiniBatches || (miniBatches > 0 && elapsed >= minInterval)
  }
}

/// Takes scored pieces in the input's order, appends what they give, and commits it now and then.
/// One thread.
final class JobWriter {
  /// With what is not committed yet.
  private(set) var progress: JobProgress
  private(set) var committed: JobProgress

  private let job: StoredJob
  private let files: [JobFile]
  private let store: JobStore
  private let paths: OutputPaths
  private let policy: CommitPolicy
  private let clock: MonotonicClock
  private let steps: JobSteps
  private let checkInterruption: InterruptionCheck
  /// For a file of predictions in which there are none.
  private let emptyHeader: [UInt8]
  /// nil where no predictions are written, and between two files of predictions.
  private var output: AppendedFile?
  private let errors: AppendedFile
  /// Read to their end since the last commit.
  private var finished: [(place: Int, result: JobFile.Result)] = []
  /// Their files of predictions.
  private var closed: [AppendedFile] = []
  /// Folders in which files were made since the last commit.
  private var changedFolders: Set<String> = []
  private var committedAt: UInt64
  /// Bytes that were appended since the last commit, or were to be.
  private(set) var uncommittedByteCount = 0

  /// Opens the files of the work folder where `job.progress` has them, and looks whether those that
  /// are finished lie there.
  ///
  /// - Throws: `.outputLost` when what was committed is not there.
  init(
    _ job: StoredJob, files: [JobFile], work: WorkFolder, store: JobStore, policy: CommitPolicy,
    clock: MonotonicClock, steps: @escaping JobSteps, emptyHeader: [UInt8] = [],
    checkInterruption: @escaping InterruptionCheck
  ) throws(BatchError) {
    self.emptyHeader = emptyHeader
    self.job = job
    self.files = files
    self.store = store
    self.policy = policy
    self.clock = clock
    self.steps = steps
    self.checkInterruption = checkInterruption
    progress = job.progress
    committed = job.progress
    committedAt = clock.now()
    paths = OutputPaths(job.job.order.settings, folder: work.score)
    errors = try AppendedFile(paths.errors, committed: progress.errors, checkInterruption)
    if paths.isPerFile {
      for file in files.prefix(progress.file) {
        guard let output = file.result?.output else { continue }
        try AppendedFile.verify(paths.predictions(for: file.path), output, checkInterruption)
      }
    }
    if let path = paths.predictions {
      output = try AppendedFile(path, committed: progress.output, checkInterruption)
    } else if paths.isPerFile, progress.output.byteCount > 0 {
      output = try openOutput(of: progress.file, committed: progress.output)
    }
    try paths.syncFolder()
  }

  private var settings: BatchSettings { job.job.order.settings }

  func take(_ given: ScoredPiece) throws(BatchError) {
    var piece = given
    piece.block.keepRows(of: &progress.form)
    let file = files[piece.place.file]
    if let failure = piece.failure {
      throw .scoring(file: file.path, row: failure.row, reason: failure.reason)
    }
    if paths.writesPredictions, piece.scored > 0 {
      uncommittedByteCount += piece.header.count + piece.text.count
      let output = try currentOutput(piece.place.file)
      try steps(.append)
      if output.byteCount == 0, !piece.header.isEmpty { try output.append(piece.header) }
      try output.append(piece.text)
    }
    var lines = JSONWriter()
    for fault in piece.faults {
      write(file.path, row: fault.row, reason: fault.reason, value: fault.value, to: &lines)
    }
    if let fault = piece.end?.fault {
      write(file.path, row: nil, reason: fault, value: "", to: &lines)
    }
    if !lines.bytes.isEmpty {
      uncommittedByteCount += lines.bytes.count
      try steps(.appendErrors)
      try errors.append(lines.bytes)
    }
    try count(piece, file)
    let elapsed = clock.now() &- committedAt
    if policy.isDue(
      miniBatches: progress.miniBatches - committed.miniBatches, elapsed: elapsed)
    {
      try commit()
    }
  }

  /// Ends what is written when the input has been read.
  func finish() throws(BatchError) {
    if !paths.isPerFile, let output { try writeHeader(ofEmpty: output) }
    try commit()
  }

  private func writeHeader(ofEmpty file: AppendedFile) throws(BatchError) {
    if file.byteCount == 0, !emptyHeader.isEmpty { try file.append(emptyHeader) }
  }

  /// Brings to the disk what has been written, then says so in the database.
  func commit() throws(BatchError) {
    try steps(.syncOutput)
    for file in closed { try file.sync() }
    try output?.sync()
    try steps(.syncErrors)
    try errors.sync()
    try steps(.syncNames)
    for folder in changedFolders { try OutputPaths.sync(folder) }
    progress.output = output?.state ?? JobProgress.FileState()
    progress.errors = errors.state
    try steps(.commit)
    if progress != committed { try store.commit(job.sequence, progress, finished) }
    committed = progress
    closed = []
    finished = []
    changedFolders = []
    committedAt = clock.now()
    uncommittedByteCount = 0
    try steps(.committed)
  }

  /// Gives back the room of what is not committed. Nothing is written after it.
  func rollBack() {
    output?.cut(to: committed.output.byteCount)
    errors.cut(to: committed.errors.byteCount)
  }

  /// Ends what a job that fails has written: the rows that failed are told, with those that it fails
  /// for. Nothing is written after it.
  ///
  /// - Returns: How far the job has come, with as many failed rows as the list has lines.
  func fail() -> JobProgress {
    output?.cut(to: committed.output.byteCount)
    // A line that could not be written to its end is not counted either.
    errors.cut(to: errors.byteCount)
    do throws(BatchError) {
      try errors.sync()
    } catch {
      // Who knows what of it lasts.
      errors.cut(to: committed.errors.byteCount)
      return committed
    }
    var last = progress
    last.output = committed.output
    last.errors = errors.state
    return last
  }

  // MARK: Counting

  private func count(_ piece: ScoredPiece, _ file: JobFile) throws(BatchError) {
    let rows = piece.scored + piece.faults.count
    let faults = piece.faults.count + (piece.end?.fault == nil ? 0 : 1)
    progress.scoredRows += piece.scored
    progress.failedRows += faults
    progress.fileFaults += faults
    progress.count(
      rows: rows, endsFile: piece.end != nil, settings.miniBatchRows, settings.miniBatchSize)
    if progress.firstFault == nil {
      if let fault = piece.faults.first {
        progress.firstFault = "\(file.path): \(fault.sentence)".withControlPictures
      } else if let fault = piece.end?.fault {
        progress.firstFault = "\(file.path): \(fault)".withControlPictures
      }
    }
    if settings.errorThreshold >= 0, progress.failedRows > settings.errorThreshold {
      throw .tooManyFaults(
        count: progress.failedRows, limit: settings.errorThreshold,
        first: progress.firstFault ?? "")
    }
    guard let end = piece.end else {
      progress.offset = piece.place.offset
      progress.row = piece.place.row
      progress.readBytes = piece.place.readBytes
      progress.readHash = piece.place.readHash
      return
    }
    try finishFile(
      piece.place.file, sha256: end.sha256, isUnread: end.fault != nil && progress.row == 0)
  }

  /// - Parameter isUnread: Not one row of it could be read, for damage or for its columns.
  private func finishFile(
    _ place: Int, sha256: String, isUnread: Bool
  ) throws(BatchError) {
    var result = JobFile.Result(
      sha256: sha256, rowCount: progress.row, failedCount: progress.fileFaults, output: nil)
    // Of a file that could not be read, predictions would look like those for one without rows.
    if paths.isPerFile, !isUnread {
      let own = try currentOutput(place)
      try writeHeader(ofEmpty: own)
      result.output = own.state
      closed.append(own)
      output = nil
    }
    finished.append((place, result))
    progress.file = place + 1
    progress.doneBytes += files[place].stamp.byteCount
    (progress.offset, progress.row, progress.fileFaults) = (0, 0, 0)
    (progress.readBytes, progress.readHash) = (0, "")
    // Many small files must not keep as many open.
    if closed.count >= Self.maxClosed { try commit() }
  }

  private static let maxClosed = 16

  private func currentOutput(_ place: Int) throws(BatchError) -> AppendedFile {
    if let output { return output }
    let opened = try openOutput(of: place)
    output = opened
    return opened
  }

  private func openOutput(
    of place: Int, committed: JobProgress.FileState = JobProgress.FileState()
  ) throws(BatchError) -> AppendedFile {
    let path = paths.predictions(for: files[place].path)
    changedFolders.insert(try paths.makeFolder(above: path))
    return try AppendedFile(path, committed: committed, checkInterruption)
  }

  private func write(
    _ file: String, row: Int?, reason: String, value: String, to lines: inout JSONWriter
  ) {
    lines.document([
      "file": .string(file), "row": row.map { .integer(Int64($0)) } ?? .null,
      "reason": .string(reason), "value": .string(value),
    ])
    lines.raw("\n")
  }
}
