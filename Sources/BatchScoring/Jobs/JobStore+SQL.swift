internal import Documents
internal import Serving
internal import Store

extension JobStore {
  /// A job that the database has as ended is not changed any more.
  ///
  /// - Throws: `.interrupted(.ended)`.
  static func checkOpen(
    _ transaction: any SQLTransaction, _ sequence: Int64
  ) throws(BatchError) {
    guard try openName(transaction, sequence) != nil else { throw .interrupted(.ended) }
  }

  /// The name of a job that has not ended; nil for any other.
  static func openName(
    _ transaction: any SQLTransaction, _ sequence: Int64
  ) throws(BatchError) -> String? {
    try run(
      transaction, "SELECT name FROM jobs WHERE sequence = ? AND ended_at IS NULL",
      [.integer(sequence)]
    ).first?.text("name")
  }

  /// The jobs of rows, one by one: one that cannot be read takes no other with it.
  ///
  /// - Returns: With them, what is wrong with the others.
  static func decoded(_ rows: [SQLRow]) -> (jobs: [StoredJob], problems: [String]) {
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

  static func query(
    _ transaction: any SQLTransaction, _ condition: String, _ parameters: [SQLValue]
  ) throws(BatchError) -> [StoredJob] {
    var jobs: [StoredJob] = []
    for row in try run(transaction, "SELECT * FROM jobs \(condition)", parameters) {
      jobs.append(try StoredJob(row))
    }
    return jobs
  }

  static func run(
    _ transaction: any SQLTransaction, _ sql: String, _ parameters: [SQLValue]
  ) throws(BatchError) -> [SQLRow] {
    do { return try transaction.query(sql, parameters) } catch { throw BatchError(error) }
  }

  static func execute(
    _ transaction: any SQLTransaction, _ sql: String, _ parameters: [SQLValue]
  ) throws(BatchError) {
    do { try transaction.execute(sql, parameters) } catch { throw BatchError(error) }
  }

  static func audit(
    _ transaction: any SQLTransaction, _ action: String, _ name: String, by actor: String,
    at time: Int64
  ) throws(BatchError) {
    try execute(
      transaction,
      "INSERT INTO audit (at, actor, action, resource, body) VALUES (?, ?, ?, ?, ?)",
      [.integer(time), .text(actor), .text(action), .text("job \(name)"), .text("null")])
  }

  func write<Result>(
    _ body: (any SQLTransaction) throws(BatchError) -> Result
  ) throws(BatchError) -> Result {
    do { return try database.write(body) } catch { throw error.batchError }
  }

  func read<Result>(
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

  static func json(_ value: DocumentValue) -> String {
    var writer = JSONWriter()
    writer.document(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}

extension StoredJob {
  init(_ row: SQLRow) throws(BatchError) {
    sequence = row.integer("sequence")
    let name = row.text("name")
    progress = JobProgress(stored: row.text("progress"), of: name)
    do throws(DocumentError) {
      let order = Document(
        try JSONReader.read(row.text("body"), source: "job '\(name)'"), source: "job '\(name)'")
      guard let status = Job.Status(rawValue: row.text("status")) else {
        throw order.mismatch("a known status, not '\(row.text("status"))'")
      }
      job = Job(
        order: try JobOrder(order), status: status, reason: row.optionalText("reason"),
        progress: progress.shown, createdAt: row.integer("created_at"),
        startedAt: row.optionalInteger("started_at"), endedAt: row.optionalInteger("ended_at"))
    } catch {
      throw .unreadable("the workspace's database: \(error)")
    }
    workFolder = row.optionalText("work_folder")
  }
}

extension JobFile {
  init(_ row: SQLRow) {
    path = row.text("path")
    stamp = FileStamp(
      byteCount: Int(row.integer("byte_count")), modifiedAt: row.integer("modified_at"),
      inode: row.integer("inode"))
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
