import Glibc
import Serving
import Store
import Telemetry
import TestTimes
import Testing

@testable import BatchScoring

/// B5: how many rows may fail.
@Suite struct JobThresholdTests {
  private static func workshop() throws -> JobWorkshop {
    let workshop = try JobWorkshop()
    // Five rows of 100 that cannot be read, in two files.
    try workshop.write("a.csv", JobWorkshop.rows(0..<60, badEvery: 20))
    try workshop.write("b.csv", JobWorkshop.rows(60..<100, badEvery: 20))
    return workshop
  }

  private static func options(_ options: inout JobOptions) {
    options.maxBlockBytes = 100
    options.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
  }

  @Test(arguments: [(-1, true), (5, true), (6, true), (4, false), (1, false), (0, false)])
  func `a job fails when more rows fail than may`(_ threshold: Int, _ completes: Bool) throws {
    let workshop = try Self.workshop()
    let job = try workshop.run(
      workshop.order {
        $0.errorThreshold = threshold
        $0.miniBatchRows = 8
      }, Self.options)
    #expect(job.status == (completes ? .completed : .failed))
    if completes {
      #expect(job.progress.scoredRows == 95 && job.progress.failedRows == 5)
      let errors = try #require(workshop.text("job", "errors.jsonl"))
      #expect(
        errors.split(separator: "\n").map(String.init) == [19, 39, 59].map { error("a.csv", $0) }
          + [19, 39].map { error("b.csv", $0) })
      let rows = try #require(workshop.text()).split(separator: "\n")
      #expect(rows.count == 96)
    } else {
      #expect(
        job.reason
          == "\(threshold + 1) row\(threshold == 0 ? "" : "s") failed, \(threshold) may; the first: "
          + "a.csv: row 19: column 'b': expected a number (float64), got 'bad19'")
      #expect(workshop.output() == nil)
      #expect(job.progress.failedRows == threshold + 1)
      // All up to the one that was too much.
      let all = [19, 39, 59].map { error("a.csv", $0) } + [19, 39].map { error("b.csv", $0) }
      let kept = try #require(workshop.failedRows())
      #expect(kept.split(separator: "\n").map(String.init) == Array(all.prefix(threshold + 1)))
      #expect(try entries(of: "azureml", workshop) == [])
      #expect(try entries(of: ".swerve/failed-rows/job", workshop) == ["errors.jsonl"])
    }
    #expect(workshop.leftovers == [])
  }

  private func entries(of folder: String, _ workshop: JobWorkshop) throws -> [String] {
    let path = workshop.path + "/store/" + folder
    return FolderTree.exists(path) ? try FolderTree.entries(path).map(\.name) : []
  }

  @Test func `a job that fails leaves the list of rows over a crash at any step`() throws {
    let workshop = try Self.workshop()
    let whole = try workshop.run(workshop.order("whole") { $0.errorThreshold = 3 }, Self.options)
    let expected = try #require(workshop.failedRows("whole"))
    #expect(expected.split(separator: "\n").count == 4)
    var place = 0
    while true {
      place += 1
      let name = "job-\(place)"
      let crash = StepTrap(at: place, lasting: true) { () throws(BatchError) in
        throw .interrupted(.crash)
      }
      let first = workshop.service {
        Self.options(&$0)
        $0.steps = crash.steps
      }
      try first.start()
      _ = try first.submit(
        workshop.order(name) { $0.errorThreshold = 3 }, requestIdentifier: nil)
      while !crash.wasHit, try first.job(name)?.status.isFinal == false { pause(milliseconds: 2) }
      first.stop()
      let second = workshop.service(Self.options)
      try second.start()
      let job = try workshop.ending(of: name, second)
      second.stop()
      #expect(job.status == .failed)
      #expect(workshop.failedRows(name) == expected, "step \(place)")
      #expect(job.progress.failedRows == 4, "step \(place)")
      #expect(job.progress.scoredRows == whole.progress.scoredRows, "step \(place)")
      #expect(try workshop.store.job(name)?.job == job, "step \(place)")
      #expect(workshop.output(name) == nil && workshop.leftovers == [], "step \(place)")
      if !crash.wasHit { break }
    }
    #expect(place > 10)
  }

  @Test func `a job whose input changes leaves the rows that had failed`() throws {
    let workshop = try Self.workshop()
    let path = workshop.path + "/data/b.csv"
    let trap = StepTrap(at: 12) { () throws(BatchError) in truncate(path, 10) }
    let job = try workshop.run(workshop.order()) {
      Self.options(&$0)
      $0.steps = trap.steps
    }
    #expect(job.reason?.hasPrefix("InputChanged: b.csv") == true, "\(job.reason ?? "")")
    let kept = try #require(workshop.failedRows())
    #expect(kept.hasPrefix(error("a.csv", 19) + "\n"))
    #expect(kept.split(separator: "\n").count == job.progress.failedRows)
    #expect(
      FailedRows.path(of: job, in: workshop.path + "/store")
        == ".swerve/failed-rows/job/errors.jsonl")
  }

  @Test func `half a line at the end of the list is cut off`() throws {
    let workshop = try JobWorkshop()
    let work = WorkFolder(path: workshop.path + "/torn")
    for folder in [work.path, work.score] { mkdir(folder, 0o755) }
    let long = String(repeating: "x", count: 70_000)
    for (text, kept) in [("a\nb", "a\n"), ("a\n\(long)", "a\n"), ("\(long)\n", "\(long)\n")] {
      try DurableFile.write(Array(text.utf8), to: work.score + "/errors.jsonl")
      try FailedRows.keep(
        from: work, ofJob: "torn", byteCount: text.utf8.count, in: workshop.path + "/store")
      #expect(workshop.failedRows("torn") == kept)
      try FolderTree.remove(workshop.path + "/store/.swerve")
    }
  }

  @Test func `the counts of a job that failed are those of its list, before any commit too`() throws
  {
    let workshop = try Self.workshop()
    for (threshold, scored) in [(0, 57), (4, 95)] {
      let name = "job-\(threshold)"
      // One block for each file, and no commit before the end.
      let job = try workshop.run(workshop.order(name) { $0.errorThreshold = threshold })
      #expect(job.status == .failed)
      let kept = try #require(workshop.failedRows(name)).split(separator: "\n")
      #expect(kept.count == (threshold == 0 ? 3 : 5))
      #expect(job.progress.failedRows == kept.count && job.progress.scoredRows == scored)
      #expect(job.reason?.hasPrefix("\(kept.count) rows failed, \(threshold) may") == true)
      let next = workshop.service()
      try next.start()
      #expect(try next.job(name) == job)
      next.stop()
    }
    let metrics = String(decoding: workshop.metrics.prometheusText(), as: UTF8.self)
    #expect(metrics.contains("result=\"failed\"} 8\n"), "\(metrics)")
  }

  @Test func `a job that fails before it goes on tells of what it had committed`() throws {
    let workshop = try Self.workshop()
    // Dies where its second row is in the list, and not committed.
    let lists = StepTrap(at: 2) { () throws(BatchError) in }
    let first = workshop.service {
      Self.options(&$0)
      $0.steps = { (step) throws(BatchError) in
        if step == .appendErrors { try lists.steps(step) }
        if lists.wasHit, step != .appendErrors { throw .interrupted(.crash) }
      }
    }
    try first.start()
    _ = try first.submit(
      workshop.order {
        $0.errorThreshold = 4
        $0.miniBatchRows = 20
      }, requestIdentifier: nil)
    while !lists.wasHit { pause(milliseconds: 2) }
    first.stop()
    let left = try ContainedFolder(workshop.path + "/work/job/score").read(
      "errors.jsonl", maxBytes: 1000)
    #expect(left.count { $0 == UInt8(ascii: "\n") } == 2)
    rename(workshop.path + "/data", workshop.path + "/gone")
    let second = workshop.service(Self.options)
    try second.start()
    let job = try workshop.ending(of: "job", second)
    second.stop()
    #expect(job.reason?.hasPrefix("InputChanged: data/") == true, "\(job.reason ?? "")")
    #expect(job.progress.failedRows == 1)
    #expect(workshop.failedRows() == error("a.csv", 19) + "\n")
  }

  @Test func `what lies where the list would go stays as it is`() throws {
    let workshop = try Self.workshop()
    for folder in [".swerve", ".swerve/failed-rows", ".swerve/failed-rows/job"] {
      mkdir(workshop.path + "/store/" + folder, 0o755)
    }
    try DurableFile.write(
      Array("mine".utf8), to: workshop.path + "/store/.swerve/failed-rows/job/errors.jsonl")
    #expect(try workshop.run(workshop.order { $0.errorThreshold = 0 }).status == .failed)
    #expect(workshop.failedRows() == "mine" && workshop.leftovers == [])
  }

  private func error(_ file: String, _ row: Int) -> String {
    let value = file == "a.csv" ? row : row + 60
    return
      #"{"file":"\#(file)","row":\#(row),"reason":"column 'b': expected a number (float64)","#
      + #""value":"bad\#(value)"}"#
  }

  @Test(arguments: [4, 5]) func `rows are counted over a crash`(_ threshold: Int) throws {
    let workshop = try Self.workshop()
    var place = 5
    while true {
      place += 9
      let name = "job-\(place)"
      let crash = StepTrap(at: place, lasting: true) { () throws(BatchError) in
        throw .interrupted(.crash)
      }
      let first = workshop.service {
        Self.options(&$0)
        $0.steps = crash.steps
      }
      try first.start()
      _ = try first.submit(
        workshop.order(name) {
          $0.errorThreshold = threshold
          $0.miniBatchRows = 8
        }, requestIdentifier: nil)
      while !crash.wasHit, try first.job(name)?.status.isFinal == false {
        _ = try first.job(name).flatMap { try first.wait(for: name, after: $0, seconds: 0.02) }
      }
      first.stop()
      let second = workshop.service(Self.options)
      try second.start()
      let job = try workshop.ending(of: name, second)
      second.stop()
      #expect(job.status == (threshold == 5 ? .completed : .failed), "step \(place)")
      if threshold == 4 { #expect(job.reason?.hasPrefix("5 rows failed, 4 may; ") == true) }
      if !crash.wasHit { break }
    }
  }

  @Test func `a job fails by a row with a NUL as by another`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n\u{0},1\n1,1\n")
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    _ = try service.submit(workshop.order { $0.errorThreshold = 0 }, requestIdentifier: nil)
    let job = try workshop.ending(of: "job", service, seconds: 10)
    #expect(job.status == .failed)
    #expect(
      job.reason
        == "1 row failed, 0 may; the first: a.csv: row 0: column 'a': expected a number (float64), "
        + "got '␀'")
    #expect(try workshop.store.job("job")?.job.reason == job.reason)
  }

  @Test func `a job of which no row was scored fails`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\nx,1\ny,2\n")
    let job = try workshop.run(workshop.order())
    #expect(job.status == .failed)
    #expect(
      job.reason
        == "No succeeded mini batch item returned from run(): 2 rows failed; the first: a.csv: "
        + "row 0: column 'a': expected a number (float64), got 'x'")
    #expect(workshop.output() == nil)
    #expect(workshop.failedRows()?.split(separator: "\n").count == 2)
  }

  @Test func `a job of which no row failed leaves no list`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.txt", "no rows")
    let job = try workshop.run(workshop.order())
    #expect(job.status == .failed)
    #expect(FailedRows.path(of: job, in: workshop.path + "/store") == nil)
    #expect(!FolderTree.exists(workshop.path + "/store/azureml/job"))
  }

  @Test func `a file that cannot be read counts as one failure`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,c\n1,2\n")
    try workshop.write("b.csv", JobWorkshop.rows(0..<3))
    try workshop.write("c.csv", [0xFF, 0xFE, 0x61, 0x00])
    let job = try workshop.run(workshop.order())
    #expect(job.status == .completed)
    #expect(job.progress.scoredRows == 3 && job.progress.failedRows == 2)
    let errors = try #require(workshop.text("job", "errors.jsonl")).split(separator: "\n")
    #expect(errors.count == 2)
    #expect(
      errors.first?.hasPrefix(#"{"file":"a.csv","row":null,"reason":"the header has no"#) == true)
    let strict = try workshop.run(workshop.order("strict") { $0.errorThreshold = 1 })
    #expect(strict.status == .failed)
  }
}
