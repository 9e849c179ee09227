import Serving
import Synchronization
import TestTimes
import Testing

@testable import BatchScoring

/// Whatever ends a job in the middle, it goes on and gives the bytes of an undisturbed run.
@Suite struct JobResumeTests {
  /// Three files, one of them packed with faults, in small blocks.
  private static func workshop() throws -> JobWorkshop {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<60, badEvery: 15))
    try workshop.write("deep/b.csv", JobWorkshop.rows(60..<80))
    try workshop.write("z.jsonl", "{\"a\":1,\"b\":2}\n[60,3]\nnothing\n")
    return workshop
  }

  private static func options(_ options: inout JobOptions) {
    options.maxBlockBytes = 120
    options.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
  }

  private static func order(
    _ workshop: JobWorkshop, _ name: String = "job", threads: Int = 2, isPerFile: Bool = false
  ) -> JobOrder {
    workshop.order(name, threads: threads) {
      $0.miniBatchRows = 12
      $0.isPerFile = isPerFile
    }
  }

  private static let names = ["predictions.csv", "errors.jsonl"]
  private static let perFileNames = ["a.csv", "deep/b.csv", "z.csv", "errors.jsonl"]

  private static func outputs(
    _ workshop: JobWorkshop, _ job: String, isPerFile: Bool
  ) -> [String?] {
    (isPerFile ? perFileNames : names).map { workshop.text(job, $0) }
  }

  /// Starts the gateway once and ends it, as far as jobs know, at the first of these steps.
  private static func crash(_ workshop: JobWorkshop, at step: JobStep) throws {
    let wasHit = Atomic<Bool>(false)
    let service = workshop.service {
      Self.options(&$0)
      $0.steps = { (reached) throws(BatchError) in
        if reached == step { wasHit.store(true, ordering: .releasing) }
        if wasHit.load(ordering: .acquiring) { throw .interrupted(.crash) }
      }
    }
    try service.start()
    defer { service.stop() }
    while !wasHit.load(ordering: .acquiring), try service.job("job")?.status.isFinal != true {
      pause(milliseconds: 2)
    }
  }

  @Test func `a job that ends the gateway at each start is not started for ever`() throws {
    let workshop = try Self.workshop()
    _ = try workshop.store.add(Self.order(workshop), requestIdentifier: nil, at: 0)
    // That the first one lists the input is progress.
    for _ in 0..<6 {
      try Self.crash(workshop, at: .append)
      #expect(try workshop.store.job("job")?.job.status == .running)
    }
    let next = workshop.service(Self.options)
    try next.start()
    defer { next.stop() }
    let job = try workshop.ending(of: "job", next)
    #expect(job.status == .failed)
    #expect(
      job.reason
        == "the gateway has ended 5 times while it ran this job, each time before it had made any "
        + "progress in 'a.csv' from row 0 on; the job is not started again")
  }

  @Test func `a job that gets on, or stops with the gateway, may be started many times`() throws {
    let workshop = try Self.workshop()
    try workshop.run(Self.order(workshop, "whole"), Self.options)
    _ = try workshop.store.add(Self.order(workshop), requestIdentifier: nil, at: 0)
    for _ in 0..<4 { try Self.crash(workshop, at: .append) }
    // It commits, and the count begins anew.
    try Self.crash(workshop, at: .committed)
    for _ in 0..<4 { try Self.crash(workshop, at: .append) }
    for _ in 0..<8 {
      let stopped = workshop.service {
        Self.options(&$0)
        $0.steps = { (step) throws(BatchError) in
          if step == .append { throw .interrupted(.stop) }
        }
      }
      try stopped.start()
      pause(milliseconds: 20)
      stopped.stop()
    }
    let last = workshop.service(Self.options)
    try last.start()
    defer { last.stop() }
    #expect(try workshop.ending(of: "job", last).status == .completed)
    #expect(workshop.text() == workshop.text("whole"))
  }

  @Test(arguments: [false, true]) func `a crash at any step changes no byte`(
    _ isPerFile: Bool
  ) throws {
    let workshop = try Self.workshop()
    try workshop.run(Self.order(workshop, "whole", isPerFile: isPerFile), Self.options)
    let expected = Self.outputs(workshop, "whole", isPerFile: isPerFile)
    try #require(expected.allSatisfy { $0 != nil })
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
        Self.order(workshop, name, isPerFile: isPerFile), requestIdentifier: nil)
      while !crash.wasHit, try first.job(name)?.status != .completed {
        _ = try first.job(name).flatMap { try first.wait(for: name, after: $0, seconds: 0.05) }
      }
      first.stop()
      // A second crash, while it recovers from the first.
      let again = StepTrap(at: 1 + place % 7, lasting: true) { () throws(BatchError) in
        throw .interrupted(.crash)
      }
      let second = workshop.service {
        Self.options(&$0)
        $0.steps = again.steps
      }
      try second.start()
      while !again.wasHit, try second.job(name)?.status != .completed {
        _ = try second.job(name).flatMap { try second.wait(for: name, after: $0, seconds: 0.05) }
      }
      second.stop()
      let third = workshop.service(Self.options)
      try third.start()
      let job = try workshop.ending(of: name, third)
      third.stop()
      #expect(job.status == .completed, "step \(place): \(job.reason ?? "")")
      #expect(
        Self.outputs(workshop, name, isPerFile: isPerFile) == expected, "step \(place)")
      #expect(job.progress.scoredRows == 78 && job.progress.failedRows == 5, "step \(place)")
      #expect(workshop.leftovers == [], "step \(place)")
      if !crash.wasHit { break }
    }
    #expect(place > 25)
  }

  @Test func `a disk that is full at any step pauses the job and changes no byte`() throws {
    let workshop = try Self.workshop()
    try workshop.run(Self.order(workshop, "whole"), Self.options)
    let expected = Self.outputs(workshop, "whole", isPerFile: false)
    var place = 0
    var pauses = 0
    while true {
      place += 1
      let name = "job-\(place)"
      let full = StepTrap(at: place) { () throws(BatchError) in throw .noSpace("the test's disk") }
      let service = workshop.service {
        Self.options(&$0)
        $0.steps = full.steps
      }
      try service.start()
      _ = try service.submit(Self.order(workshop, name), requestIdentifier: nil)
      let paused = try workshop.state(of: name, service) {
        $0.status == .paused || $0.status.isFinal
      }
      if paused.status == .paused {
        pauses += 1
        #expect(paused.reason == "no space: the test's disk")
      }
      let job = try workshop.ending(of: name, service)
      service.stop()
      #expect(job.status == .completed, "step \(place): \(job.reason ?? "")")
      #expect(Self.outputs(workshop, name, isPerFile: false) == expected, "step \(place)")
      #expect(workshop.leftovers == [], "step \(place)")
      if !full.wasHit { break }
    }
    #expect(place > 25 && pauses > 20)
  }

  @Test func `an error of the disk at any step fails the job and leaves nothing`() throws {
    let workshop = try Self.workshop()
    var place = 0
    var unsure = 0
    while true {
      place += 1
      let name = "job-\(place)"
      let broken = StepTrap(at: place) { () throws(BatchError) in throw .io("writing", code: 5) }
      let job = try workshop.run(Self.order(workshop, name)) {
        Self.options(&$0)
        $0.steps = broken.steps
      }
      if !broken.wasHit { break }
      // What may not outlast a power cut keeps its place of work until the next start.
      let isUnsure = job.status == .completed && workshop.leftovers == [name]
      if isUnsure { unsure += 1 } else { #expect(workshop.leftovers == [], "step \(place)") }
      let next = workshop.service()
      try next.start()
      next.stop()
      #expect(workshop.leftovers == [], "step \(place)")
      if job.status == .failed {
        #expect(job.reason == "writing: Input/output error")
      } else {
        // What had appeared before is whole.
        #expect(job.status == .completed)
        #expect(workshop.output(name, "_SUCCESS.json") != nil)
      }
      if workshop.output(name, "_SUCCESS.json") == nil {
        #expect(Self.outputs(workshop, name, isPerFile: false) == [nil, nil])
      }
    }
    #expect(place > 25 && unsure == 1)
  }

  @Test(arguments: [1, 2, 8]) func `any number of threads gives the same bytes`(
    _ threads: Int
  ) throws {
    let workshop = try Self.workshop()
    try workshop.run(Self.order(workshop, "one", threads: 1))
    try workshop.run(Self.order(workshop, "many", threads: threads), Self.options)
    #expect(workshop.output("one") == workshop.output("many"))
    #expect(workshop.output("one", "errors.jsonl") == workshop.output("many", "errors.jsonl"))
  }

  @Test func `a stop lets the job go on with the next start`() throws {
    let workshop = try Self.workshop()
    try workshop.run(Self.order(workshop, "whole"), Self.options)
    let slow = workshop.service {
      Self.options(&$0)
      $0.steps = { (_) throws(BatchError) in pause(milliseconds: 5) }
    }
    try slow.start()
    _ = try slow.submit(Self.order(workshop), requestIdentifier: nil)
    try workshop.state(of: "job", slow) { $0.progress.scoredRows > 20 && $0.status == .running }
    slow.stop()
    #expect(workshop.output() == nil)
    let next = workshop.service(Self.options)
    try next.start()
    let waiting = try #require(try next.job("job"))
    #expect(waiting.progress.scoredRows > 20)
    #expect(try workshop.ending(of: "job", next).status == .completed)
    // The same service goes on after a stop, as when a successor could not start.
    next.stop()
    try next.start()
    next.stop()
    #expect(workshop.output() == workshop.output("whole"))
  }

  @Test func `work files that were changed make the job start over`() throws {
    let workshop = try Self.workshop()
    try workshop.run(Self.order(workshop, "whole"), Self.options)
    try workshop.crash(Self.order(workshop), at: 20, Self.options)
    try overwrite(workshop.path + "/work/job/score/predictions.csv", at: 20, with: "X")
    let second = workshop.service(Self.options)
    try second.start()
    #expect(try workshop.ending(of: "job", second).status == .completed)
    second.stop()
    #expect(workshop.output() == workshop.output("whole"))
  }
}
