internal import Documents
internal import Serving
internal import Store

/// A job as the database has it.
struct StoredJob: Sendable {
  var sequence: Int64
  var job: Job
  var progress: JobProgress
  var workFolder: String?
}

/// Jobs, their files and how far they are, in the workspace's database. What a call has done is
/// on the disk when it returns.
struct JobStore: Sendable {
  let database: Database

  // MARK: Taking

  /// Stores orders in one transaction. One that is refused keeps none of the others out.
  ///
  /// - Parameters:
  ///   - maxUnfinished: Jobs that have not ended; there are no more of them.
  ///   - check: Looks at an output's place on the disk. It is asked when no unfinished job has a claim
  ///     to that: what a job has made that has just ended lies there then.
  /// - Returns: The job of each, and whether it was made now; or `.nameTaken`, or `.outputExists`
  ///   where an unfinished job has the same output, `.outputNested` where one's lies above or below;
  ///   or `.tooManyJobs`.
  func add(
    _ submissions: [JobSubmission], at time: Int64, maxUnfinished: Int = .max,
    check: (JobOrder.Output) throws(BatchError) -> Void = { (_) throws(BatchError) in }
  ) throws(BatchError) -> [Result<JobSubmission.Added, BatchError>] {
    try write { (transaction) throws(BatchError) in
      var results: [Result<JobSubmission.Added, BatchError>] = []
      let unfinished = try Self.run(
        transaction, "SELECT count(*) AS number FROM jobs WHERE ended_at IS NULL", []
      ).first?.integer("number")
      var room = maxUnfinished - Int(unfinished ?? 0)
      for submission in submissions {
        do throws(BatchError) {
          let added = try Self.add(
            submission, at: time, room > 0 ? nil : .tooManyJobs(limit: maxUnfinished), check,
            transaction)
          if added.isNew { room -= 1 }
          results.append(.success(added))
        } catch .nameTaken(let name) {
          results.append(.failure(.nameTaken(name)))
        } catch .outputExists(let place) {
          results.append(.failure(.outputExists(place)))
        } catch .outputNested(let reason) {
          results.append(.failure(.outputNested(reason)))
        } catch .tooManyJobs(let limit) {
          results.append(.failure(.tooManyJobs(limit: limit)))
        }
      }
      return results
    }
  }

  func add(
    _ order: JobOrder, requestIdentifier: String?, at time: Int64
  ) throws(BatchError) -> JobSubmission.Added {
    let submission = JobSubmission(order, requestIdentifier: requestIdentifier)
    for result in try add([submission], at: time) { submission.end(result) }
    return try submission.added()
  }

  /// What it refuses, it refuses before it writes.
  ///
  /// - Parameter refusal: Of a job that would be a new one.
  private static func add(
    _ submission: JobSubmission, at time: Int64, _ refusal: BatchError?,
    _ check: (JobOrder.Output) throws(BatchError) -> Void, _ transaction: any SQLTransaction
  ) throws(BatchError) -> JobSubmission.Added {
    let order = submission.order
    if let requestIdentifier = submission.requestIdentifier,
      let known = try query(
        transaction, "WHERE endpoint = ? AND request_id = ?",
        [.text(order.endpoint), .text(requestIdentifier)]
      ).first
    {
      return (known, false)
    }
    if let refusal { throw refusal }
    let output = OutputPlace(order.output)
    if let rival = try rival(of: output, transaction) {
      if rival.place == output.path {
        throw .outputExists("\(order.output.address) of job '\(rival.job)'")
      }
      let isInside = output.above.contains(rival.place)
      throw .outputNested(
        "the output \(order.output.address) would \(isInside ? "lie in" : "hold") that of job "
          + "'\(rival.job)', which has not ended; specify a unique output location")
    }
    try check(order.output)
    guard try run(transaction, "SELECT 1 FROM jobs WHERE name = ?", [.text(order.name)]).isEmpty
    else { throw .nameTaken(order.name) }
    try execute(
      transaction,
      """
      INSERT INTO jobs (name, endpoint, deployment, request_id, output, status, created_at, body,
        progress) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """,
      [
        .text(order.name), .text(order.endpoint), .text(order.deployment),
        submission.requestIdentifier.map { .text($0) } ?? .null, .text(output.path),
        .text(Job.Status.queued.rawValue), .integer(time), .text(json(order.document)),
        .text(json(JobProgress().document)),
      ])
    try audit(transaction, "create", order.name, by: order.actor, at: time)
    guard let made = try query(transaction, "WHERE name = ?", [.text(order.name)]).first
    else { throw .store("job '\(order.name)' was not stored") }
    return (made, true)
  }

  /// The name of the unfinished job whose output is the same, or lies above or below.
  func rival(of place: OutputPlace) throws(BatchError) -> String? {
    try read { (transaction) throws(BatchError) in try Self.rival(of: place, transaction)?.job }
  }

  /// The unfinished job whose output is the same, or lies above or below.
  private static func rival(
    of output: OutputPlace, _ transaction: any SQLTransaction
  ) throws(BatchError) -> (job: String, place: String)? {
    let same = [output.path] + output.above
    let marks = same.map { _ in "?" }.joined(separator: ", ")
    // Two questions, each of which the index on unfinished outputs answers.
    let row = try run(
      transaction,
      """
      SELECT name, output FROM jobs WHERE ended_at IS NULL AND output IN (\(marks))
      UNION ALL
      SELECT name, output FROM jobs WHERE ended_at IS NULL AND output >= ? AND output < ?
      LIMIT 1
      """,
      same.map { .text($0) } + [.text(output.inside.first), .text(output.inside.end)]
    ).first
    return row.map { ($0.text("name"), $0.text("output")) }
  }

  // MARK: Changing

  /// A cancel that was acknowledged stays.
  private static let statusUnlessCanceled =
    "CASE status WHEN '\(Job.Status.cancelRequested.rawValue)' THEN status ELSE ? END"

  /// - Parameter startedAt: Kept when it is there already.
  /// - Throws: `.interrupted(.ended)` where the job has ended, as all that changes one.
  func set(
    _ sequence: Int64, _ status: Job.Status, reason: String? = nil, startedAt: Int64? = nil,
    workFolder: String? = nil
  ) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      try Self.checkOpen(transaction, sequence)
      try Self.execute(
        transaction,
        """
        UPDATE jobs SET status = \(Self.statusUnlessCanceled), reason = ?,
          started_at = coalesce(started_at, ?), work_folder = coalesce(?, work_folder)
          WHERE sequence = ?
        """,
        [
          .text(status.rawValue), reason.map { .text($0) } ?? .null,
          startedAt.map { .integer($0) } ?? .null, workFolder.map { .text($0) } ?? .null,
          .integer(sequence),
        ])
    }
  }

  /// Counts a run before it does anything. The count stands in the progress, so that each commit of
  /// progress begins it anew.
  ///
  /// - Returns: How many runs have begun without any progress, with this one.
  func beginRun(_ sequence: Int64) throws(BatchError) -> Int {
    try write { (transaction) throws(BatchError) in
      try Self.checkOpen(transaction, sequence)
      try Self.execute(
        transaction,
        """
        UPDATE jobs SET progress = json_set(progress, '$.runs',
          coalesce(CAST(progress ->> '$.runs' AS INTEGER), 0) + 1)
          WHERE sequence = ? AND json_valid(progress)
        """, [.integer(sequence)])
      let rows = try Self.run(
        transaction,
        """
        SELECT coalesce(CAST(progress ->> '$.runs' AS INTEGER), 0) AS runs FROM jobs
          WHERE sequence = ? AND json_valid(progress)
        """, [.integer(sequence)])
      return Int(clamping: rows.first?.integer("runs") ?? 0)
    }
  }

  /// Of a run that has come to an end in this process.
  func forgetRuns(_ sequence: Int64) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      try Self.execute(
        transaction,
        """
        UPDATE jobs SET progress = json_remove(progress, '$.runs')
          WHERE sequence = ? AND ended_at IS NULL AND json_valid(progress)
        """, [.integer(sequence)])
    }
  }

  /// Writes down what the job will read; with the last of it, the job runs.
  ///
  /// - Parameter checkInterruption: Asked between two steps of many rows.
  func list(
    _ sequence: Int64, _ files: [JobFile], _ progress: JobProgress,
    _ checkInterruption: InterruptionCheck
  ) throws(BatchError) {
    try clearFiles(sequence)
    for start in stride(from: 0, to: max(files.count, 1), by: Self.chunkRows) {
      try checkInterruption()
      let end = min(start + Self.chunkRows, files.count)
      try write { (transaction) throws(BatchError) in
        try Self.checkOpen(transaction, sequence)
        for place in start..<end {
          let file = files[place]
          try Self.execute(
            transaction,
            """
            INSERT INTO job_files (job, place, path, byte_count, modified_at, device, inode)
              VALUES (?, ?, ?, ?, ?, 0, ?)
            """,
            [
              .integer(sequence), .integer(Int64(place)), .text(file.path),
              .integer(Int64(file.stamp.byteCount)), .integer(file.stamp.modifiedAt),
              .integer(file.stamp.inode),
            ])
        }
        if end == files.count {
          try Self.execute(
            transaction,
            "UPDATE jobs SET status = \(Self.statusUnlessCanceled), progress = ? WHERE sequence = ?",
            [
              .text(Job.Status.running.rawValue), .text(Self.json(progress.document)),
              .integer(sequence),
            ])
        }
      }
    }
  }

  /// Commits how far the job is, with the files that have been read to their end.
  func commit(
    _ sequence: Int64, _ progress: JobProgress, _ finished: [(place: Int, result: JobFile.Result)]
  ) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      try Self.checkOpen(transaction, sequence)
      try Self.execute(
        transaction, "UPDATE jobs SET progress = ? WHERE sequence = ?",
        [.text(Self.json(progress.document)), .integer(sequence)])
      for (place, result) in finished {
        try Self.execute(
          transaction,
          """
          UPDATE job_files SET sha256 = ?, row_count = ?, failed_count = ?, output_bytes = ?,
            output_sha256 = ? WHERE job = ? AND place = ?
          """,
          [
            .text(result.sha256), .integer(Int64(result.rowCount)),
            .integer(Int64(result.failedCount)),
            result.output.map { .integer(Int64($0.byteCount)) } ?? .null,
            result.output.map { .text($0.hash) } ?? .null,
            .integer(sequence), .integer(Int64(place)),
          ])
      }
    }
  }

  /// Forgets all that a job has done; its inputs stay as they were written down.
  func startOver(_ sequence: Int64, _ progress: JobProgress) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      try Self.checkOpen(transaction, sequence)
      try Self.execute(
        transaction, "UPDATE jobs SET progress = ? WHERE sequence = ?",
        [.text(Self.json(progress.document)), .integer(sequence)])
      try Self.execute(
        transaction,
        "UPDATE job_files SET sha256 = NULL, row_count = NULL, failed_count = NULL WHERE job = ?",
        [.integer(sequence)])
    }
  }

  /// - Parameters:
  ///   - progress: How far it has come; nil: as it was committed.
  ///   - canceler: Who has asked for the end and is not in the audit yet; nil: nobody.
  /// - Returns: False when it had ended before.
  func end(
    _ sequence: Int64, _ status: Job.Status, reason: String?, at time: Int64,
    _ progress: JobProgress? = nil, canceledBy canceler: String? = nil
  ) throws(BatchError) -> Bool {
    try write { (transaction) throws(BatchError) in
      guard let name = try Self.openName(transaction, sequence) else { return false }
      try Self.execute(
        transaction,
        """
        UPDATE jobs SET status = ?, reason = ?, ended_at = ?, progress = coalesce(?, progress)
          WHERE sequence = ?
        """,
        [
          .text(status.rawValue), reason.map { .text($0) } ?? .null, .integer(time),
          progress.map { .text(Self.json($0.document)) } ?? .null, .integer(sequence),
        ])
      if let canceler { try Self.audit(transaction, "cancel", name, by: canceler, at: time) }
      return true
    }
  }

  /// Stores that a job is to end. Of one that has ended, nothing.
  func noteCancel(
    _ sequence: Int64, by actor: String, at time: Int64
  ) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      guard let name = try Self.openName(transaction, sequence) else { return }
      try Self.execute(
        transaction, "UPDATE jobs SET status = ? WHERE sequence = ?",
        [.text(Job.Status.cancelRequested.rawValue), .integer(sequence)])
      try Self.audit(transaction, "cancel", name, by: actor, at: time)
    }
  }

  /// Forgets a job's inputs: it lists them anew, or has ended and its manifest names them.
  ///
  /// - Parameter goesOn: Asked between two steps of many rows; what is left then is left.
  func clearFiles(_ sequence: Int64, while goesOn: () -> Bool = { true }) throws(BatchError) {
    var isDone = false
    repeat {
      try write { (transaction) throws(BatchError) in
        try Self.execute(
          transaction,
          """
          DELETE FROM job_files WHERE job = ? AND place <
            (SELECT min(place) FROM job_files WHERE job = ?) + ?
          """,
          [.integer(sequence), .integer(sequence), .integer(Int64(Self.clearedRows))])
        isDone = try Self.run(
          transaction, "SELECT 1 FROM job_files WHERE job = ? LIMIT 1", [.integer(sequence)]
        ).isEmpty
      }
    } while !isDone && goesOn()
  }

  /// As `chunkRows`; a row that goes takes less.
  private static let clearedRows = 20_000

  func clearWorkFolder(_ sequence: Int64) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      try Self.execute(
        transaction, "UPDATE jobs SET work_folder = NULL WHERE sequence = ?",
        [.integer(sequence)])
    }
  }
}
