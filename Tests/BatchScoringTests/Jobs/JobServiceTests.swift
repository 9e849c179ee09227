import Glibc
import Serving
import Synchronization
import Telemetry
import TestTimes
import Testing

@testable import BatchScoring

@Suite struct JobServiceTests {
  private static func workshop() throws -> JobWorkshop {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<100))
    return workshop
  }

  // MARK: Taking (B4)

  @Test func `many orders at once are as many jobs`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service {
      $0.steps = { (_) throws(BatchError) in pause(milliseconds: 1) }
    }
    try service.start()
    let names = Mutex<Set<String>>([])
    let crew = Threads()
    for _ in 0..<8 {
      crew.start(name: "submit") {
        for _ in 0..<25 {
          let name = service.newName()
          let job = try? service.submit(workshop.order(name), requestIdentifier: nil)
          if let job { names.withLock { _ = $0.insert(job.order.name) } }
        }
      }
    }
    crew.join()
    #expect(names.withLock { $0.count } == 200)
    #expect(try service.jobs(endpoint: "EP", deployment: nil, limit: 1000).count == 200)
    #expect(try service.jobs(endpoint: "ep", deployment: "green", limit: 1000).isEmpty)
    service.stop()
    // Acknowledged is stored.
    let next = workshop.service()
    #expect(try next.jobs(endpoint: nil, deployment: nil, limit: 1000).count == 200)
  }

  @Test func `the same request again is the same job, also after a crash`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service()
    try service.start()
    let names = Mutex<[String]>([])
    let crew = Threads()
    for _ in 0..<8 {
      crew.start(name: "submit") {
        for _ in 0..<13 {
          let job = try? service.submit(
            workshop.order(service.newName()), requestIdentifier: "retry-1")
          names.withLock { $0.append(job?.order.name ?? "none") }
        }
      }
    }
    crew.join()
    let name = try #require(names.withLock { $0.first })
    #expect(names.withLock { Set($0) } == [name])
    #expect(try workshop.ending(of: name, service).status == .completed)
    service.stop()
    let next = workshop.service()
    try next.start()
    let again = try next.submit(workshop.order("other"), requestIdentifier: "retry-1")
    #expect(again.order.name == name && again.status == .completed)
    // Another endpoint's requests are others.
    var elsewhere = workshop.order("elsewhere")
    elsewhere.endpoint = "second"
    #expect(try next.submit(elsewhere, requestIdentifier: "retry-1").order.name == "elsewhere")
    _ = try workshop.ending(of: "elsewhere", next)
    next.stop()
    #expect(
      try next.jobs(endpoint: nil, deployment: nil, limit: 9).map(\.order.name) == [
        "elsewhere", name,
      ])
  }

  @Test func `an order that cannot be taken makes no job`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service {
      $0.steps = { (_) throws(BatchError) in pause(milliseconds: 20) }
    }
    #expect(throws: BatchError.self) {
      _ = try service.submit(workshop.order(), requestIdentifier: nil)
    }
    try service.start()
    defer { service.stop() }
    var unknown = workshop.order("unknown")
    unknown.modelVersion = "7"
    let error = #expect(throws: BatchError.self) {
      _ = try service.submit(unknown, requestIdentifier: nil)
    }
    #expect(error?.description.contains("steps:7") == true)
    for name in ["", ".", "..", "a/b", ".hidden", "a\u{0}", String(repeating: "x", count: 300)] {
      #expect(throws: BatchError.self) {
        _ = try service.submit(workshop.order(name), requestIdentifier: nil)
      }
    }
    _ = try service.submit(workshop.order("first"), requestIdentifier: nil)
    var rival = workshop.order("rival")
    rival.output = workshop.order("first").output
    rival.output.folder = "azureml//first/./score/"
    #expect(throws: BatchError.self) {
      _ = try service.submit(rival, requestIdentifier: nil)
    }
    var same = workshop.order("first")
    same.output = workshop.order("elsewhere").output
    let taken = #expect(throws: BatchError.self) {
      _ = try service.submit(same, requestIdentifier: nil)
    }
    #expect(taken == .nameTaken("first"))
    #expect(try service.jobs(endpoint: nil, deployment: nil, limit: 9).count == 1)
  }

  @Test func `an order is kept as it was given`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service()
    try service.start()
    var order = workshop.order("full", input: "a.csv", glob: "*") {
      $0.carriedColumns = ["a"]
      $0.format = .jsonl
      $0.errorThreshold = 7
      $0.hasHeader = false
      $0.timeoutSeconds = 3
    }
    order.properties = ["experimentName": "é", "swerve.x": ""]
    _ = try service.submit(order, requestIdentifier: nil)
    _ = try workshop.ending(of: "full", service)
    service.stop()
    #expect(try workshop.service().job("full")?.order == order)
  }

  // MARK: Ending (B12)

  @Test func `a cancel at any moment leaves nothing, and after the end does nothing`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service {
      $0.maxBlockBytes = 100
      $0.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
      $0.steps = { (_) throws(BatchError) in usleep(200) }
    }
    try service.start()
    defer { service.stop() }
    var ends: [Job.Status: Int] = [:]
    for number in 0..<50 {
      let name = "job-\(number)"
      _ = try service.submit(
        workshop.order(name) { $0.miniBatchRows = 8 }, requestIdentifier: nil)
      usleep(UInt32(number * 700))
      let asked = MonotonicClock.system.now()
      try service.cancel(name)
      let job = try workshop.ending(of: name, service, seconds: 2)
      #expect(MonotonicClock.system.now() - asked < 2_000_000_000)
      ends[job.status, default: 0] += 1
      #expect(job.status == .canceled || job.status == .completed)
      #expect((workshop.output(name) != nil) == (job.status == .completed))
      #expect(workshop.leftovers == [])
      try service.cancel(name)
      #expect(try service.job(name)?.status == job.status)
    }
    #expect((ends[.canceled] ?? 0) > 10, "\(ends)")
    #expect(throws: BatchError.unknownJob("none")) { try service.cancel("none") }
  }

  @Test func `jobs that wait are canceled at once, and a cancel outlives a crash`() throws {
    let workshop = try Self.workshop()
    let gate = Monitor(false)
    let first = workshop.service {
      $0.steps = { (_) throws(BatchError) in
        if gate.wait({ $0 ? true : nil }) != nil { throw .interrupted(.crash) }
      }
    }
    try first.start()
    _ = try first.submit(workshop.order("runs"), requestIdentifier: nil)
    _ = try first.submit(workshop.order("waits"), requestIdentifier: nil)
    try first.cancel("waits")
    #expect(try first.job("waits")?.status == .canceled)
    try first.cancel("runs")
    #expect(try first.job("runs")?.status == .cancelRequested)
    gate.withLock { $0 = true }
    gate.broadcast()
    first.stop()
    let second = workshop.service()
    try second.start()
    #expect(try workshop.ending(of: "runs", second).status == .canceled)
    second.stop()
    #expect(workshop.output("runs") == nil && workshop.leftovers == [])
  }

  // MARK: Telling

  @Test func `who waits is told of progress and of the end`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service {
      $0.maxBlockBytes = 100
      $0.steps = { (_) throws(BatchError) in pause(milliseconds: 2) }
    }
    try service.start()
    defer { service.stop() }
    var job = try service.submit(
      workshop.order { $0.miniBatchRows = 8 }, requestIdentifier: nil)
    var seen: [Job.Status] = []
    var rows = [0]
    while !job.status.isFinal {
      if seen.last != job.status { seen.append(job.status) }
      if rows.last != job.progress.scoredRows { rows.append(job.progress.scoredRows) }
      job = try #require(try service.wait(for: "job", after: job, seconds: 10))
    }
    #expect(job.status == .completed)
    #expect(seen.contains(.running) && rows.count > 4 && rows == rows.sorted())
    #expect(job.progress.files == 1 && job.progress.totalFiles == 1)
    #expect(job.progress.readBytes == job.progress.totalBytes)
    #expect(try service.wait(for: "none", after: job, seconds: 0.01) == nil)
    let metrics = String(decoding: workshop.metrics.prometheusText(), as: UTF8.self)
    for line in [
      "swerve_batch_jobs{status=\"Completed\"} 1", "swerve_batch_jobs{status=\"Running\"} 0",
      "swerve_batch_job_rows_total{deployment=\"blue\",endpoint=\"ep\",result=\"scored\"} 100",
    ] {
      #expect(metrics.contains(line), "\(line) in \(metrics)")
    }
  }

  @Test func `the manifest says what was read and what came out`() throws {
    let workshop = try Self.workshop()
    try workshop.run(workshop.order())
    let text = try #require(workshop.text("job", "_SUCCESS.json"))
    for part in [
      #""job": "job""#, #""scored": 100"#, #""content_hash": "#, #""path":"predictions.csv""#,
      #""path":"a.csv""#, #""mini_batch_rows": 65536"#, #""mini_batches": 1"#,
    ] {
      #expect(text.contains(part), "\(part) in \(text)")
    }
  }

  @Test func `folders that no job works in are removed at start`() throws {
    let workshop = try Self.workshop()
    mkdir(workshop.path + "/work", 0o700)
    mkdir(workshop.path + "/work/gone", 0o700)
    mkdir(workshop.path + "/work/gone/score", 0o700)
    let service = workshop.service()
    try service.start()
    service.stop()
    #expect(workshop.leftovers == [])
  }
}
