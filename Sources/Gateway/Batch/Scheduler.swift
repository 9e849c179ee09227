internal import BatchScoring
internal import Documents
internal import Serving
internal import Synchronization
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Begins the jobs of batch endpoints that have a schedule.
///
/// A run is known by its time: submitted twice, as after a crash between the job and its note, it is
/// one job.
final class Scheduler: Sendable {
  private let control: ControlPlane
  private let desk: JobDesk
  private let log: Log
  private let isStopped = Monitor(true)
  private let threads = Threads()

  /// Seconds between two looks at most: schedules change, and so does the clock.
  private static let lookInterval: Int64 = 10

  init(control: ControlPlane, desk: JobDesk, log: Log) {
    self.control = control
    self.desk = desk
    self.log = log
  }

  func start() {
    isStopped.withLock { $0 = false }
    threads.start(name: "swerve-schedule") { [self] in
      var wait: Int64 = 0
      while !isStopped(within: wait) {
        let now = Int64(time(nil))
        let next = run(at: now) ?? .max
        wait = max(1, min(Self.lookInterval, next - now))
      }
    }
  }

  func stop() {
    isStopped.withLock { $0 = true }
    isStopped.broadcast()
    threads.join()
  }

  private func isStopped(within seconds: Int64) -> Bool {
    let deadline = MonotonicClock.system.now() &+ UInt64(seconds) * 1_000_000_000
    _ = isStopped.wait(until: deadline) { $0 ? true : nil }
    return isStopped.withLock { $0 }
  }

  /// Begins what is due.
  ///
  /// - Parameter now: Seconds since 1970.
  /// - Returns: When there is something to do next.
  func run(at now: Int64) -> Int64? {
    let records: [ScheduleRecord]
    do throws(ControlError) {
      records = try control.schedules()
    } catch {
      log.write(.error, "schedules cannot be read", ["reason": .string(error.description)])
      return nil
    }
    var next: Int64?
    for record in records where !record.isPaused {
      var record = record
      if record.doneUntil > now + Self.maxClockStep, !takeBack(&record, to: now) { continue }
      if let due = record.dueRun(at: now) {
        guard begin(record, due: due) else { continue }
        record.doneUntil = due
      }
      if let time = record.nextRun { next = min(next ?? time, time) }
    }
    return next
  }

  /// Seconds that a clock goes back and is only set right: runs that it repeats are not made again.
  private static let maxClockStep: Int64 = 300

  /// What is done lies ahead: the clock stood there once. From now on there are runs again; those that
  /// were made ahead stay.
  private func takeBack(_ record: inout ScheduleRecord, to now: Int64) -> Bool {
    do throws(ControlError) {
      try control.takeBackRuns(of: record, to: now)
    } catch {
      log.write(
        .error, "a schedule ahead of the clock cannot be taken back",
        [
          "endpoint": .string(record.endpoint), "reason": .string(error.description),
        ])
      return false
    }
    log.write(
      .warning, "the clock stood ahead: a schedule counts from now on again",
      [
        "endpoint": .string(record.endpoint), "was_done_until": .integer(record.doneUntil),
        "now": .integer(now),
      ])
    record.doneUntil = now
    return true
  }

  /// - Returns: False when nothing can be begun now; it is tried again.
  private func begin(_ record: ScheduleRecord, due: Int64) -> Bool {
    let job: String
    do throws(ARMError) {
      var invocation = JobInvocation(input: record.schedule.input)
      invocation.experimentName = "schedule"
      job = try desk.submit(
        Document(invocation.body, source: "the schedule of batch endpoint \(record.endpoint)"),
        to: record.endpoint,
        by: JobDesk.Caller(
          actor: "schedule", isLocal: false, deployment: record.schedule.deployment,
          // No header of a client can hold a line end.
          requestIdentifier: "schedule\n\(record.anchor)-\(due)")
      ).order.name
    } catch {
      return refused(record, due: due, error)
    }
    guard note(record, until: due, job: job) else { return false }
    log.write(
      .info, "scheduled job begun",
      ["endpoint": .string(record.endpoint), "due": .integer(due), "job": .string(job)])
    return true
  }

  /// - Returns: Whether the run is over with that.
  private func refused(_ record: ScheduleRecord, due: Int64, _ refusal: ARMError) -> Bool {
    let passes = Self.passes(refusal)
    // What stays the same at every look is said once.
    if passes, refusal.message == record.lastError { return false }
    log.write(
      passes ? .warning : .error, "scheduled job refused",
      [
        "endpoint": .string(record.endpoint), "due": .integer(due),
        "status": .integer(Int64(refusal.status)), "reason": .string(refusal.message),
        "tried_again": .bool(passes),
      ])
    let isNoted = note(record, until: passes ? record.doneUntil : due, error: refusal.message)
    return isNoted && !passes
  }

  /// Whether the same run may begin later: the disk may have room again, the gateway's other process
  /// may be gone, a deployment get its model. What else is refused, such as an input that is missing,
  /// has to be changed by somebody; the next run finds out.
  private static func passes(_ refusal: ARMError) -> Bool {
    refusal.status >= 500 || [408, 409, 425, 429].contains(refusal.status)
  }

  private func note(
    _ record: ScheduleRecord, until time: Int64, job: String? = nil, error: String? = nil
  ) -> Bool {
    do throws(ControlError) {
      try control.noteRun(of: record, until: time, job: job, error: error)
      return true
    } catch {
      log.write(
        .error, "a scheduled run cannot be noted",
        [
          "endpoint": .string(record.endpoint), "job": .string(job ?? ""),
          "reason": .string(error.description),
        ])
      return false
    }
  }
}
