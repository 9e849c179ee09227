import BatchScoring
import Documents
import Foundation
import Serving
import Telemetry
import Testing

@testable import Gateway

/// Scheduled jobs at times set by hand; they are taken and none is run.
@Suite struct SchedulerTests {
  static func bench() throws -> (AdminBench, Scheduler, start: Int64) {
    let bench = try AdminBench()
    let documents = try AdminBench.samples().filter {
      $0.path.contains("diabetes") && !$0.path.hasSuffix("diabetes-batch.yml")
    }
    var endpoint = ApplyDocument(
      path: "/e.yml",
      text: """
        $schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
        name: diabetes-batch
        swerve:
          schedule:
            trigger: {type: recurrence, frequency: hour, interval: 1}
            input: azureml://datastores/workspaceblobstore/paths/in
        """)
    endpoint.files = .asNamed
    _ = try bench.control.apply(
      documents + [endpoint], prune: false, dryRun: false, unit: .everything,
      by: Actor(name: "test"))
    let folder = bench.desk.datastore + "/in"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let scheduler = Scheduler(
      control: bench.control, desk: bench.desk, log: Log(descriptor: 2, level: .error))
    return (bench, scheduler, try bench.control.schedule(of: "diabetes-batch").anchor)
  }

  private static func jobs(_ bench: AdminBench) throws -> Int {
    try bench.jobs.jobs(endpoint: nil, deployment: nil, limit: 1000).count
  }

  @Test func `each run is one job, and what was missed is caught up once`() throws {
    let (bench, scheduler, start) = try Self.bench()
    #expect(scheduler.run(at: start + 10) == start + 3600)
    #expect(try Self.jobs(bench) == 0)
    #expect(scheduler.run(at: start + 3601) == start + 7200)
    #expect(scheduler.run(at: start + 3700) == start + 7200)
    #expect(try Self.jobs(bench) == 1)
    // Away for ten hours: one job.
    #expect(scheduler.run(at: start + 13 * 3600 + 5) == start + 14 * 3600)
    #expect(try Self.jobs(bench) == 2)
    let record = try bench.control.schedule(of: "diabetes-batch")
    #expect(record.lastJob == "job-2" && record.lastError == nil)
    let order = try #require(try bench.jobs.job("job-2")).order
    #expect(order.actor == "schedule" && order.output.folder == "azureml/job-2/score")
  }

  @Test func `a paused schedule passes over what comes, a changed one begins anew`() throws {
    let (bench, scheduler, start) = try Self.bench()
    let path = "\(AdminBench.workspace)/swerve/schedules/diabetes-batch"
    let paused = try bench.send("POST", path + "/pause")
    #expect(paused.body.value(at: "paused") == true)
    #expect(scheduler.run(at: start + 9000) == nil)
    let resumed = try bench.send("POST", path + "/resume")
    #expect(resumed.body.value(at: "paused") == false)
    #expect(resumed.body.value(at: "nextRun") != nil)
    #expect(scheduler.run(at: start + 100) == start + 3600)
    #expect(try Self.jobs(bench) == 0)
    // By a client's GET and PUT the schedule stays; without it, it goes.
    let endpoint = "\(AdminBench.workspace)/batchEndpoints/diabetes-batch"
    let body = try bench.send("GET", endpoint).body
    #expect(try bench.send("PUT", endpoint, body).status == 200)
    #expect(try bench.send("GET", path).status == 200)
    #expect(
      try bench.send("PUT", endpoint, ["properties": ["properties": [:]]]).status == 200)
    #expect(try bench.send("GET", path).status == 404)
    #expect(try bench.send("GET", "\(AdminBench.workspace)/swerve/schedules").status == 200)
  }

  @Test func `a clock that stood ahead silences no schedule`() throws {
    let (bench, scheduler, start) = try Self.bench()
    let years: Int64 = 4 * 365 * 86_400
    #expect(scheduler.run(at: start + years + 10) == start + years + 3600)
    #expect(try Self.jobs(bench) == 1)
    // It is set right: what was due meanwhile is nobody's fault, and the next run comes.
    #expect(scheduler.run(at: start + 3700) == start + 7200)
    #expect(try Self.jobs(bench) == 1)
    #expect(scheduler.run(at: start + 7201) == start + 10_800)
    #expect(try Self.jobs(bench) == 2)
    // A clock that goes back by seconds repeats no run.
    #expect(scheduler.run(at: start + 7199) == start + 10_800)
    #expect(try Self.jobs(bench) == 2)
  }

  @Test func `a schedule that is changed again within its second does not run at once`() throws {
    let (bench, scheduler, _) = try Self.bench()
    for number in 0..<4 {
      var endpoint = ApplyDocument(
        path: "/e.yml",
        text: """
          $schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
          name: diabetes-batch
          swerve:
            schedule:
              trigger: {type: recurrence, frequency: hour, interval: \(number + 2)}
              input: azureml://datastores/workspaceblobstore/paths/in
          """)
      endpoint.files = .asNamed
      _ = try bench.control.apply(
        [endpoint], prune: false, dryRun: false, unit: .everything, by: Actor(name: "test"))
    }
    let anchor = try bench.control.schedule(of: "diabetes-batch").anchor
    #expect(scheduler.run(at: anchor + 1) == anchor + 5 * 3600)
    #expect(try Self.jobs(bench) == 0)
  }

  @Test func `a run that makes no job says why and does not come again`() throws {
    let (bench, scheduler, start) = try Self.bench()
    try FileManager.default.removeItem(atPath: bench.desk.datastore + "/in")
    #expect(scheduler.run(at: start + 3600) == start + 7200)
    #expect(try Self.jobs(bench) == 0)
    let record = try bench.control.schedule(of: "diabetes-batch")
    #expect(record.lastError?.contains("cannot be read") == true)
  }

  @Test func `no request of a client takes the place of a run`() throws {
    let (bench, scheduler, start) = try Self.bench()
    let path = "\(AdminBench.workspace)/batchEndpoints/diabetes-batch/jobs"
    let body: DocumentValue = [
      "properties": [
        "inputData": ["in": ["uri": "azureml://datastores/workspaceblobstore/paths/in"]]
      ]
    ]
    // What a client can send of the run's own identifier: a header has no line end.
    for identifier in ["schedule-\(start)-\(start + 3600)", "schedule \(start)-\(start + 3600)"] {
      let made = try bench.send(
        "POST", path, body,
        headers: [
          ("repeatability_request-id", identifier), ("azureml-model-deployment", "lightgbm"),
        ])
      #expect(made.status == 201, "\(made.body)")
    }
    _ = scheduler.run(at: start + 3601)
    #expect(try Self.jobs(bench) == 3)
    let identifiers = bench.jobs.requestIdentifiers
    #expect(identifiers.contains("schedule\n\(start)-\(start + 3600)"), "\(identifiers)")
  }
}
