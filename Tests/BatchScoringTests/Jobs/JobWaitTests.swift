import Glibc
import Serving
import Store
import Synchronization
import Telemetry
import TestFolders
import TestTimes
import Testing

@testable import BatchScoring

/// Jobs that wait, cancels that cannot be stored, and what cannot be looked at.
@Suite struct JobWaitTests {
  private static func workshop() throws -> JobWorkshop {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<100))
    return workshop
  }

  @Test func `jobs that wait for room hold up no other deployment`() throws {
    let workshop = try Self.workshop()
    let isFull = Atomic(true)
    let service = workshop.service {
      $0.roomInterval = 600_000_000_000
      $0.steps = { (_) throws(BatchError) in
        if isFull.load(ordering: .relaxed) { throw .noSpace("the test's disk") }
      }
    }
    try service.start()
    defer { service.stop() }
    func submit(_ name: String, _ deployment: String) throws {
      var order = workshop.order(name)
      order.deployment = deployment
      _ = try service.submit(order, requestIdentifier: nil)
    }
    // More than there will ever be threads.
    let waiting = (0..<(JobQueue.maxWorkers + 6)).map { "waits-\($0)" }
    for name in waiting { try submit(name, name) }
    for name in waiting { try workshop.state(of: name, service) { $0.status == .paused } }
    isFull.store(false, ordering: .relaxed)
    try submit("runs", "another")
    #expect(try workshop.ending(of: "runs", service, seconds: 20).status == .completed)
    for name in waiting {
      try service.cancel(name)
      #expect(try workshop.ending(of: name, service, seconds: 20).status == .canceled)
    }
    #expect(workshop.leftovers == [])
  }

  @Test func `a job that waits begins again only when there is room`() throws {
    let workshop = try Self.workshop()
    let steps = Mutex<[JobStep]>([])
    let service = workshop.service {
      $0.steps = { (step) throws(BatchError) in
        let seen = steps.withLock { steps in
          steps.append(step)
          return steps
        }
        let isFull = seen.count { $0 == .look } < 4
        if isFull, step == .append || step == .look { throw .noSpace("the test's disk") }
      }
    }
    try service.start()
    _ = try service.submit(workshop.order(), requestIdentifier: nil)
    #expect(try workshop.ending(of: "job", service).status == .completed)
    service.stop()
    let seen = steps.withLock { $0 }
    #expect(seen.count { $0 == .begin } == 2, "\(seen)")
    #expect(seen.count { $0 == .look } == 4, "\(seen)")
  }

  @Test func `a job without room for its manifest waits until there is that much`() throws {
    let folder = TemporaryFolder(for: "log")
    defer { withExtendedLifetime(folder) {} }
    let descriptor = open(folder.path + "/log", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer { close(descriptor) }
    let log = Log(descriptor: descriptor, level: .warning)
    let workshop = try JobWorkshop(log: log)
    for index in 0..<300 { try workshop.write("part-\(index).csv", JobWorkshop.rows(0..<2)) }
    let attempts = Mutex(0)
    let surroundings = workshop.surroundings {
      $0.steps = { (step) throws(BatchError) in
        guard step == .manifest else { return }
        let attempt = attempts.withLock { count in
          count += 1
          return count
        }
        if attempt < 3 { throw .noSpace("the test's disk") }
      }
    }
    let service = JobService(surroundings)
    let order = workshop.order()
    let stored = try surroundings.store.add(order, requestIdentifier: nil, at: 1)
    try DurableFile.makeDirectory(surroundings.workFolder)
    let run = JobRun(stored.job, surroundings, JobControl(), report: { _ in })
    for _ in 0..<2 {
      guard case .rests = run.run() else {
        Issue.record("it does not rest")
        return
      }
      // Each of the 300 files has a line in it.
      #expect(run.missingByteCount > 300 * 100)
    }
    guard case .ended = run.run() else {
      Issue.record("it does not end")
      return
    }
    #expect(try service.job("job")?.status == .completed)
    #expect(workshop.text("job", "_SUCCESS.json")?.contains("part-299.csv") == true)
    log.flush()
    let told = try ContainedFolder(folder.path).read("log", maxBytes: 1 << 20)
    let lines = String(decoding: told, as: UTF8.self).split(separator: "\n")
    #expect(lines.count { $0.contains("batch job is paused") } == 1, "\(lines)")
  }

  // MARK: Cancels

  /// Stands for a full disk: a cancel cannot be told to the audit, so nothing of it is stored.
  private static func refuseCancels(_ workshop: JobWorkshop) throws {
    try workshop.execute(
      """
      CREATE TRIGGER refuse BEFORE INSERT ON audit WHEN NEW.action = 'cancel'
        BEGIN SELECT RAISE(ABORT, 'no room'); END
      """)
  }

  private static func cancels(_ workshop: JobWorkshop, of name: String) throws -> Int64 {
    try workshop.number(
      "SELECT count(*) FROM audit WHERE action = 'cancel' AND resource = 'job \(name)' "
        + "AND actor = 'me'")
  }

  private static func expectNotStored(_ body: () throws -> Void) {
    let error = #expect(throws: BatchError.self) { try body() }
    guard case .cancelNotStored(_, let reason)? = error, reason.contains("no room") else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func `a cancel of a job that waits is told to the audit with the job's end`() throws {
    let workshop = try Self.workshop()
    let gate = Monitor(false)
    let service = workshop.service {
      $0.steps = { (_) throws(BatchError) in _ = gate.wait { $0 ? true : nil } }
    }
    try service.start()
    for name in ["runs", "waits", "stays"] {
      _ = try service.submit(workshop.order(name), requestIdentifier: nil)
    }
    try service.cancel("waits", by: "me")
    #expect(try service.job("waits")?.status == .canceled)
    #expect(try Self.cancels(workshop, of: "waits") == 1)
    try Self.refuseCancels(workshop)
    Self.expectNotStored { try service.cancel("stays", by: "me") }
    // Neither of the two is stored, and the job does not run.
    #expect(try workshop.store.job("stays")?.job.status == .queued)
    #expect(try service.job("stays")?.status == .cancelRequested)
    gate.withLock { $0 = true }
    gate.broadcast()
    #expect(try workshop.ending(of: "runs", service).status == .completed)
    pause(milliseconds: 30)
    #expect(try workshop.store.job("stays")?.job.status.isFinal == false)
    try workshop.execute("DROP TRIGGER refuse")
    #expect(try workshop.ending(of: "stays", service).status == .canceled)
    service.stop()
    #expect(try Self.cancels(workshop, of: "stays") == 1)
    #expect(workshop.output("stays") == nil && workshop.leftovers == [])
  }

  @Test func `a cancel that is stored holds where the output's place is gone`() throws {
    let workshop = try Self.workshop()
    let place = workshop.path + "/elsewhere"
    for (name, status) in [("fresh", Job.Status.queued), ("begun", .running)] {
      mkdir(place, 0o755)
      var order = workshop.order(name)
      (order.output.root, order.output.folder) = (place, "res")
      let stored = try workshop.store.add(order, requestIdentifier: nil, at: 1).job
      if status == .running {
        try workshop.store.set(
          stored.sequence, status, startedAt: 1, workFolder: workshop.path + "/work/\(name)")
      }
      try workshop.store.noteCancel(stored.sequence, by: "me", at: 2)
      #expect(rmdir(place) == 0)
      let service = workshop.service()
      try service.start()
      let job = try workshop.ending(of: name, service)
      service.stop()
      #expect(job.status == .canceled && job.reason == nil, "\(name): \(job.reason ?? "")")
    }
  }

  @Test func `a cancel that cannot be stored stops the job all the same`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service {
      JobWorkshop.commitOften(&$0)
      $0.steps = { (_) throws(BatchError) in pause(milliseconds: 5) }
    }
    try service.start()
    _ = try service.submit(
      workshop.order { $0.miniBatchRows = 8 }, requestIdentifier: nil)
    try workshop.state(of: "job", service) { $0.progress.scoredRows > 8 }
    try Self.refuseCancels(workshop)
    Self.expectNotStored { try service.cancel("job", by: "me") }
    #expect(try service.job("job")?.status == .cancelRequested)
    // What it has written gives its room back before its end can be stored.
    for _ in 0..<400 where workshop.leftovers != [] { pause(milliseconds: 5) }
    #expect(workshop.leftovers == [])
    #expect(try workshop.store.job("job")?.job.status.isFinal == false)
    try workshop.execute("DROP TRIGGER refuse")
    #expect(try workshop.ending(of: "job", service).status == .canceled)
    service.stop()
    #expect(try Self.cancels(workshop, of: "job") == 1)
    #expect(workshop.output() == nil)
  }

  // MARK: Looks

  @Test func `an output that cannot be looked at is not taken for none`() throws {
    let workshop = try Self.workshop()
    let order = workshop.order()
    #expect(try !JobManifest.isOutput(of: order))
    try workshop.run(order)
    #expect(try JobManifest.isOutput(of: order))
    #expect(try !JobManifest.isOutput(of: workshop.order("jo")))
    let path = workshop.path + "/store/azureml/job/score/_SUCCESS.json"
    unlink(path)
    #expect(try !JobManifest.isOutput(of: order))
    mkdir(path, 0o755)
    #expect(throws: BatchError.self) { try JobManifest.isOutput(of: order) }
  }

  @Test func `an input that cannot be looked at is said at once`() throws {
    let workshop = try Self.workshop()
    _ = try InputListing(workshop.order(input: "a.csv").input)
    #expect(throws: BatchError.self) { try InputListing(workshop.order(input: "none").input) }
    symlink("/etc/hostname", workshop.path + "/data/out.csv")
    let error = #expect(throws: BatchError.self) {
      try InputListing(workshop.order(input: "out.csv").input)
    }
    #expect(error?.description.contains("leads out") == true)
  }

  @Test func `a file that goes after it was listed is a changed input`() throws {
    let workshop = try Self.workshop()
    try workshop.crash(workshop.order(input: "a.csv"), at: 9)
    try #require(try workshop.store.job("job")?.progress.totalFiles == 1)
    unlink(workshop.path + "/data/a.csv")
    let second = workshop.service()
    try second.start()
    let job = try workshop.ending(of: "job", second)
    second.stop()
    #expect(job.status == .failed)
    #expect(job.reason?.hasPrefix("InputChanged: ") == true, "\(job.reason ?? "")")
  }
}
