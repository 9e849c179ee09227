import Executors
import Serving
import Tensors
import Testing

@testable import BatchScoring

/// Files that are damaged somewhere: what stands whole before that is scored.
@Suite struct JobDamageTests {
  private static let header = "row,prediction,file_name\n"

  /// gzip of the text as it is, and then a block of a kind that there is not.
  private static func damaged(_ text: String) -> [UInt8] {
    let count = UInt16(text.utf8.count)
    let length = [UInt8(count & 0xFF), UInt8(count >> 8)]
    return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0] + length + length.map { ~$0 }
      + Array(text.utf8) + [7]
  }

  @Test func `rows before the damage in a gzip file are scored`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv.gz", Self.damaged("a,b\n1,1\n1,60\n60,1\n60,"))
    try workshop.write("b.jsonl.gz", Self.damaged("[1,1]\n[1,60]"))
    try workshop.write("c.csv", "a,b\n1,1\n")
    let job = try workshop.run(workshop.order())
    #expect(job.status == .completed, "\(job.reason ?? "")")
    #expect(
      workshop.text() == Self.header
        + "0,1.5,a.csv.gz\n1,3.125,a.csv.gz\n2,2.25,a.csv.gz\n0,1.5,b.jsonl.gz\n0,1.5,c.csv\n")
    let reason = "is no valid gzip: invalid block type"
    #expect(
      workshop.text("job", "errors.jsonl")
        == ["a.csv.gz", "b.jsonl.gz"].map {
          #"{"file":"\#($0)","row":null,"reason":"\#(reason)","value":""}"# + "\n"
        }.joined())
    #expect(job.progress.scoredRows == 5 && job.progress.failedRows == 2)
  }

  @Test func `damage changes no byte of a job that is gone on with`() throws {
    let workshop = try JobWorkshop()
    let text = JobWorkshop.rows(0..<60)
    try workshop.write("a.csv.gz", Self.damaged(text))
    func options(_ options: inout JobOptions) {
      options.maxBlockBytes = 100
      options.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
    }
    func order(_ name: String) -> JobOrder { workshop.order(name) { $0.miniBatchRows = 8 } }
    try workshop.run(order("whole"), options)
    let expected = try #require(workshop.text("whole"))
    #expect(expected.utf8.count { $0 == 0x0A } == 61)
    for place in stride(from: 4, to: 60, by: 5) {
      let name = "job-\(place)"
      try workshop.crash(order(name), at: place, options)
      let second = workshop.service(options)
      try second.start()
      #expect(try workshop.ending(of: name, second).status == .completed)
      second.stop()
      #expect(workshop.text(name) == expected, "step \(place)")
      #expect(
        workshop.text(name, "errors.jsonl") == workshop.text("whole", "errors.jsonl"),
        "step \(place)")
    }
  }

  @Test func `a row that is too long before the damage is told of too`() throws {
    var limits = RowCutter.Limits()
    limits.maxRowBytes = 10
    var cutter = RowCutter(
      DamagedSource(bytes: Array("1,2\n3,4\nxxxxxxxxxxxxxxxx".utf8)), name: "t",
      grammar: .csv(skipsBlankLines: true), limits: limits)
    #expect(try cutter.next()?.rowCount == 2)
    #expect(try cutter.next()?.fault?.reason == "is longer than 10 bytes")
    for _ in 0..<2 {
      #expect(throws: BatchError.text(file: "t", reason: "damaged")) { try cutter.next() }
    }
  }

  @Test func `an array whose rows have no values is refused by name`() throws {
    let input = ModelInput(name: "x", elementType: .float64, shape: [nil, nil])
    let file = NPYFormat.write(Tensor(.float64, shape: Shape(5, 0)))
    let error = #expect(throws: BatchError.self) {
      _ = try NumberCutter(
        PieceSource(bytes: file, pieceBytes: 64), name: "a.npy", input: input, maxRows: 10)
    }
    #expect(error?.description == "a.npy: holds [5, 0]: its rows have no values")
    let none = NPYFormat.write(Tensor(.float64, shape: Shape(0, 3)))
    var cutter = try NumberCutter(
      PieceSource(bytes: none, pieceBytes: 64), name: "b.npy", input: input, maxRows: 10)
    #expect(try cutter.next() == nil)
  }

  /// A header of a few bytes may claim any number.
  @Test(arguments: ["False", "True"], ["<f4", "|u1"])
  func `an array whose rows are absurdly long is refused, and takes no memory`(
    _ isFortran: String, _ type: String
  ) throws {
    func file(_ shape: String) -> [UInt8] {
      let header = "{'descr': '\(type)', 'fortran_order': \(isFortran), 'shape': \(shape), }\n"
      return [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, UInt8(header.utf8.count), 0]
        + Array(header.utf8) + [UInt8](repeating: 0, count: 64)
    }
    for (shape, rank, count) in [
      ("(1, 100000000000000)", 2, "100000000000000"), ("(3, 16777217)", 2, "16777217"),
      ("(1, 300000, 300000)", 3, "90000000000"),
      ("(1, 576460752303423487)", 2, "576460752303423487"),
    ] {
      let input = ModelInput(
        name: "x", elementType: .float32, shape: [Int?](repeating: nil, count: rank))
      let error = #expect(throws: BatchError.self) {
        _ = try NumberCutter(
          PieceSource(bytes: file(shape), pieceBytes: 64), name: "a.npy", input: input, maxRows: 10)
      }
      let expected = "a row of it has \(count) values; 16777216 of 4 bytes may be"
      #expect(error?.description.hasSuffix(expected) == true, "\(error?.description ?? "")")
    }
  }

  @Test func `a job with an absurd array scores its other files`() throws {
    let workshop = try JobWorkshop()
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000000, 2), }\n"
    try workshop.write(
      "a.npy",
      [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, UInt8(header.utf8.count), 0]
        + Array(header.utf8) + [UInt8](repeating: 0, count: 20))
    try workshop.write("b.csv", "a,b\n1,1\n")
    let job = try workshop.run(workshop.order())
    #expect(job.status == .completed, "\(job.reason ?? "")")
    #expect(
      workshop.text() == Self.header + "0,1.5,a.npy\n1,1.5,a.npy\n0,1.5,b.csv\n")
    #expect(
      workshop.text("job", "errors.jsonl")?.contains("ends in row 2 of 100000000000000") == true)
  }
}

/// A text that cannot be read on behind its bytes.
private struct DamagedSource: ByteSource {
  var bytes: [UInt8]

  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
    guard !bytes.isEmpty else { throw .text(file: "t", reason: "damaged") }
    let count = min(bytes.count, buffer.count)
    buffer.copyBytes(from: bytes.prefix(count))
    bytes.removeFirst(count)
    return count
  }
}
