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

  /// - Returns: The job, and whether it was made now.
  /// - Throws: `.nameTaken`, and `.outputExists` where an unfinished job has the same output.
  func add(
    _ order: JobOrder, requestIdentifier: String?, at time: Int64
  ) throws(BatchError) -> (job: StoredJob, isNew: Bool) {
    try write { (transaction) throws(BatchError) in
      if let requestIdentifier,
        let known = try Self.query(
          transaction, "WHERE endpoint = ? AND request_id = ?",
          [.text(order.endpoint), .text(requestIdentifier)]
        ).first
      {
        return (known, false)
      }
      let output = Self.key(order.output)
      let rivals = try Self.run(
        transaction, "SELECT name FROM jobs WHERE output = ? AND ended_at IS NULL",
        [.text(output)])
      if let rival = rivals.first {
        throw .outputExists("\(order.output.address) of job '\(rival.text("name"))'")
      }
      guard
        try Self.run(transaction, "SELECT 1 FROM jobs WHERE name = ?", [.text(order.name)]).isEmpty
      else { throw .nameTaken(order.name) }
      try Self.execute(
        transaction,
        """
        INSERT INTO jobs (name, endpoint, deployment, request_id, output, status, created_at, body,
          progress) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
          .text(order.name), .text(order.endpoint), .text(order.deployment),
          requestIdentifier.map { .text($0) } ?? .null, .text(output),
          .text(Job.Status.queued.rawValue), .integer(time), .text(Self.json(order.document)),
          .text(Self.json(JobProgress().document)),
        ])
      try Self.audit(transaction, "create", order.name, by: order.actor, at: time)
      guard let made = try Self.query(transaction, "WHERE name = ?", [.text(order.name)]).first
      else { throw .store("job '\(order.name)' was not stored") }
      return (made, true)
    }
  }

  private static func key(_ output: JobOrder.Output) -> String {
    let names = pathParts(output.root + "/" + output.folder).filter { !$0.isEmpty && $0 != "." }
    return "/" + names.joined(separator: "/")
  }

  // MARK: Looking

  func job(_ name: String) throws(BatchError) -> StoredJob? {
    try read { (transaction) throws(BatchError) in
      try Self.query(transaction, "WHERE name = ?", [.text(name)]).first
    }
  }

  /// - Parameter requestIdentifier: As it came with the job's order.
  func job(endpoint: String, requestIdentifier: String) throws(BatchError) -> StoredJob? {
    try read { (transaction) throws(BatchError) in
      try Self.query(
        transaction, "WHERE endpoint = ? AND request_id = ?",
        [.text(endpoint), .text(requestIdentifier)]
      ).first
    }
  }

  /// Newest first.
  func jobs(
    endpoint: String?, deployment: String?, limit: Int
  ) throws(BatchError) -> [StoredJob] {
    var conditions: [String] = []
    var parameters: [SQLValue] = []
    if let endpoint {
      conditions.append("endpoint = ?")
      parameters.append(.text(endpoint))
    }
    if let deployment {
      conditions.append("deployment = ?")
      parameters.append(.text(deployment))
    }
    let filter = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
    parameters.append(.integer(Int64(clamping: limit)))
    return try read { (transaction) throws(BatchError) in
      try Self.query(transaction, filter + " ORDER BY sequence DESC LIMIT ?", parameters)
    }
  }

  /// Oldest first.
  ///
  /// - Returns: With them, what is wrong with those that cannot be read: a later version may have
  ///   written them.
  func unfinished() throws(BatchError) -> (jobs: [StoredJob], problems: [String]) {
    let rows = try read { (transaction) throws(BatchError) in
      try Self.run(
        transaction, "SELECT * FROM jobs WHERE ended_at IS NULL ORDER BY sequence", [])
    }
    var jobs: [StoredJob] = []
    var problems: [String] = []
    for row in rows {
      do throws(BatchError) {
        jobs.append(try StoredJob(row))
      } catch {
        problems.append("\(error)")
      }
    }
    return (jobs, problems)
  }

  /// Ended, with files of theirs that may still lie there.
  func untidy() throws(BatchError) -> [StoredJob] {
    try read { (transaction) throws(BatchError) in
      try Self.query(
        transaction, "WHERE ended_at IS NOT NULL AND work_folder IS NOT NULL", [])
    }
  }

  func statusCounts() throws(BatchError) -> [String: Int64] {
    let rows = try read { (transaction) throws(BatchError) in
      try Self.run(transaction, "SELECT status, count(*) AS number FROM jobs GROUP BY status", [])
    }
    return Dictionary(
      rows.map { ($0.text("status"), $0.integer("number")) }, uniquingKeysWith: { $0 + $1 })
  }

  func files(_ sequence: Int64) throws(BatchError) -> [JobFile] {
    var files: [JobFile] = []
    // A row of a result takes ten times what it becomes.
    while true {
      let rows = try read { (transaction) throws(BatchError) in
        try Self.run(
          transaction,
          "SELECT * FROM job_files WHERE job = ? AND place >= ? ORDER BY place LIMIT ?",
          [.integer(sequence), .integer(Int64(files.count)), .integer(Int64(Self.chunkRows))])
      }
      files += rows.map(JobFile.init)
      if rows.count < Self.chunkRows { return files }
    }
  }

  /// Rows that are read or written at once: others have to get at the database in between.
  private static let chunkRows = 2000

  // MARK: Changing

  /// A cancel that was acknowledged stays.
  private static let statusUnlessCanceled =
    "CASE status WHEN '\(Job.Status.cancelRequested.rawValue)' THEN status ELSE ? END"

  /// - Parameter startedAt: Kept when it is there already.
  func set(
    _ sequence: Int64, _ status: Job.Status, reason: String? = nil, startedAt: Int64? = nil,
    workFolder: String? = nil
  ) throws(BatchError) {
    try execute(
      """
      UPDATE jobs SET status = \(Self.statusUnlessCanceled), reason = ?,
        started_at = coalesce(started_at, ?), work_folder = coalesce(?, work_folder)
        WHERE sequence = ? AND ended_at IS NULL
      """,
      [
        .text(status.rawValue), reason.map { .text($0) } ?? .null,
        startedAt.map { .integer($0) } ?? .null, workFolder.map { .text($0) } ?? .null,
        .integer(sequence),
      ])
  }

  /// Writes down what the job will read; with the last of it, the job runs.
  func list(
    _ sequence: Int64, _ files: [JobFile], _ progress: JobProgress
  ) throws(BatchError) {
    try execute("DELETE FROM job_files WHERE job = ?", [.integer(sequence)])
    for start in stride(from: 0, to: max(files.count, 1), by: Self.chunkRows) {
      let end = min(start + Self.chunkRows, files.count)
      try write { (transaction) throws(BatchError) in
        for place in start..<end {
          let file = files[place]
          try Self.execute(
            transaction,
            """
            INSERT INTO job_files (job, place, path, byte_count, modified_at, device, inode)
              VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            [
              .integer(sequence), .integer(Int64(place)), .text(file.path),
              .integer(Int64(file.stamp.byteCount)), .integer(file.stamp.modifiedAt),
              .integer(file.stamp.device), .integer(file.stamp.inode),
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
      try Self.execute(
        transaction, "UPDATE jobs SET progress = ? WHERE sequence = ?",
        [.text(Self.json(progress.document)), .integer(sequence)])
      try Self.execute(
        transaction,
        "UPDATE job_files SET sha256 = NULL, row_count = NULL, failed_count = NULL WHERE job = ?",
        [.integer(sequence)])
    }
  }

  /// - Returns: False when it had ended before.
  @discardableResult
  func end(
    _ sequence: Int64, _ status: Job.Status, reason: String?, at time: Int64
  ) throws(BatchError) -> Bool {
    try write { (transaction) throws(BatchError) in
      let open = try Self.run(
        transaction, "SELECT 1 FROM jobs WHERE sequence = ? AND ended_at IS NULL",
        [.integer(sequence)])
      guard !open.isEmpty else { return false }
      try Self.execute(
        transaction, "UPDATE jobs SET status = ?, reason = ?, ended_at = ? WHERE sequence = ?",
        [
          .text(status.rawValue), reason.map { .text($0) } ?? .null, .integer(time),
          .integer(sequence),
        ])
      return true
    }
  }

  func noteCancel(
    _ sequence: Int64, _ name: String, by actor: String, at time: Int64
  ) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      try Self.execute(
        transaction, "UPDATE jobs SET status = ? WHERE sequence = ? AND ended_at IS NULL",
        [.text(Job.Status.cancelRequested.rawValue), .integer(sequence)])
      try Self.audit(transaction, "cancel", name, by: actor, at: time)
    }
  }

  func clearWorkFolder(_ sequence: Int64) throws(BatchError) {
    try execute(
      "UPDATE jobs SET work_folder = NULL WHERE sequence = ?", [.integer(sequence)])
  }
}

// MARK: SQL

extension JobStore {
  private static func query(
    _ transaction: any SQLTransaction, _ condition: String, _ parameters: [SQLValue]
  ) throws(BatchError) -> [StoredJob] {
    var jobs: [StoredJob] = []
    for row in try run(transaction, "SELECT * FROM jobs \(condition)", parameters) {
      jobs.append(try StoredJob(row))
    }
    return jobs
  }

  private static func run(
    _ transaction: any SQLTransaction, _ sql: String, _ parameters: [SQLValue]
  ) throws(BatchError) -> [SQLRow] {
    do { return try transaction.query(sql, parameters) } catch { throw BatchError(error) }
  }

  private static func execute(
    _ transaction: any SQLTransaction, _ sql: String, _ parameters: [SQLValue]
  ) throws(BatchError) {
    do { try transaction.execute(sql, parameters) } catch { throw BatchError(error) }
  }

  private static func audit(
    _ transaction: any SQLTransaction, _ action: String, _ name: String, by actor: String,
    at time: Int64
  ) throws(BatchError) {
    try execute(
      transaction,
      "INSERT INTO audit (at, actor, action, resource, body) VALUES (?, ?, ?, ?, ?)",
      [.integer(time), .text(actor), .text(action), .text("job \(name)"), .text("null")])
  }

  private func execute(_ sql: String, _ parameters: [SQLValue]) throws(BatchError) {
    try write { (transaction) throws(BatchError) in
      try Self.execute(transaction, sql, parameters)
    }
  }

  private func write<Result>(
    _ body: (any SQLTransaction) throws(BatchError) -> Result
  ) throws(BatchError) -> Result {
    do { return try database.write(body) } catch { throw error.batchError }
  }

  private func read<Result>(
    _ body: (any SQLTransaction) throws(BatchError) -> Result
  ) throws(BatchError) -> Result {
    var outcome: Swift.Result<Result, BatchError>?
    do {
      try database.read { transaction in
        do throws(BatchError) {
          outcome = .success(try body(transaction))
        } catch {
          outcome = .failure(error)
        }
      }
    } catch {
      throw BatchError(error)
    }
    switch outcome {
    case .success(let result): return result
    case .failure(let error): throw error
    case nil: throw .store("the workspace's database did not read")
    }
  }

  fileprivate static func json(_ value: DocumentValue) -> String {
    var writer = JSONWriter()
    writer.document(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}

extension StoredJob {
  fileprivate init(_ row: SQLRow) throws(BatchError) {
    sequence = row.integer("sequence")
    let name = row.text("name")
    do throws(DocumentError) {
      let order = Document(
        try JSONReader.read(row.text("body"), source: "job '\(name)'"), source: "job '\(name)'")
      let done = Document(
        try JSONReader.read(row.text("progress"), source: "job '\(name)'"),
        source: "job '\(name)'")
      progress = try JobProgress(done)
      guard let status = Job.Status(rawValue: row.text("status")) else {
        throw order.mismatch("a known status, not '\(row.text("status"))'")
      }
      job = Job(
        order: try JobOrder(order), status: status, reason: row.optionalText("reason"),
        progress: progress.shown, createdAt: row.integer("created_at"),
        startedAt: row.optionalInteger("started_at"), endedAt: row.optionalInteger("ended_at"))
    } catch {
      throw .store("the workspace's database: \(error)")
    }
    workFolder = row.optionalText("work_folder")
  }
}

extension JobFile {
  fileprivate init(_ row: SQLRow) {
    path = row.text("path")
    stamp = FileStamp(
      byteCount: Int(row.integer("byte_count")), modifiedAt: row.integer("modified_at"),
      device: row.integer("device"), inode: row.integer("inode"))
    if let sha256 = row.optionalText("sha256") {
      var output: JobProgress.FileState?
      if let hash = row.optionalText("output_sha256") {
        output = JobProgress.FileState(byteCount: Int(row.integer("output_bytes")), hash: hash)
      }
      result = Result(
        sha256: sha256, rowCount: Int(row.integer("row_count")),
        failedCount: Int(row.integer("failed_count")), output: output)
    }
  }
}

extension SQLRow {
  fileprivate func optionalText(_ column: String) -> String? {
    if case .text(let text) = self[column] { text } else { nil }
  }

  fileprivate func optionalInteger(_ column: String) -> Int64? {
    if case .integer(let value) = self[column] { value } else { nil }
  }
}
