import Executors
import Serving
import Store
import Synchronization
import Tensors
import Testing

@testable import BatchScoring

/// A cancel and a stop wait for no long loop: each asks for every block or entry.
@Suite struct JobInterruptionTests {
  /// Says no from the call of this number on.
  private final class Interruption: Sendable {
    private let left: Atomic<Int>

    init(after calls: Int) { left = Atomic(calls) }

    var check: InterruptionCheck {
      { [self] () throws(BatchError) in
        if left.subtract(1, ordering: .relaxed).newValue < 0 { throw .interrupted(.cancel) }
      }
    }
  }

  private static let never: InterruptionCheck = { () throws(BatchError) in }
  private static let expected = BatchError.interrupted(.cancel)

  private static func watched(
    _ workshop: JobWorkshop, _ name: String, _ check: @escaping InterruptionCheck
  ) throws -> WatchedFile {
    let listing = try InputListing(workshop.order(input: name).input)
    let file = try #require(try listing.files(never).first)
    return WatchedFile(file, taking: try listing.open(file), expected: nil, check)
  }

  @Test(arguments: [0, 1, 70, 150]) func `a folder is listed no further`(_ calls: Int) throws {
    let workshop = try JobWorkshop()
    for number in 0..<60 { try workshop.write("\(number % 3)/\(number).csv", "a,b\n") }
    let listing = try InputListing(workshop.order().input)
    #expect(throws: Self.expected) { try listing.files(Interruption(after: calls).check) }
    #expect(try listing.files(Self.never).count == 60)
  }

  @Test func `a file is read no further, whatever it is read for`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", String(repeating: "x", count: 3 << 20))
    #expect(throws: Self.expected) {
      _ = try Self.watched(workshop, "a.csv", Interruption(after: 3).check).finish()
    }
    // Up to where an earlier run was.
    var limits = RowCutter.Limits()
    var skipping = RowCutter(
      WatchedSource(file: try Self.watched(workshop, "a.csv", Interruption(after: 3).check)),
      name: "a.csv", grammar: .jsonLines, limits: limits)
    #expect(throws: Self.expected) { try skipping.skip(to: 3 << 20, row: 1) }
    // Behind a row that is too long.
    limits.maxRowBytes = 1000
    var cutter = RowCutter(
      WatchedSource(file: try Self.watched(workshop, "a.csv", Interruption(after: 3).check)),
      name: "a.csv", grammar: .jsonLines, limits: limits)
    #expect(throws: Self.expected) { try cutter.next() }
  }

  @Test func `an array is passed over no further, and its header is no fault of the file`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.npy", NPYFormat.write(Tensor(.float64, shape: Shape(1 << 16, 2))))
    let input = ModelInput(name: "x", elementType: .float64, shape: [nil, 2])
    for calls in [0, 1, 3] {
      let source = WatchedSource(
        file: try Self.watched(workshop, "a.npy", Interruption(after: calls).check))
      #expect(throws: Self.expected, "\(calls)") {
        var cutter = try NumberCutter(source, name: "a.npy", input: input, maxRows: 100)
        try cutter.skip(to: 1 << 16)
      }
    }
  }

  @Test func `what was listed is written down no further`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<10))
    let file = try #require(
      try InputListing(workshop.order(input: "a.csv").input).files(Self.never).first)
    let job = try workshop.store.add(workshop.order(), requestIdentifier: nil, at: 1).job
    let files = (0..<5000).map { number in
      var copy = file
      copy.path = "\(number).csv"
      return copy
    }
    #expect(throws: Self.expected) {
      try workshop.store.list(
        job.sequence, files, JobProgress(), Interruption(after: 1).check)
    }
    let written = try workshop.number("SELECT count(*) FROM job_files")
    #expect(written > 0 && written < 5000, "\(written)")
    #expect(try workshop.store.job("job")?.job.status == .queued)
  }

  @Test func `what was committed is hashed no further`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("done", String(repeating: "x", count: 1 << 20))
    let path = workshop.path + "/data/done"
    let state = JobProgress.FileState(byteCount: 1 << 20, hash: "")
    #expect(throws: Self.expected) {
      _ = try AppendedFile(path, committed: state, Interruption(after: 2).check)
    }
    #expect(throws: Self.expected) {
      try AppendedFile.verify(path, state, Interruption(after: 2).check)
    }
  }
}
