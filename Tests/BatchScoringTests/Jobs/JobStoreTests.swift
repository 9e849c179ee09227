import Glibc
import Serving
import Store
import Telemetry
import TestTimes
import Testing

@testable import BatchScoring

/// What the database is asked, and what of it may be wrong or away.
@Suite struct JobStoreTests {
  private static func workshop() throws -> JobWorkshop {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<100))
    try workshop.write("b.csv", JobWorkshop.rows(0..<50))
    return workshop
  }

  /// A job that was ended in the middle by a crash.
  private static func crashed(_ workshop: JobWorkshop, _ name: String, at place: Int) throws {
    try workshop.crash(
      workshop.order(name) { $0.miniBatchRows = 8 }, at: place, JobWorkshop.commitOften)
  }

  // MARK: Away

  @Test func `while the database is another's, jobs are away and not absent`() throws {
    let workshop = try Self.workshop()
    try workshop.run(workshop.order())
    let service = workshop.service()
    try service.start()
    service.stop()
    workshop.database.close()
    for call in [
      { _ = try service.job("job") }, { _ = try service.job("none") },
      { _ = try service.jobs(endpoint: nil, deployment: nil, limit: 9) },
      { _ = try service.job(endpoint: "ep", requestIdentifier: "x") },
      { try service.cancel("job") },
    ] as [() throws -> Void] {
      let error = #expect(throws: BatchError.self) { try call() }
      guard case .busy? = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
    let refused = #expect(throws: BatchError.self) {
      _ = try service.submit(workshop.order("next"), requestIdentifier: nil)
    }
    guard case .unavailable? = refused else {
      Issue.record("\(String(describing: refused))")
      return
    }
    try workshop.database.reopen()
    #expect(try service.job("job")?.status == .completed)
    #expect(try service.job("none") == nil)
  }

  @Test func `a job goes on when the database can be read again`() throws {
    let workshop = try Self.workshop()
    try workshop.run(workshop.order("whole"))
    let full = StepTrap(at: 12) { () throws(BatchError) in
      workshop.database.close()
      throw .noSpace("the test's disk")
    }
    let service = workshop.service {
      JobWorkshop.commitOften(&$0)
      $0.steps = full.steps
    }
    try service.start()
    _ = try service.submit(
      workshop.order { $0.miniBatchRows = 8 }, requestIdentifier: nil)
    while !full.wasHit { pause(milliseconds: 2) }
    pause(milliseconds: 60)
    #expect(try service.job("job")?.status == .paused)
    try workshop.database.reopen()
    #expect(try workshop.ending(of: "job", service).status == .completed)
    service.stop()
    #expect(workshop.output() == workshop.output("whole"))
  }

  // MARK: Unreadable

  @Test func `a job that cannot be read hides no other one and stops no start`() throws {
    let workshop = try Self.workshop()
    for name in ["first", "odd", "last"] { try workshop.run(workshop.order(name)) }
    try Self.crashed(workshop, "later", at: 9)
    try workshop.execute(
      """
      UPDATE jobs SET body = '{"name": "of a later version"}' WHERE name IN ('odd', 'later')
      """)
    mkdir(workshop.path + "/work/left", 0o700)
    try workshop.execute(
      "UPDATE jobs SET work_folder = '\(workshop.path)/work/left' WHERE name = 'odd'")
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    #expect(
      try service.jobs(endpoint: nil, deployment: nil, limit: 9).map(\.order.name)
        == ["last", "first"])
    let error = #expect(throws: BatchError.self) { _ = try service.job("odd") }
    guard case .unreadable? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    // What the later version will go on from stays, what nobody needs goes.
    #expect(workshop.leftovers == ["later"])
    #expect(
      try workshop.number("SELECT count(*) FROM jobs WHERE name = 'odd' AND work_folder IS NULL")
        == 1)
  }

  @Test func `a NUL in a row that fails leaves its job as readable as another`() throws {
    let workshop = try JobWorkshop()
    let rows = JobWorkshop.rows(0..<100).replacing("0,0.5\n", with: "0,\u{0}\u{1B}[2J\n")
    try workshop.write("a.csv", rows)
    try workshop.run(workshop.order("whole"), JobWorkshop.commitOften)
    #expect(
      try workshop.store.job("whole")?.progress.firstFault?.contains("got '␀␛[2J'") == true)
    // What was read is told as it stands.
    let errors = try #require(workshop.text("whole", "errors.jsonl"))
    #expect(errors.contains(#""value":"\u0000\u001b[2J""#), "\(errors)")
    try Self.crashed(workshop, "job", at: 30)
    try #require(try workshop.store.job("job")?.progress.failedRows == 1)
    let service = workshop.service()
    try service.start()
    #expect(try workshop.ending(of: "job", service).status == .completed)
    service.stop()
    #expect(workshop.output() == workshop.output("whole"))
  }

  @Test(arguments: [
    // As earlier versions kept a fault with a NUL.
    #"replace(progress, '{', '{"first_fault":"a.csv: row 0: got ''\u0000''",')"#,
    #"'{"of": "a later version"}'"#, "'none'",
  ])
  func `a job whose progress cannot be read goes on, if need be from its beginning`(
    _ progress: String
  ) throws {
    let workshop = try Self.workshop()
    func order(_ name: String) -> JobOrder {
      workshop.order(name) {
        $0.miniBatchRows = 8
        $0.isPerFile = true
      }
    }
    try workshop.run(order("whole"))
    try workshop.crash(order("job"), at: 120, JobWorkshop.commitOften)
    try #require(try workshop.store.job("job")?.progress.scoredRows ?? 0 > 20)
    try workshop.execute("UPDATE jobs SET progress = \(progress)")
    let service = workshop.service()
    try service.start()
    #expect(
      try service.jobs(endpoint: nil, deployment: nil, limit: 9).map(\.order.name)
        == ["job", "whole"])
    #expect(try workshop.ending(of: "job", service).status == .completed)
    service.stop()
    for name in ["a.csv", "b.csv", "errors.jsonl"] {
      #expect(workshop.output("job", name) == workshop.output("whole", name), "\(name)")
    }
  }

  @Test func `orders are stored together, and a refused one keeps none out`() throws {
    let workshop = try Self.workshop()
    let orders = [
      ("first", "same-id", "a"), ("second", nil, "b"), ("second", nil, "c"), ("third", nil, "a"),
      ("fourth", "same-id", "d"), ("fifth", nil, "e"),
    ].map { (name: String, identifier: String?, folder: String) in
      var order = workshop.order(name)
      order.output.folder = folder
      return JobSubmission(order, requestIdentifier: identifier)
    }
    let results = try workshop.store.add(orders, at: 1)
    let told = results.map { result in
      switch result {
      case .success(let added): "\(added.job.job.order.name) \(added.isNew)"
      case .failure(.nameTaken(let name)): "taken \(name)"
      case .failure(.outputExists): "exists"
      case .failure(let error): "\(error)"
      }
    }
    #expect(
      told == ["first true", "second true", "taken second", "exists", "first false", "fifth true"])
    #expect(try workshop.number("SELECT count(*) FROM jobs") == 3)
    #expect(try workshop.number("SELECT count(*) FROM audit WHERE action = 'create'") == 3)
  }

  @Test func `there are only so many jobs that have not ended`() throws {
    let workshop = try Self.workshop()
    func add(_ names: [(String, String?)]) throws -> [String] {
      let orders = names.map {
        JobSubmission(workshop.order($0.0), requestIdentifier: $0.1)
      }
      return try workshop.store.add(orders, at: 1, maxUnfinished: 3).map { result in
        switch result {
        case .success(let added): added.job.job.order.name
        case .failure(.tooManyJobs(limit: 3)): "too many"
        case .failure(let error): "\(error)"
        }
      }
    }
    #expect(try add([("a", "one"), ("b", nil)]) == ["a", "b"])
    #expect(
      try add([("c", nil), ("d", nil), ("again", "one"), ("e", nil)])
        == ["c", "too many", "a", "too many"])
    try workshop.execute("UPDATE jobs SET ended_at = 2 WHERE name = 'b'")
    #expect(try add([("d", nil), ("e", nil)]) == ["d", "too many"])
    #expect("\(BatchError.tooManyJobs(limit: 3))".contains("3 jobs that have not ended"))
  }

  // MARK: Places

  @Test func `no output of an unfinished job lies in another's`() throws {
    let workshop = try Self.workshop()
    symlink(workshop.path + "/store", workshop.path + "/way")
    func add(_ name: String, _ folder: String, root: String = "/store") throws -> String {
      var order = workshop.order(name)
      order.output.root = workshop.path + root
      order.output.folder = folder
      order.output.address = folder
      do {
        _ = try workshop.store.add(order, requestIdentifier: nil, at: 1)
        return "taken"
      } catch {
        switch error {
        case .outputNested(let reason): return reason
        case .outputExists: return "same"
        default: return "\(error)"
        }
      }
    }
    #expect(try add("j1", "out/res") == "taken")
    for (folder, words) in [
      ("out/res/small", "would lie in that of job 'j1'"), ("out", "would hold that of job 'j1'"),
      ("out/res/a/b/c", "would lie in that of job 'j1'"), ("out//res/./x", "lie in that"),
      ("out/res", "same"), ("out/./res/", "same"),
    ] {
      #expect(try add("j2", folder).contains(words), "\(folder)")
      #expect(try add("j2", folder, root: "/way").contains(words), "\(folder) by a link")
    }
    // Whole names are compared, by their bytes.
    for (index, folder) in ["out/res2", "out/re", "out/res.b", "out/res-1/x", "out/res0"]
      .enumerated()
    {
      #expect(try add("other-\(index)", folder) == "taken", "\(folder)")
    }
    for index in 0..<50 {
      #expect(try add("usual-\(index)", "azureml/usual-\(index)/score") == "taken")
    }
    #expect(try add("all", "azureml").contains("would hold"))
    // What has ended has no claim.
    try workshop.execute("UPDATE jobs SET ended_at = 2")
    #expect(try add("j3", "out/res/small") == "taken")
  }

  @Test func `nothing is written into an output that has appeared`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    func submit(_ name: String, _ folder: String, root: String = "/store") throws {
      var order = workshop.order(name)
      (order.output.root, order.output.folder) = (workshop.path + root, folder)
      _ = try service.submit(order, requestIdentifier: nil)
    }
    try submit("first", "out/res")
    #expect(try workshop.ending(of: "first", service).status == .completed)
    for (folder, root) in [
      ("out/res/small", "/store"), ("out/res/a/b", "/store"), ("small", "/store/out/res"),
      ("res/small", "/store/out"),
    ] {
      let error = #expect(throws: BatchError.self) { try submit("second", folder, root: root) }
      guard case .outputNested(let reason)? = error, reason.contains("the folder 'res'") else {
        Issue.record("\(folder): \(String(describing: error))")
        continue
      }
    }
    // Beside it, and where what lies above the datastore is nobody's choice.
    try DurableFile.write([], to: workshop.path + "/_SUCCESS.json")
    try submit("third", "out/more")
    #expect(try workshop.ending(of: "third", service).status == .completed)
  }

  @Test func `a model version is needed until its jobs have ended`() throws {
    let workshop = try Self.workshop()
    func jobs(_ version: String) throws -> [String] {
      try workshop.database.read { (transaction) throws(StoreError) in
        try JobService.unfinishedJobs("steps", version, transaction)
      }
    }
    let first = try workshop.store.add(workshop.order("first"), requestIdentifier: nil, at: 1)
    _ = try workshop.store.add(workshop.order("second"), requestIdentifier: nil, at: 1)
    _ = try workshop.store.add(workshop.order("odd"), requestIdentifier: nil, at: 1)
    try workshop.execute("UPDATE jobs SET body = '{' WHERE name = 'odd'")
    #expect(try jobs("1") == ["job first", "job second"])
    #expect(try jobs("2") == [])
    #expect(try workshop.store.end(first.job.sequence, .completed, reason: nil, at: 2))
    #expect(try jobs("1") == ["job second"])
  }

  // MARK: Ended

  @Test func `a job that has ended is not changed any more`() throws {
    let workshop = try Self.workshop()
    let store = workshop.store
    let added = try store.add(workshop.order(), requestIdentifier: nil, at: 1).job
    #expect(try store.end(added.sequence, .canceled, reason: nil, at: 2))
    #expect(try !store.end(added.sequence, .failed, reason: "late", at: 3))
    var progress = JobProgress()
    progress.scoredRows = 7
    let stamp = FileStamp(byteCount: 1, modifiedAt: 1, inode: 1)
    let files = [JobFile(path: "a.csv", stamp: stamp)]
    for change in [
      { try store.set(added.sequence, .running, reason: "late") },
      { try store.list(added.sequence, files, progress) { () throws(BatchError) in } },
      { try store.commit(added.sequence, progress, []) },
      { try store.startOver(added.sequence, progress) },
    ] as [() throws -> Void] {
      #expect(throws: BatchError.interrupted(.ended)) { try change() }
    }
    try store.noteCancel(added.sequence, by: "late", at: 4)
    let now = try #require(try store.job("job"))
    #expect(now.job.status == .canceled && now.job.reason == nil && now.job.endedAt == 2)
    #expect(now.progress == JobProgress())
    #expect(try workshop.number("SELECT count(*) FROM job_files") == 0)
    #expect(try workshop.number("SELECT count(*) FROM audit WHERE action = 'cancel'") == 0)
  }

  @Test func `a job that has ended while it waited is not run`() throws {
    let workshop = try Self.workshop()
    let gate = Monitor(false)
    let service = workshop.service {
      $0.steps = { (_) throws(BatchError) in _ = gate.wait { $0 ? true : nil } }
    }
    try service.start()
    _ = try service.submit(workshop.order("runs"), requestIdentifier: nil)
    _ = try service.submit(workshop.order("waits"), requestIdentifier: nil)
    let waiting = try #require(try workshop.store.job("waits"))
    #expect(try workshop.store.end(waiting.sequence, .canceled, reason: nil, at: 5))
    gate.withLock { $0 = true }
    gate.broadcast()
    #expect(try workshop.ending(of: "runs", service).status == .completed)
    let ended = try workshop.ending(of: "waits", service)
    service.stop()
    #expect(ended.status == .canceled && ended.endedAt == 5)
    #expect(try workshop.store.job("waits")?.job.status == .canceled)
    #expect(workshop.output("waits") == nil && workshop.leftovers == [])
  }

  // MARK: Files

  @Test func `what a job has read is forgotten when it has ended`() throws {
    let workshop = try Self.workshop()
    try workshop.run(workshop.order())
    #expect(workshop.text("job", "_SUCCESS.json")?.contains(#""path":"b.csv""#) == true)
    #expect(try workshop.number("SELECT count(*) FROM job_files") == 0)
    // As a version before this one has left it, and as a crash does.
    let old = try #require(try workshop.store.job("job"))
    try workshop.execute(
      """
      INSERT INTO job_files (job, place, path, byte_count, modified_at, device, inode)
        VALUES (\(old.sequence), 0, 'a.csv', 1, 1, 1, 1), (\(old.sequence), 30000, 'b', 1, 1, 1, 1)
      """)
    try Self.crashed(workshop, "goes-on", at: 12)
    let gate = Monitor(false)
    let service = workshop.service {
      $0.steps = { (_) throws(BatchError) in _ = gate.wait { $0 ? true : nil } }
    }
    try service.start()
    for _ in 0..<500 where try workshop.number("SELECT count(*) FROM job_files") != 2 {
      pause(milliseconds: 5)
    }
    // Those of a job that goes on are there.
    #expect(try workshop.number("SELECT count(*) FROM job_files") == 2)
    gate.withLock { $0 = true }
    gate.broadcast()
    #expect(try workshop.ending(of: "goes-on", service).status == .completed)
    service.stop()
    #expect(try workshop.number("SELECT count(*) FROM job_files") == 0)
    #expect(workshop.output("goes-on") == workshop.output())
  }
}
