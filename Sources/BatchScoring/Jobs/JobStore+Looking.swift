internal import Documents
internal import Serving
internal import Store

/// What is stored of jobs.
extension JobStore {
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
  ///
  /// - Parameter last: The job behind which they begin; nil: with the newest.
  /// - Returns: With them, the last one where more follow, and what is wrong with those that cannot be
  ///   read.
  func jobs(
    endpoint: String?, deployment: String?, after last: String?, limit: Int
  ) throws(BatchError) -> (jobs: [StoredJob], last: String?, problems: [String]) {
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
    if let last {
      conditions.append("sequence < (SELECT sequence FROM jobs WHERE name = ?)")
      parameters.append(.text(last))
    }
    let filter = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
    // One more tells whether there are more.
    parameters.append(.integer(Int64(clamping: limit) &+ 1))
    let sql = "SELECT * FROM jobs \(filter) ORDER BY sequence DESC LIMIT ?"
    let rows = try read { (transaction) throws(BatchError) in
      if let last,
        try Self.run(transaction, "SELECT 1 FROM jobs WHERE name = ?", [.text(last)]).isEmpty
      {
        throw BatchError.unknownJob(last)
      }
      return try Self.run(transaction, sql, parameters)
    }
    let page = Array(rows.prefix(limit))
    let (jobs, problems) = Self.decoded(page)
    return (jobs, rows.count > limit ? page.last?.text("name") : nil, problems)
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
    return Self.decoded(rows)
  }

  /// The names of unfinished jobs that a model version is needed for, oldest first.
  static func unfinished(
    of model: String, version: String, _ transaction: any SQLTransaction
  ) throws(StoreError) -> [String] {
    try transaction.query(
      """
      SELECT name FROM jobs WHERE ended_at IS NULL AND json_valid(body)
        AND body ->> '$.model' = ? AND body ->> '$.model_version' = ? ORDER BY sequence
      """, [.text(model), .text(version)]
    ).map { $0.text("name") }
  }

  /// The work folders of unfinished jobs, also of those that cannot be read.
  func workFolders() throws(BatchError) -> Set<String> {
    let rows = try read { (transaction) throws(BatchError) in
      try Self.run(
        transaction,
        "SELECT work_folder FROM jobs WHERE ended_at IS NULL AND work_folder IS NOT NULL", [])
    }
    return Set(rows.map { $0.text("work_folder") })
  }

  /// An ended job with files of its own that may still lie there.
  struct Untidy {
    var sequence: Int64
    var name: String
    var isCompleted: Bool
    var isFailed: Bool
    /// Of the list of rows that failed, as far as they count.
    var errorByteCount: Int
    var workFolder: String
  }

  func untidy() throws(BatchError) -> [Untidy] {
    let rows = try read { (transaction) throws(BatchError) in
      try Self.run(
        transaction,
        """
        SELECT sequence, name, status, progress, work_folder FROM jobs
          WHERE ended_at IS NOT NULL AND work_folder IS NOT NULL
        """, [])
    }
    return rows.map {
      Untidy(
        sequence: $0.integer("sequence"), name: $0.text("name"),
        isCompleted: $0.text("status") == Job.Status.completed.rawValue,
        isFailed: $0.text("status") == Job.Status.failed.rawValue,
        errorByteCount: JobProgress(stored: $0.text("progress"), of: $0.text("name")).errors
          .byteCount,
        workFolder: $0.text("work_folder"))
    }
  }

  /// Ended jobs whose inputs are still listed.
  func endedWithFiles() throws(BatchError) -> [Int64] {
    let rows = try read { (transaction) throws(BatchError) in
      try Self.run(
        transaction,
        """
        SELECT sequence FROM jobs WHERE ended_at IS NOT NULL
          AND EXISTS (SELECT 1 FROM job_files WHERE job = sequence)
        """, [])
    }
    return rows.map { $0.integer("sequence") }
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
  static let chunkRows = 2000
}
