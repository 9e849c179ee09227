import Glibc
import Serving
import Store
import TestTimes
import Testing

@testable import BatchScoring

/// B7 on a disk that is really full: workspace, database, input and output lie on it.
@Suite(.serialized) struct JobSpaceTests {
  /// A small file system in memory; nil where it may not be made.
  private static func smallDisk(_ folder: String) -> String? {
    let path = "/tmp/swerve-disk-\(folder)-\(getpid())"
    mkdir(path, 0o755)
    guard system("mount -t tmpfs -o size=6m tmpfs '\(path)' 2>/dev/null") == 0 else {
      rmdir(path)
      return nil
    }
    return path
  }

  @Test(arguments: [900, 600, 300, 120, 40, 8])
  func `a full disk pauses the job until there is room`(
    _ roomKilobytes: Int
  ) throws {
    guard let disk = Self.smallDisk("\(roomKilobytes)") else { return }
    defer { _ = system("umount -l '\(disk)'; rmdir '\(disk)'") }
    let elsewhere = try JobWorkshop()
    let workshop = try JobWorkshop(on: disk)
    for place in [elsewhere, workshop] {
      try place.write("a.csv", JobWorkshop.rows(0..<60_000, badEvery: 100))
    }
    #expect(try elsewhere.run(elsewhere.order()).status == .completed)
    let service = workshop.service {
      $0.maxBlockBytes = 20_000
      $0.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
    }
    try service.start()
    try Self.fill(disk, leaving: roomKilobytes << 10)
    let order = workshop.order { $0.miniBatchRows = 2000 }
    var outcome = Result { try service.submit(order, requestIdentifier: nil) }
    if case .failure(let error) = outcome {
      // Not even the order could be stored, and that is said.
      #expect("\(error)".contains("no space"), "\(error)")
    } else {
      let paused = try workshop.state(of: "job", service) { $0.status == .paused }
      #expect(paused.reason?.hasPrefix("no space: ") == true, "\(paused.reason ?? "")")
      pause(milliseconds: 30)
      #expect(try service.job("job")?.status.isFinal == false)
    }
    unlink(disk + "/filler")
    if case .failure = outcome {
      outcome = Result { try service.submit(order, requestIdentifier: nil) }
    }
    _ = try outcome.get()
    let job = try workshop.ending(of: "job", service)
    service.stop()
    #expect(job.status == .completed, "\(job.reason ?? "")")
    for file in ["predictions.csv", "errors.jsonl"] {
      #expect(workshop.output("job", file) == elsewhere.output("job", file), "\(file)")
    }
    #expect(workshop.leftovers == [])
  }

  @Test func `a cancel on a full disk ends the job and gives its room back`() throws {
    guard let disk = Self.smallDisk("cancel") else { return }
    defer { _ = system("umount -l '\(disk)'; rmdir '\(disk)'") }
    let workshop = try JobWorkshop(on: disk)
    try workshop.write("a.csv", JobWorkshop.rows(0..<60_000, badEvery: 100))
    let service = workshop.service {
      $0.maxBlockBytes = 20_000
      $0.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
    }
    try service.start()
    try Self.fill(disk, leaving: 300 << 10)
    _ = try service.submit(
      workshop.order { $0.miniBatchRows = 2000 }, requestIdentifier: nil)
    try workshop.state(of: "job", service) { $0.status == .paused }
    // Not one byte is left for the note.
    try Self.fill(disk, "rest", leaving: 0)
    do {
      try service.cancel("job", by: "me")
    } catch {
      guard case BatchError.cancelNotStored = error else { throw error }
    }
    #expect(try workshop.ending(of: "job", service, seconds: 20).status == .canceled)
    service.stop()
    #expect(workshop.output() == nil && workshop.leftovers == [])
    #expect(try workshop.number("SELECT count(*) FROM audit WHERE action = 'cancel'") == 1)
  }

  @Test func `an output on another file system appears by one rename too`() throws {
    guard let disk = Self.smallDisk("other") else { return }
    defer { _ = system("umount -l '\(disk)'; rmdir '\(disk)'") }
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<100))
    try workshop.run(workshop.order("here"))
    var order = workshop.order()
    order.output.root = disk
    order.output.folder = "out"
    let job = try workshop.run(order)
    #expect(job.status == .completed, "\(job.reason ?? "")")
    let root = try ContainedFolder(disk)
    #expect(try root.read("out/predictions.csv", maxBytes: 1 << 20) == workshop.output("here"))
    #expect(try root.entries("").map(\.name) == ["out"])
    // The rows that failed are kept in the datastore all the same.
    try workshop.write("a.csv", JobWorkshop.rows(0..<100, badEvery: 50))
    var failing = workshop.order("failing") { $0.errorThreshold = 0 }
    failing.output.root = disk
    failing.output.folder = "none"
    #expect(try workshop.run(failing).status == .failed)
    #expect(workshop.failedRows("failing")?.contains("bad49") == true)
    #expect(try root.entries("").map(\.name) == ["out"])
    #expect(workshop.leftovers == [])
  }

  @Test func `an output where nothing can be written is refused before any work`() throws {
    guard let disk = Self.smallDisk("sealed") else { return }
    defer { _ = system("umount -l '\(disk)'; rmdir '\(disk)'") }
    mkdir(disk + "/sub", 0o755)
    guard system("mount -o remount,ro '\(disk)' 2>/dev/null") == 0 else { return }
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<10))
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    for folder in ["out", "sub/out", "new/deep/out"] {
      var order = workshop.order()
      (order.output.root, order.output.folder) = (disk, folder)
      order.output.address = "the place"
      let error = #expect(throws: BatchError.self) {
        _ = try service.submit(order, requestIdentifier: nil)
      }
      guard case .refused(let reason)? = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(reason.hasPrefix("the output the place cannot be written: Read-only"), "\(reason)")
    }
    #expect(try workshop.number("SELECT count(*) FROM jobs") == 0)
  }

  private static func fill(
    _ disk: String, _ name: String = "filler", leaving byteCount: Int
  ) throws {
    let file = open(disk + "/" + name, O_WRONLY | O_CREAT, 0o644)
    try #require(file >= 0)
    defer { close(file) }
    var status = statvfs()
    try #require(fstatvfs(file, &status) == 0)
    let free = Int(status.f_bavail) * Int(status.f_frsize)
    try #require(free >= byteCount)
    if free == byteCount { return }
    try #require(posix_fallocate(file, 0, off_t(free - byteCount)) == 0)
  }
}
