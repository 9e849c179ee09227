import Glibc
import Serving
import Store
import Synchronization
import Testing

@testable import BatchScoring

/// B8: an input that changes underneath.
@Suite struct JobChangeTests {
  private static func options(_ options: inout JobOptions) {
    options.maxBlockBytes = 300
    options.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
  }

  enum Change: String, CaseIterable {
    case append, truncate, replace, delete, touch, rename, overwrite
  }

  /// The change is made at a step of the job; what comes of it is a whole or a failure.
  @Test(arguments: Change.allCases) func `a change fails the job or comes too late`(
    _ change: Change
  ) throws {
    var failures = 0
    let workshop = try JobWorkshop()
    for moment in stride(from: 1, through: 39, by: 2) {
      let name = "job-\(moment)"
      try workshop.write(name + "/a.csv", JobWorkshop.rows(0..<300))
      try workshop.write(name + "/b.csv", JobWorkshop.rows(300..<600))
      let file = moment % 4 == 1 ? "a" : "b"
      let path = workshop.path + "/data/\(name)/\(file).csv"
      let trap = StepTrap(at: moment) { () throws(BatchError) in make(change, path) }
      let job = try workshop.run(
        workshop.order(name, input: name) { $0.miniBatchRows = 64 }
      ) {
        $0.maxBlockBytes = 600
        $0.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
        $0.steps = trap.steps
      }
      if job.status == .failed {
        failures += 1
        #expect(
          job.reason?.hasPrefix("InputChanged: \(file).csv: ") == true
            || job.reason?.contains("No such file") == true, "\(job.reason ?? "")")
        #expect(workshop.output(name) == nil)
      } else {
        #expect(job.status == .completed)
        // What was there when the job was listed, or the change as a whole before that.
        let rows = try #require(workshop.text(name)).utf8.count { $0 == 0x0A } - 1
        #expect(rows == 600 || moment <= 2, "\(change) at \(moment): \(rows)")
      }
      #expect(workshop.leftovers == [])
    }
    // With a file open its name does not matter; what is opened later is missed.
    #expect(failures >= 3, "\(change)")
  }

  @Test(arguments: Change.allCases) func `a change between a crash and the start fails the job`(
    _ change: Change
  ) throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<300))
    try workshop.crash(workshop.order { $0.miniBatchRows = 16 }, at: 30, Self.options)
    make(change, workshop.path + "/data/a.csv")
    let second = workshop.service(Self.options)
    try second.start()
    let job = try workshop.ending(of: "job", second)
    second.stop()
    #expect(job.status == .failed)
    #expect(job.reason?.hasPrefix("InputChanged: a.csv: ") == true, "\(job.reason ?? "")")
  }

  @Test func `a file system that has another device number after a start has not changed`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<300))
    try workshop.run(workshop.order("whole"))
    try workshop.crash(workshop.order { $0.miniBatchRows = 16 }, at: 30, Self.options)
    // As a gateway of before wrote it down, on a machine that has been started since.
    try workshop.database.write { (transaction) throws(StoreError) in
      try transaction.execute("UPDATE job_files SET device = device + 7", [])
    }
    let second = workshop.service()
    try second.start()
    let job = try workshop.ending(of: "job", second)
    second.stop()
    #expect(job.status == .completed, "\(job.reason ?? "")")
    #expect(workshop.text() == workshop.text("whole"))
  }

  /// Does something to a file, and puts its time of modification back.
  private static func hidden(_ path: String, _ body: () throws -> Void) rethrows {
    var status = stat()
    stat(path, &status)
    try body()
    var times = [status.st_atim, status.st_mtim]
    utimensat(AT_FDCWD, path, &times, 0)
  }

  @Test(arguments: [10, 400_000]) func `a change whose time was put back makes no mix of two`(
    _ offset: Int
  ) throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<60_000))
    let path = workshop.path + "/data/a.csv"
    let trap = StepTrap(at: 12) { () throws(BatchError) in
      Self.hidden(path) { try? overwrite(path, at: offset, with: "7") }
    }
    let job = try workshop.run(workshop.order("job", threads: 1)) {
      Self.options(&$0)
      $0.maxBlockBytes = 20_000
      $0.steps = trap.steps
    }
    #expect(trap.wasHit)
    if offset == 10 {
      #expect(job.status == .failed)
      #expect(
        job.reason == "InputChanged: a.csv: it was changed after the job began, and its time of "
          + "modification put back")
    } else {
      // Nothing of that had been read: it is the file as it is now.
      #expect(job.status == .completed, "\(job.reason ?? "")")
      try workshop.run(workshop.order("whole"))
      #expect(workshop.text() == workshop.text("whole"))
    }
  }

  @Test func `a chmod, another link and a time that was set again are no change`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<1000))
    try workshop.write("b.csv", JobWorkshop.rows(1000..<1500))
    try workshop.run(workshop.order("whole"))
    for moment in [5, 20, 40] {
      let name = "job-\(moment)"
      let data = workshop.path + "/data/"
      let trap = StepTrap(at: moment) { () throws(BatchError) in
        chmod(data + "a.csv", 0o600)
        link(data + "a.csv", data + ".link-\(moment)")
        for file in ["a.csv", "b.csv"] { Self.hidden(data + file) { chmod(data + file, 0o640) } }
      }
      let job = try workshop.run(workshop.order(name) { $0.miniBatchRows = 16 }) {
        Self.options(&$0)
        $0.steps = trap.steps
      }
      #expect(trap.wasHit)
      #expect(job.status == .completed, "\(job.reason ?? "")")
      #expect(workshop.text(name) == workshop.text("whole"))
    }
  }

  @Test func `other bytes under the same stamp are noticed`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<300))
    let path = workshop.path + "/data/a.csv"
    try workshop.crash(workshop.order { $0.miniBatchRows = 16 }, at: 30, Self.options)
    var status = stat()
    stat(path, &status)
    try overwrite(path, at: 10, with: "7")
    var times = [status.st_atim, status.st_mtim]
    utimensat(AT_FDCWD, path, &times, 0)
    let second = workshop.service()
    try second.start()
    let job = try workshop.ending(of: "job", second)
    second.stop()
    #expect(job.status == .failed)
    #expect(job.reason?.contains("bytes are not what they were") == true, "\(job.reason ?? "")")
  }
}

private func make(_ change: JobChangeTests.Change, _ path: String) {
  switch change {
  case .append:
    let file = open(path, O_WRONLY | O_APPEND)
    _ = write(file, "1,1\n", 4)
    close(file)
  case .truncate: truncate(path, 100)
  case .replace:
    let file = open(path + ".new", O_WRONLY | O_CREAT, 0o644)
    _ = write(file, "a,b\n1,1\n", 8)
    close(file)
    rename(path + ".new", path)
  case .delete: unlink(path)
  case .touch: utimensat(AT_FDCWD, path, nil, 0)
  case .rename:
    rename(path, path.replacingLast("/", with: "/."))
  case .overwrite:
    let file = open(path, O_WRONLY)
    _ = pwrite(file, "9", 1, 2000)
    close(file)
  }
}

extension String {
  fileprivate func replacingLast(_ character: Character, with text: String) -> String {
    guard let place = lastIndex(of: character) else { return self }
    return self[..<place] + text + self[index(after: place)...]
  }
}
