import Executors
import Glibc
import Serving
import Telemetry
import Tensors
import Testing

@testable import BatchScoring

/// Sums its columns; refuses a row whose first value is 13.
struct SummingExecutor: ModelExecutor {
  var signature: ModelSignature
  var summary: String { "sums" }

  init(_ type: ElementType = .float64, columns: [String] = ["a", "b"]) {
    signature = ModelSignature(
      inputs: [ModelInput(name: "X", elementType: type, shape: [nil, 2], columns: columns)],
      outputs: [ModelOutput(name: "predict", kind: .tensor(.float64, shape: [nil]))])
  }

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let table = inputs[0] else { throw .missingInput("X") }
    let numbers: [Double]
    if table.elementType == .float32 {
      let values = table.values(as: Float.self)
      numbers = values.indices.map { Double(values[$0]) }
    } else {
      let values = table.values(as: Double.self)
      numbers = values.indices.map { values[$0] }
    }
    var sums: [Double] = []
    for row in 0..<table.rowCount {
      guard numbers[2 * row] != 13 else { throw .failed(node: "sum", reason: "no luck") }
      sums.append(numbers[2 * row] + 10 * numbers[2 * row + 1])
    }
    return [.tensor(Tensor(sums, shape: Shape(sums.count)))]
  }
}

@Suite struct StreamScoringTests {
  private struct Outcome: Equatable {
    var text = ""
    var faults: [String] = []
    var error: String?
  }

  private static func run(
    _ text: String, _ format: TableDecoder.Format = .csv,
    executor: SummingExecutor = SummingExecutor(), threads: Int = 2, maxFaults: Int? = nil,
    output: PredictionColumns.Format = .csv, carry: [String] = []
  ) -> Outcome {
    var columns = PredictionColumns()
    columns.format = output
    columns.carried = carry
    var scoring = StreamScoring(
      LoadedModel(executor: executor, format: "test"), outputs: [0], format: format,
      columns: columns, threads: threads, maxFaults: maxFaults)
    scoring.limits.maxRows = 500
    var outcome = Outcome()
    var bytes: [UInt8] = []
    do {
      _ = try scoring.run(
        PieceSource(bytes: Array(text.utf8), pieceBytes: 4096), name: "t",
        write: { bytes += $0 }, tell: { outcome.faults.append($0.sentence) })
    } catch {
      outcome.error = "\(error)"
    }
    outcome.text = String(decoding: bytes, as: UTF8.self)
    return outcome
  }

  /// A pipe: whoever writes into it waits for an answer before the next line.
  @Test(arguments: [TableDecoder.Format.csv, .jsonl])
  func `rows are answered when a pipe has no more for a moment`(
    _ format: TableDecoder.Format
  ) throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    let (reading, writing) = (ends[0], ends[1])
    let answers = Monitor("")
    var columns = PredictionColumns()
    columns.format = .csv
    let scoring = StreamScoring(
      LoadedModel(executor: SummingExecutor(), format: "test"), outputs: [0], format: format,
      columns: columns, threads: 2, maxFaults: nil)
    let crew = Threads()
    crew.start(name: "stream") {
      do {
        _ = try scoring.run(
          DescriptorSource(reading, name: "pipe"), name: "pipe",
          write: { bytes in
            answers.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
            answers.broadcast()
          }, tell: { _ in })
      } catch {
        answers.withLock { $0 += "\(error)" }
        answers.broadcast()
      }
    }
    func send(_ text: String) {
      _ = Array(text.utf8).withUnsafeBytes { write(writing, $0.baseAddress, $0.count) }
    }
    func isAnswered(_ text: String) -> Bool {
      let deadline = MonotonicClock.system.now() + 10_000_000_000
      return answers.wait(until: deadline) { $0 == text ? true : nil } ?? false
    }
    var expected = "row,prediction\n"
    if format == .csv { send("a,b\n") }
    for (row, line) in ["1,2", "3,4", "5,6"].enumerated() {
      // Half of the next line waits for its end.
      send(format == .csv ? "\(line)\n9" : "[\(line)]\n[9")
      expected += "\(row * 2),\([21.0, 43.0, 65.0][row])\n"
      #expect(isAnswered(expected), "\(answers.withLock { $0 }) after \(row)")
      send(format == .csv ? ",0\n" : ",0]\n")
      expected += "\(row * 2 + 1),9.0\n"
      #expect(isAnswered(expected), "\(answers.withLock { $0 }) after \(row)")
    }
    close(writing)
    crew.join()
    close(reading)
    #expect(answers.withLock { $0 } == expected)
  }

  @Test(arguments: ["2019,2020", "0,1", "x,y", "1,", "nan,1"])
  func `the first line is the header, also where the model's columns have no names`(
    _ header: String
  ) {
    var nameless = SummingExecutor()
    nameless.signature.inputs[0].columns = nil
    let outcome = Self.run(header + "\n3,4\n", executor: nameless)
    #expect(outcome == Outcome(text: "row,prediction\n0,43.0\n"))
  }

  @Test func `columns go to the model's by name and others are passed over`() {
    let outcome = Self.run("b,note,a\n1,\"x, y\",2\n3,,4\n")
    #expect(outcome == Outcome(text: "row,prediction\n0,12.0\n1,34.0\n"))
  }

  @Test(arguments: [
    ("1,2\r\n3,4\r\n", "0,21.0\n1,43.0\n"), ("\"1\",\" 2 \"\n", "0,21.0\n"),
    ("1,\n", "0,NaN\n"), ("NA,1\n", "0,NaN\n"), ("+1,.5\n", "0,6.0\n"), ("007,1e1\n", "0,107.0\n"),
    ("inf,1\n", "0,Infinity\n"), ("True,False\n", "0,1.0\n"), ("\n\n1,1\n\n", "0,11.0\n"),
    ("1,2", "0,21.0\n"), ("1,", "0,NaN\n"),
  ]) func `cells are read as data frames write them`(_ rows: String, _ expected: String) {
    for type in [ElementType.float32, .float64] {
      let outcome = Self.run("a,b\n" + rows, executor: SummingExecutor(type))
      #expect(outcome == Outcome(text: "row,prediction\n" + expected))
    }
  }

  @Test func `each row that fails is named and takes no other with it`() {
    let outcome = Self.run("a,b\n1,1\nx,1\n2,2,2\n3\n13,1\n\"4,4\n")
    #expect(outcome.text == "row,prediction\n0,11.0\n")
    #expect(
      outcome.faults == [
        "row 1: column 'a': expected a number (float64), got 'x'",
        "row 2: has 3 values; the header has 2, got '2,2,2'",
        "row 3: has 1 values; the header has 2, got '3'",
        "row 4: the model failed at sum: no luck",
        "row 5: EOF inside string: a quote is not closed, got '\"4,4'",
      ])
  }

  @Test func `more faults than allowed end the stream`() {
    let outcome = Self.run("a,b\nx,1\ny,1\n", maxFaults: 1)
    #expect(
      outcome.error
        == "2 rows failed, 1 may; the first: t: row 0: column 'a': expected a number (float64), "
        + "got 'x'")
  }

  @Test func `hexadecimal and words are no numbers`() {
    for cell in ["0x1p3", "1_000", "1e", "--1", "infin", "1 2", "nanx", "1.2.3", "."] {
      let outcome = Self.run("a,b\n\(cell),1\n")
      #expect(outcome.faults.count == 1, "\(cell)")
    }
  }

  @Test func `JSON Lines hold records or lists`() {
    let outcome = Self.run(
      "{\"b\": 1, \"a\": 2}\n\n[3, 4]\n{\"a\": 1}\n[1, \"x\"]\n[1, 2] 3\n", .jsonl,
      output: .jsonl)
    #expect(
      outcome.text
        == "{\"row\":0,\"prediction\":12.0}\n{\"row\":1,\"prediction\":43.0}\n")
    #expect(outcome.faults.count == 3)
    #expect(outcome.faults.first?.hasPrefix("row 2: has no column 'b'") == true, "\(outcome)")
  }

  @Test func `a header that does not fit ends the stream`() {
    #expect(Self.run("a,c\n1,2\n").error?.hasPrefix("t: the header has no column 'b'") == true)
    #expect(Self.run("a,a,b\n1,2,3\n").error == "t: the header names column 'a' twice")
    #expect(
      Self.run("x,a,x,b\n9,1,9,2\n", carry: ["x"]).error
        == "t: the header names column 'x' twice")
    #expect(Self.run("") == Outcome())
    #expect(Self.run("a,b\n") == Outcome())
  }

  @Test func `columns that nobody reads may have one name, or none`() {
    let plain = Self.run("a,b\n1,2\n")
    for text in ["x,a,x,b\n9,1,9,2\n", ",a,,b\n9,1,9,2\n", "a,b,,\n1,2,,\n"] {
      #expect(Self.run(text) == plain, "\(text)")
    }
  }

  @Test func `the bytes are the same for any number of threads`() {
    var text = "a,b\n"
    for row in 0..<10_000 { text += "\(row),\(Double(row) / 7)\n" }
    let one = Self.run(text, threads: 1)
    // The header, and all rows but the one that the model refuses.
    #expect(one.text.utf8.filter { $0 == 0x0A }.count == 10_000)
    #expect(one.faults.count == 1)
    for threads in [2, 8] { #expect(Self.run(text, threads: threads) == one) }
  }
}
