import Executors
import Glibc
import Serving
import Tensors
import Testing

@testable import BatchScoring

/// Answers with how many rows it was given: for each row, or once for all.
private struct CountingExecutor: ModelExecutor {
  let signature: ModelSignature
  var summary: String { "counts" }
  var batchDependentNodes: [String]
  var isScalar: Bool

  init(mixesRows: Bool = false, isScalar: Bool = false, outputWidth: Int? = 1) {
    batchDependentNodes = mixesRows ? ["node 'mean' (ReduceMean)"] : []
    self.isScalar = isScalar
    signature = ModelSignature(
      inputs: [ModelInput(name: "X", elementType: .float32, shape: [nil, 1], columns: ["a"])],
      outputs: [ModelOutput(name: "n", kind: .tensor(.int64, shape: [nil, outputWidth]))])
  }

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    let count = inputs[0]?.rowCount ?? 0
    return [
      .tensor(
        isScalar
          ? Tensor([Int64(count)], shape: Shape())
          : Tensor(Array(repeating: Int64(count), count: count), shape: Shape(count)))
    ]
  }
}

/// Answers and inputs that no row is to blame for.
@Suite struct AnswerEdgeTests {
  private static func scoring(_ executor: CountingExecutor, maxFaults: Int? = 0) -> StreamScoring {
    StreamScoring(
      LoadedModel(executor: executor, format: "test"), outputs: [0], format: .csv,
      columns: PredictionColumns(), threads: 1, maxFaults: maxFaults)
  }

  private static func run(
    _ text: String, _ scoring: StreamScoring
  ) -> (text: String, error: String?) {
    var bytes: [UInt8] = []
    do {
      _ = try scoring.run(
        PieceSource(bytes: Array(text.utf8), pieceBytes: 64), name: "t", write: { bytes += $0 },
        tell: { _ in })
    } catch {
      return (String(decoding: bytes, as: UTF8.self), "\(error)")
    }
    return (String(decoding: bytes, as: UTF8.self), nil)
  }

  @Test func `an answer without a value for each row ends the run`() {
    let (text, error) = Self.run("a\n1\n2\n", Self.scoring(CountingExecutor(isScalar: true)))
    #expect(text.isEmpty)
    #expect(error?.hasPrefix("t: from row 0 on: output 'n' has shape []") == true, "\(error ?? "")")
  }

  @Test func `rows that would change each other are scored one by one`() {
    let alone = Self.run("a\n1\n2\n3\n", Self.scoring(CountingExecutor(mixesRows: true)))
    #expect(alone.text == "row,prediction\n0,1\n1,1\n2,1\n")
    let together = Self.run("a\n1\n2\n3\n", Self.scoring(CountingExecutor()))
    #expect(together.text == "row,prediction\n0,3\n1,3\n2,3\n")
  }

  @Test func `the first fault that is told is the run's first`() {
    var text = "a\nx\n"
    for row in 0..<70_000 { text += "\(row)\n" }
    text += "y\nz\n"
    let (_, error) = Self.run(text, Self.scoring(CountingExecutor(), maxFaults: 1))
    #expect(error?.contains("the first: t: row 0: column 'a'") == true, "\(error ?? "")")
  }

  @Test func `a wide answer makes blocks of few rows`() {
    func maxRows(_ width: Int?) -> Int {
      RowCutter.Limits(CountingExecutor(outputWidth: width).signature, outputs: [0]).maxRows
    }
    #expect(maxRows(1) == 65_536)
    #expect(maxRows(1000) == 1048)
    #expect(maxRows(nil) == 4096)
    #expect(maxRows(1 << 40) == 16)
  }

  @Test func `a wide table makes blocks of few rows, whose lines may be short`() {
    func maxRows(_ shape: [Int?], _ columns: Int? = nil) -> Int {
      let input = ModelInput(
        name: "X", elementType: .float64, shape: shape,
        columns: columns.map { (0..<$0).map { "c\($0)" } })
      return RowCutter.Limits(
        ModelSignature(inputs: [input], outputs: []), outputs: []
      ).maxRows
    }
    #expect(maxRows([nil, 10]) == 65_536)
    #expect(maxRows([nil, 1000]) == 1048 && maxRows([nil, nil], 1000) == 1048)
    #expect(maxRows([nil, nil]) == 65_536 && maxRows([nil]) == 65_536)
    #expect(maxRows([nil, 1 << 40, 1 << 40]) == 16)
  }

  @Test(.timeLimit(.minutes(1))) func `a pipe that stays open keeps no error waiting`() throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    var text = "a\nx\n"
    // A whole block, and the reader waits for more.
    for row in 0..<70_000 { text += "\(row)\n" }
    let bytes = Array(text.utf8)
    let writing = ends[1]
    let threads = Threads()
    threads.start(name: "writer") { _ = write(writing, bytes, bytes.count) }
    #expect(throws: BatchError.self) {
      try Self.scoring(CountingExecutor()).run(
        DescriptorSource(ends[0], name: "pipe"), name: "pipe", write: { _ in }, tell: { _ in })
    }
    // What the reader left, so that the writer ends.
    var rest = [UInt8](repeating: 0, count: 1 << 20)
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    while read(ends[0], &rest, rest.count) > 0 {}
    threads.join()
  }

  /// Many columns and lines of one: the lines get no room for values that they do not have.
  @Test func `short lines of a wide table cost what they are`() throws {
    let names = (0..<10_000).map { "c\($0)" }
    let signature = ModelSignature(
      inputs: [
        ModelInput(name: "X", elementType: .float64, shape: [nil, names.count], columns: names)
      ],
      outputs: [])
    let decoder = try TableDecoder(csv: signature, header: names)
    let text = Array(repeating: Array("1\n".utf8), count: 65_536).flatMap { $0 }
    let table = decoder.decode(text.span, maxRows: 65_536)
    #expect(table.rowCount == 65_536 && table.faults.count == 65_536)
    #expect(table.runs[0].inputs[0]?.shape == Shape(0, names.count))
  }
}
