import BatchScoring
import Documents
import Serving
import Testing

@testable import Gateway

/// What becomes of scheduled runs that cannot begin, and of who notes them late.
@Suite struct ScheduleRefusalTests {
  @Test func `a run that is refused for now says why and is tried until it begins`() throws {
    let (bench, _, start) = try SchedulerTests.bench()
    let scheduler = Scheduler(control: bench.control, desk: bench.desk, log: bench.log)
    let path = "\(AdminBench.workspace)/swerve/schedules/diabetes-batch"
    bench.jobs.fail(.noSpace("the disk is full"))
    #expect(scheduler.run(at: start + 3600) == nil)
    #expect(scheduler.run(at: start + 3610) == nil)
    let record = try bench.control.schedule(of: "diabetes-batch")
    #expect(record.doneUntil == start && record.lastError?.contains("the disk is full") == true)
    guard case .string(let shown)? = try bench.send("GET", path).body.value(at: "lastError") else {
      Issue.record("lastError is missing")
      return
    }
    #expect(shown.contains("the disk is full"))
    // The log says it once, not at every look.
    let refusals = try bench.logText().split(separator: "\n")
      .filter { $0.contains("scheduled job refused") }
    #expect(refusals.count == 1)
    #expect(refusals.first?.contains("\"status\":507") == true, "\(refusals)")
    bench.jobs.fail(nil)
    #expect(scheduler.run(at: start + 3620) == start + 7200)
    let begun = try bench.control.schedule(of: "diabetes-batch")
    #expect(begun.lastJob == "job-1" && begun.lastError == nil)
    #expect(try bench.send("GET", path).body.value(at: "lastError") == nil)
  }

  @Test func `a run that stays refused gives way to the next`() throws {
    let (bench, scheduler, start) = try SchedulerTests.bench()
    bench.jobs.fail(.noSpace("the disk is full"))
    #expect(scheduler.run(at: start + 3600) == nil)
    bench.jobs.fail(nil)
    #expect(scheduler.run(at: start + 7201) == start + 10_800)
    let record = try bench.control.schedule(of: "diabetes-batch")
    #expect(record.lastJob == "job-1" && record.doneUntil == start + 7200)
  }

  @Test func `who notes a run late moves nothing back, and no other schedule at all`() throws {
    let (bench, _, start) = try SchedulerTests.bench()
    let record = try bench.control.schedule(of: "diabetes-batch")
    try bench.control.noteRun(of: record, until: start + 7200, job: "job-2", error: nil)
    try bench.control.noteRun(of: record, until: start + 3600, job: nil, error: nil)
    #expect(try bench.control.schedule(of: "diabetes-batch").doneUntil == start + 7200)
    // The document changes, within the same second.
    let endpoint = "\(AdminBench.workspace)/batchEndpoints/diabetes-batch"
    let schedule =
      #"{"trigger": {"type": "cron", "expression": "0 4 * * *"}, "input": "azureml:rows:1"}"#
    let put = try bench.send(
      "PUT", endpoint,
      ["properties": ["properties": ["swerve.schedule": .string(schedule)]]])
    #expect(put.status == 200, "\(put.body)")
    let changed = try bench.control.schedule(of: "diabetes-batch")
    #expect(changed.anchor > record.anchor && changed.doneUntil <= changed.anchor)
    try bench.control.noteRun(of: record, until: start + 90_000, job: "job-3", error: "late")
    #expect(try bench.control.schedule(of: "diabetes-batch") == changed)
  }
}
