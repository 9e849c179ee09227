import Glibc
import Serving
import Store
import Testing

@testable import BatchScoring

/// What a job has written lies there when it says so.
@Suite struct JobOutputTests {
  private static func options(_ options: inout JobOptions) {
    options.maxBlockBytes = 120
    options.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
  }

  private static func workshop() throws -> JobWorkshop {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<30))
    try workshop.write("b.csv", "")
    try workshop.write("deep/c.csv", JobWorkshop.rows(30..<80))
    return workshop
  }

  private static func order(_ workshop: JobWorkshop, _ name: String = "job") -> JobOrder {
    workshop.order(name) {
      $0.miniBatchRows = 12
      $0.isPerFile = true
    }
  }

  @Test(arguments: [["row"], ["id", "prediction"], ["file_name"], ["id", "a", "id"]])
  func `an order whose output would have two columns of one name is refused`(
    _ columns: [String]
  ) throws {
    let workshop = try Self.workshop()
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    let error = #expect(throws: BatchError.self) {
      _ = try service.submit(
        workshop.order { $0.carriedColumns = columns }, requestIdentifier: nil)
    }
    guard case .refused(let reason)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("two columns '\(columns.last ?? "")'"), "\(reason)")
  }

  @Test func `an output that would have too long a name fails before a row is scored`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("deep/a.csv", "a,b\n1,2\n")
    let long = String(repeating: "n", count: 255 - ".csv".count) + ".csv"
    let folder = workshop.path + "/data/deep/"
    #expect(rename(folder + "a.csv", folder + long) == 0)
    func order(_ name: String, _ format: BatchSettings.Format) -> JobOrder {
      workshop.order(name) {
        $0.isPerFile = true
        $0.format = format
      }
    }
    func check(_ reason: String) {
      #expect(reason.contains("deep/\(long)"), "\(reason)")
      #expect(reason.contains("a name of 257 bytes, and may have 255"), "\(reason)")
      #expect(!reason.contains(workshop.path), "\(reason)")
    }
    // One that is taken without a look at its files tells it when it has listed them.
    _ = try workshop.store.add(order("listed", .jsonl), requestIdentifier: nil, at: 1)
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    let listed = try workshop.ending(of: "listed", service)
    #expect(listed.status == .failed && listed.progress.readBytes == 0)
    check(listed.reason ?? "")
    let error = #expect(throws: BatchError.self) {
      _ = try service.submit(order("asked", .jsonl), requestIdentifier: nil)
    }
    check("\(error.map { "\($0)" } ?? "")")
    _ = try service.submit(order("as-long", .csv), requestIdentifier: nil)
    #expect(try workshop.ending(of: "as-long", service).status == .completed)
  }

  @Test func `an output whose path would be too long is refused by its file's name`() throws {
    let workshop = try JobWorkshop()
    let part = String(repeating: "p", count: 200)
    // A path of the input alone may be as long as the system has it.
    let folder = Array(repeating: part, count: 18).joined(separator: "/")
    try workshop.write(folder + "/a.csv", JobWorkshop.rows(0..<3))
    var order = workshop.order { $0.isPerFile = true }
    order.output.folder = Array(repeating: part, count: 4).joined(separator: "/")
    let error = #expect(throws: BatchError.self) { try workshop.run(order) }
    guard case .refused(let reason)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("/a.csv' would have a path of"), "\(reason)")
    #expect(reason.contains("may have 4095") && !reason.contains(workshop.path), "\(reason)")
  }

  private static let names = ["a.csv", "b.csv", "deep/c.csv", "errors.jsonl"]

  enum Loss: CaseIterable { case remove, empty, change, removeEmpty }

  /// What a power cut may do to a file whose name or bytes were not on the disk.
  @Test(arguments: Loss.allCases)
  func `a finished file that is not there after a crash makes the job start over`(
    _ loss: Loss
  ) throws {
    let workshop = try Self.workshop()
    try workshop.run(Self.order(workshop, "whole"), Self.options)
    try workshop.crash(Self.order(workshop), at: 40, Self.options)
    let score = workshop.path + "/work/job/score/"
    try #require(access(score + "deep/c.csv", F_OK) == 0)
    switch loss {
    case .remove: unlink(score + "a.csv")
    case .empty: truncate(score + "a.csv", 0)
    case .change: try overwrite(score + "a.csv", at: 30, with: "X")
    case .removeEmpty: unlink(score + "b.csv")
    }
    let second = workshop.service(Self.options)
    try second.start()
    #expect(try workshop.ending(of: "job", second).status == .completed)
    second.stop()
    for name in Self.names {
      #expect(workshop.text("job", name) == workshop.text("whole", name), "\(name)")
    }
  }

  @Test(arguments: [false, true])
  func `a file that goes away while the job runs is written again`(_ isPerFile: Bool) throws {
    let workshop = try Self.workshop()
    func order(_ name: String) -> JobOrder { workshop.order(name) { $0.isPerFile = isPerFile } }
    try workshop.run(order("whole"))
    let lost = isPerFile ? "deep/c.csv" : "predictions.csv"
    let path = workshop.path
    let trap = StepTrap(at: 1) { () throws(BatchError) in
      unlink(path + "/work/job/score/" + lost)
    }
    let job = try workshop.run(order("job")) {
      $0.steps = { (step) throws(BatchError) in
        if step == .finalizing { try trap.steps(step) }
      }
    }
    #expect(job.status == .completed, "\(job.reason ?? "")")
    for name in isPerFile ? Self.names : ["predictions.csv", "errors.jsonl"] {
      #expect(workshop.text("job", name) != nil, "\(name)")
      #expect(workshop.text("job", name) == workshop.text("whole", name), "\(name)")
    }
  }

  @Test func `an error behind the rename does not fail the job`() throws {
    let workshop = try Self.workshop()
    for step in [JobStep.renamed, .syncOutputName] {
      let name = "\(step)"
      let trap = StepTrap(at: 1, lasting: true) { () throws(BatchError) in
        throw .refused("fsync of the folder: Input/output error")
      }
      let job = try workshop.run(workshop.order(name)) {
        $0.steps = { (met) throws(BatchError) in if met == step { try trap.steps(met) } }
      }
      #expect(trap.wasHit)
      #expect(job.status == .completed, "\(step): \(job.reason ?? "")")
      #expect(
        job.reason == "the output is whole and in its place, but may not outlast a power cut: "
          + "fsync of the folder: Input/output error")
      #expect(workshop.output(name, "_SUCCESS.json") != nil)
    }
  }

  @Test func `an output whose name a power cut undid appears again`() throws {
    let workshop = try Self.workshop()
    let service = workshop.service {
      $0.steps = { (step) throws(BatchError) in
        if step == .syncOutputName { throw .refused("fsync: Input/output error") }
      }
    }
    try service.start()
    _ = try service.submit(workshop.order(), requestIdentifier: nil)
    #expect(try workshop.ending(of: "job", service).status == .completed)
    service.stop()
    let expected = workshop.text()
    try #require(expected != nil)
    rename(workshop.path + "/store/azureml/job/score", workshop.path + "/work/job/score")
    let next = workshop.service()
    try next.start()
    #expect(workshop.text() == expected)
    #expect(try next.job("job")?.status == .completed)
    next.stop()
    #expect(workshop.leftovers == [])
  }
}
