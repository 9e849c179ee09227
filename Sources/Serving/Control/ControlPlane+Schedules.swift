internal import Documents
internal import Store

/// How far a batch endpoint's schedule is.
package struct ScheduleRecord: Sendable, Equatable {
  package var endpoint: String
  package var schedule: BatchSchedule
  package var isPaused: Bool
  /// What intervals count from where there is no `start_time`; seconds since 1970.
  package var anchor: Int64
  /// Runs up to then are done, or passed over.
  package var doneUntil: Int64
  package var lastJob: String?
  /// Why the last run made no job, or has made none so far.
  package var lastError: String?

  /// nil when there is none any more.
  package var nextRun: Int64? { schedule.next(after: doneUntil, anchor: anchor) }

  /// The last run that is due then; nil when none is. Those before it are passed over: what was
  /// missed is caught up once.
  package func dueRun(at now: Int64) -> Int64? {
    guard !isPaused, let last = schedule.last(until: now, anchor: anchor), last > doneUntil
    else { return nil }
    return last
  }
}

extension ControlPlane {
  /// In order of their endpoints' names.
  package func schedules() throws(ControlError) -> [ScheduleRecord] {
    let endpoints = batchEndpoints().map(\.specification)
    let rows = try reading { (store) throws(ControlError) in try store.scheduleRows() }
    return endpoints.compactMap { specification in
      guard let schedule = specification.schedule, let row = rows[specification.name.lowercased()]
      else { return nil }
      return ScheduleRecord(
        endpoint: specification.name, schedule: schedule,
        isPaused: row.integer("is_paused") != 0, anchor: row.integer("anchor"),
        doneUntil: row.integer("done_until"), lastJob: row.optionalText("last_job"),
        lastError: row.optionalText("last_error"))
    }
  }

  package func schedule(of endpoint: String) throws(ControlError) -> ScheduleRecord {
    let name = try batchEndpoint(endpoint).specification.name
    guard let record = try schedules().first(where: { $0.endpoint == name }) else {
      throw .notFound("batch endpoint '\(name)' has no schedule (swerve: schedule:)")
    }
    return record
  }

  /// Notes what became of a run, and that the runs up to `time` are done.
  ///
  /// - Parameters:
  ///   - record: The schedule as it was when the run began. One that was changed since then has a
  ///     beginning of its own and is left alone; and none goes back, whoever writes last.
  ///   - job: nil: the last one stays.
  package func noteRun(
    of record: ScheduleRecord, until time: Int64, job: String?, error: String?
  ) throws(ControlError) {
    try change { (_, store) throws(ControlError) in
      try store.execute(
        """
        UPDATE batch_schedules
        SET done_until = max(done_until, ?), last_job = coalesce(?, last_job), last_error = ?
        WHERE endpoint = ? AND anchor = ?
        """,
        .integer(time), job.map { .text($0) } ?? .null, error.map { .text($0) } ?? .null,
        .text(record.endpoint), .integer(record.anchor))
    }
  }

  /// Takes back what a clock has noted that stood ahead: else there would be no run until it is as
  /// late again.
  ///
  /// - Parameter time: Seconds since 1970.
  package func takeBackRuns(of record: ScheduleRecord, to time: Int64) throws(ControlError) {
    try change { (_, store) throws(ControlError) in
      try store.execute(
        """
        UPDATE batch_schedules SET done_until = ?
        WHERE endpoint = ? AND anchor = ? AND done_until = ?
        """,
        .integer(time), .text(record.endpoint), .integer(record.anchor),
        .integer(record.doneUntil))
    }
  }

  /// Runs that come while it is paused are passed over.
  package func setSchedulePaused(
    _ flag: Bool, of endpoint: String, by actor: Actor
  ) throws(ControlError) {
    let record = try schedule(of: endpoint)
    if record.isPaused == flag { return }
    try change { (_, store) throws(ControlError) in
      let time = currentTime()
      try store.execute(
        "UPDATE batch_schedules SET is_paused = ?, done_until = max(done_until, ?) WHERE endpoint = ?",
        .integer(flag ? 1 : 0), .integer(flag ? 0 : time / 1000), .text(record.endpoint))
      try store.audit(
        flag ? "pause" : "resume", "schedule of batch endpoint \(record.endpoint)", by: actor,
        at: time)
    }
  }
}

extension EndpointStore {
  fileprivate func scheduleRows() throws(ControlError) -> [String: SQLRow] {
    var rows: [String: SQLRow] = [:]
    for row in try query(
      """
      SELECT endpoint, anchor, is_paused, done_until, last_job, last_error FROM batch_schedules
      """)
    {
      rows[row.text("endpoint").lowercased()] = row
    }
    return rows
  }

  /// Follows what the endpoint's document says: a new or changed schedule begins now. Runs are known
  /// by their anchor, so two schedules of the same second have two.
  func saveSchedule(
    _ schedule: BatchSchedule?, before: BatchSchedule?, of endpoint: String, at time: Int64
  ) throws(ControlError) {
    if schedule == before { return }
    guard schedule != nil else {
      return try execute("DELETE FROM batch_schedules WHERE endpoint = ?", .text(endpoint))
    }
    try execute(
      """
      INSERT INTO batch_schedules (endpoint, anchor, is_paused, done_until) VALUES (?, ?, 0, ?)
      ON CONFLICT (endpoint) DO UPDATE
      SET anchor = max(excluded.anchor, anchor + 1),
        done_until = max(excluded.done_until, anchor + 1), last_error = NULL
      """,
      .text(endpoint), .integer(time / 1000), .integer(time / 1000))
  }
}

extension SQLRow {
  fileprivate func optionalText(_ column: String) -> String? {
    if case .text(let text) = self[column] { return text }
    return nil
  }
}
