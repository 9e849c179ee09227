import Digest
import Documents
import Glibc
import Registry
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

  @Test func `without one thread no job is taken; with one, all are run`() throws {
    let workshop = try Self.workshop()
    let threads = Mutex(0)
    let service = workshop.service {
      $0.threadFailure = {
        threads.withLock { left in
          left -= 1
          return left >= 0 ? 0 : EAGAIN
        }
      }
    }
    let error = #expect(throws: BatchError.self) { try service.start() }
    guard case .busy(let reason)? = error, reason.contains("no thread") else {
      Issue.record("\(String(describing: error))")
      return
    }
    let refused = #expect(throws: BatchError.self) {
      _ = try service.submit(workshop.order(), requestIdentifier: nil)
    }
    guard case .unavailable? = refused else {
      Issue.record("\(String(describing: refused))")
      return
    }
    #expect(try workshop.number("SELECT count(*) FROM jobs") == 0)
    threads.withLock { $0 = 1 }
    try service.start()
    defer { service.stop() }
    for name in ["a", "b", "c"] {
      _ = try service.submit(workshop.order(name), requestIdentifier: nil)
    }
    for name in ["a", "b", "c"] {
      #expect(try workshop.ending(of: name, service).status == .completed)
    }
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
    var attempt = 0
    try StolenTime.judged("a cancel at any moment") { bounds in
      attempt += 1
      for number in 0..<50 {
        let name = "job-\(attempt)-\(number)"
        _ = try service.submit(
          workshop.order(name) { $0.miniBatchRows = 8 }, requestIdentifier: nil)
        usleep(UInt32(number * 700))
        let asked = MonotonicClock.system.now()
        try service.cancel(name)
        let job = try workshop.ending(of: name, service)
        let milliseconds = (MonotonicClock.system.now() - asked) / 1_000_000
        bounds.expect(
          milliseconds < 2000, "\(name) ended \(milliseconds) ms after its cancel (2000)")
        ends[job.status, default: 0] += 1
        #expect(job.status == .canceled || job.status == .completed)
        #expect((workshop.output(name) != nil) == (job.status == .completed))
        #expect(workshop.leftovers == [])
        try service.cancel(name)
        #expect(try service.job(name)?.status == job.status)
      }
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
      // One that is not full is one.
      "swerve_batch_job_mini_batches_total{deployment=\"blue\",endpoint=\"ep\"} 1",
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

  /// What users build on: a name that is not here any more is a change that breaks them.
  @Test func `the manifest and the list of errors have the fields that are promised`() throws {
    let workshop = try JobWorkshop()
    let (good, bad) = ("a,b\n1,1\n1,60\n", "a,b\nx,1\n60,1\n")
    try workshop.write("good.csv", good)
    try workshop.write("sub/bad.csv", bad)
    try workshop.run(
      workshop.order(glob: "**") {
        $0.errorThreshold = 1
        $0.carriedColumns = ["a"]
      })
    let text = try #require(workshop.text("job", "_SUCCESS.json"))
    let manifest = Document(try JSONReader.read(text, source: "manifest"), source: "manifest")
    guard case .object(let members) = manifest.value else {
      Issue.record("\(text)")
      return
    }
    #expect(
      members.members.map(\.key) == [
        "job", "endpoint", "deployment", "model", "rows", "mini_batches", "input", "settings",
        "created_at", "started_at", "ended_at", "duration_ms", "outputs", "input_files",
      ])
    #expect(members["job"] == "job" && members["endpoint"] == "ep")
    #expect(members["deployment"] == "blue" && members["mini_batches"] == 1)
    let version = try workshop.registry.find(name: "steps", version: "1")
    #expect(
      members["model"]
        == ["name": "steps", "version": "1", "content_hash": .string(version.contentHash)])
    #expect(members["rows"] == ["scored": 3, "failed": 1])
    #expect(
      members["input"]
        == [
          "address": "data/", "glob": "**", "files": 2,
          "bytes": .integer(Int64(good.utf8.count + bad.utf8.count)),
        ])
    guard case .object(let settings)? = members["settings"] else {
      Issue.record("\(text)")
      return
    }
    #expect(
      settings.keys == [
        "mini_batch_size", "mini_batch_rows", "max_concurrency_per_instance", "error_threshold",
        "max_retries", "timeout", "output_action", "output_file_name", "logging_level", "output",
      ])
    #expect(settings["error_threshold"] == 1)
    let times = try ["created_at", "started_at", "ended_at", "duration_ms"].map {
      try manifest.required($0).integer()
    }
    #expect(times[0] <= times[1] && times[1] + times[3] == times[2])
    func entry(_ path: String, _ text: String) -> DocumentObject {
      let bytes = Array(text.utf8)
      return DocumentObject([
        "path": .string(path), "bytes": .integer(Int64(bytes.count)),
        "sha256": .string(SHA256.hex(of: bytes)),
      ])
    }
    let predictions =
      "a,row,prediction,file_name\n1,0,1.5,good.csv\n1,1,3.125,good.csv\n"
      + "60,1,2.25,sub/bad.csv\n"
    let errors =
      #"{"file":"sub/bad.csv","row":0,"reason":"column 'a': expected a number (float64)","#
      + #""value":"x"}"# + "\n"
    #expect(workshop.text() == predictions && workshop.text("job", "errors.jsonl") == errors)
    #expect(
      members["outputs"]
        == .array([
          .object(entry("predictions.csv", predictions)), .object(entry("errors.jsonl", errors)),
        ]))
    var files = [entry("good.csv", good), entry("sub/bad.csv", bad)]
    (files[0]["rows"], files[0]["failed"]) = (2, 0)
    (files[1]["rows"], files[1]["failed"]) = (2, 1)
    #expect(members["input_files"] == .array(files.map { .object($0) }))
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
