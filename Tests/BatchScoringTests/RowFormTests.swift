import Executors
import Serving
import Tensors
import Testing

@testable import BatchScoring

/// Gives rows of any width back; refuses one that begins with 13.
private struct WideExecutor: ModelExecutor {
  let signature = ModelSignature(
    inputs: [ModelInput(name: "X", elementType: .float64, shape: [nil, nil])],
    outputs: [ModelOutput(name: "y", kind: .tensor(.float64, shape: [nil, nil]))])
  var summary: String { "wide" }

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let table = inputs[0] else { throw .missingInput("X") }
    let values = table.values(as: Double.self)
    let width = table.shape[1]
    for row in 0..<table.rowCount where values[row * width] == 13 {
      throw .failed(node: "echo", reason: "no luck")
    }
    return [.tensor(table)]
  }
}

/// Rows of different widths, for a model that takes any.
@Suite struct RowFormTests {
  private static func run(
    _ text: String, threads: Int, maxRows: Int
  ) throws -> (text: String, faults: [RowFault]) {
    var scoring = StreamScoring(
      LoadedModel(executor: WideExecutor(), format: "test"), outputs: [0], format: .jsonl,
      columns: PredictionColumns(), threads: threads, maxFaults: nil)
    scoring.limits.maxRows = maxRows
    var (bytes, faults): ([UInt8], [RowFault]) = ([], [])
    let summary = try scoring.run(
      PieceSource(bytes: Array(text.utf8), pieceBytes: 4096), name: "t", write: { bytes += $0 },
      tell: { faults.append($0) })
    #expect(summary.failed == faults.count)
    return (String(decoding: bytes, as: UTF8.self), faults)
  }

  @Test func `rows are as wide as the first that is scored, wherever blocks begin`() throws {
    var text = "[1]x\n[13,1,1,1]\n"
    for row in 0..<400 { text += row % 7 == 3 ? "[\(row),2,3]\n" : "[\(row),2]\n" }
    for row in 0..<400 { text += "[\(row),2,3]\n" }
    let whole = try Self.run(text, threads: 1, maxRows: 65_536)
    #expect(whole.text.hasPrefix("row,prediction_0,prediction_1\n2,0.0,2.0\n"))
    let cells = Set(whole.text.split(separator: "\n").map { $0.count { $0 == "," } })
    #expect(cells == [2])
    #expect(whole.faults.count == 2 + 57 + 1 + 400)
    #expect(
      whole.faults[2]
        == RowFault(
          row: 5, reason: "has 3 values; the first row that was scored has 2", value: ""))
    for (threads, maxRows) in [(1, 1), (3, 10), (2, 100), (3, 402)] {
      let cut = try Self.run(text, threads: threads, maxRows: maxRows)
      #expect(cut.text == whole.text, "\(threads) \(maxRows)")
      #expect(cut.faults == whole.faults, "\(threads) \(maxRows)")
    }
  }

  @Test func `a job's rows keep their width over a crash`() throws {
    let workshop = try JobWorkshop()
    try workshop.register("wide", ONNXText.identity([nil, nil]))
    func order(_ name: String) -> JobOrder {
      var order = workshop.order(name, threads: 3) { $0.miniBatchRows = 8 }
      order.model = "wide"
      return order
    }
    try workshop.write("a.jsonl", (0..<40).map { "[\($0),2]\n" }.joined())
    try workshop.write("b.jsonl", (0..<40).map { "[\($0),2,3]\n" }.joined() + "[7,7]\n")
    try workshop.run(order("whole"), JobWorkshop.commitOften)
    let expected = try #require(workshop.text("whole"))
    #expect(expected.split(separator: "\n").count == 42)
    #expect(expected.hasSuffix("\n40,7.0,7.0,b.jsonl\n"), "\(expected.suffix(60))")
    let errors = try #require(workshop.text("whole", "errors.jsonl"))
    #expect(errors.split(separator: "\n").count == 40)
    for step in stride(from: 8, to: 90, by: 9) {
      let name = "job-\(step)"
      try workshop.crash(order(name), at: step, JobWorkshop.commitOften)
      let second = workshop.service(JobWorkshop.commitOften)
      try second.start()
      #expect(try workshop.ending(of: name, second).status == .completed)
      second.stop()
      #expect(workshop.text(name) == expected, "step \(step)")
      #expect(workshop.text(name, "errors.jsonl") == errors, "step \(step)")
    }
  }

  @Test func `a form is what its text says`() {
    for form in [
      RowForm(inputWidth: 2, widths: [1, 3]), RowForm(inputWidth: nil, widths: [4]),
      RowForm(inputWidth: 7, widths: []),
    ] {
      #expect(RowForm(form.description) == form)
    }
    #expect(RowForm("") == nil)
    let (first, other) = (
      RowForm(inputWidth: nil, widths: [1, 2]), RowForm(inputWidth: nil, widths: [1, 1])
    )
    #expect(first.difference(to: first, ["p", "q"]) == nil)
    #expect(
      other.difference(to: first, ["p", "q"])
        == "the model gives 1 value of 'q' for it; for the first row that was scored it gives 2")
  }
}
