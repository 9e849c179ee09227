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
      if let due = record.dueRun(at: now) {
        guard begin(record, due: due) else { continue }
        record.doneUntil = due
      }
      if let time = record.nextRun { next = min(next ?? time, time) }
    }
    return next
  }

  /// - Returns: False when nothing can be begun now; it is tried again.
  private func begin(_ record: ScheduleRecord, due: Int64) -> Bool {
    var job: String?
    var fault: String?
    do throws(ARMError) {
      var invocation = JobInvocation(input: record.schedule.input)
      invocation.experimentName = "schedule"
      job = try desk.submit(
        Document(invocation.body, source: "the schedule of batch endpoint \(record.endpoint)"),
        to: record.endpoint,
        by: JobDesk.Caller(
          actor: "schedule", isLocal: false, deployment: record.schedule.deployment,
          requestIdentifier: "schedule-\(record.anchor)-\(due)")
      ).order.name
    } catch {
      // The workspace is being handed over, or the disk is full.
      if error.status >= 500 || error.status == 409 { return false }
      fault = error.message
    }
    log.write(
      fault == nil ? .info : .error, fault == nil ? "scheduled job begun" : "scheduled job refused",
      [
        "endpoint": .string(record.endpoint), "due": .integer(due),
        "job": .string(job ?? ""), "reason": .string(fault ?? ""),
      ])
    do throws(ControlError) {
      try control.noteRun(of: record.endpoint, until: due, job: job, error: fault)
      return true
    } catch {
      return false
    }
  }
}
