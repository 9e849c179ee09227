import Serving
import Testing

@testable import BatchScoring

/// The edges of text: what csv-spectrum's twelve files hold, and what spreadsheets leave behind.
/// Every cell is carried into JSON, where it must say what the file says.
@Suite struct TextEdgeTests {
  private struct Outcome {
    var lines: [String] = []
    var faults: [String] = []
    var error: String?
  }

  private static func run(
    _ text: [UInt8], model: String, carrying names: [String],
    from format: TableDecoder.Format = .csv, to output: PredictionColumns.Format = .jsonl,
    pieceBytes: Int = 3
  ) -> Outcome {
    var columns = PredictionColumns()
    columns.format = output
    columns.carried = names
    columns.hasRow = false
    let scoring = StreamScoring(
      LoadedModel(executor: EchoExecutor(model), format: "test"), outputs: [0], format: format,
      columns: columns, threads: 1, maxFaults: nil)
    var outcome = Outcome()
    var bytes: [UInt8] = []
    do {
      _ = try scoring.run(
        PieceSource(bytes: text, pieceBytes: pieceBytes), name: "t", write: { bytes += $0 },
        tell: { outcome.faults.append($0.sentence) })
    } catch {
      outcome.error = "\(error)"
    }
    outcome.lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    return outcome
  }

  private static func run(
    _ text: String, model: String, carrying names: [String],
    from format: TableDecoder.Format = .csv, to output: PredictionColumns.Format = .jsonl
  ) -> Outcome {
    run(Array(text.utf8), model: model, carrying: names, from: format, to: output)
  }

  private struct Case: Sendable {
    var name: String
    var text: String
    var model: String
    var names: [String]
    var lines: [String]
  }

  private static let cases = [
    Case(
      name: "comma_in_quotes",
      text: "first,last,address,city,zip\nJohn,Doe,120 any st.,\"Anytown, WW\",08123\n",
      model: "zip", names: ["address", "city", "zip"],
      lines: [
        #"{"address":"120 any st.","city":"Anytown, WW","zip":"08123","prediction":8123.0}"#
      ]),
    Case(
      name: "empty", text: "a,b,c\n1,\"\",\"\"\n2,3,4\n", model: "a", names: ["b", "c"],
      lines: [
        #"{"b":"","c":"","prediction":1.0}"#, #"{"b":"3","c":"4","prediction":2.0}"#,
      ]),
    Case(
      name: "empty_crlf", text: "a,b,c\r\n1,\"\",\"\"\r\n2,3,4\r\n", model: "a",
      names: ["b", "c"],
      lines: [
        #"{"b":"","c":"","prediction":1.0}"#, #"{"b":"3","c":"4","prediction":2.0}"#,
      ]),
    Case(
      name: "escaped_quotes", text: "a,b\n1,\"ha \"\"ha\"\" ha\"\n3,4\n", model: "a", names: ["b"],
      lines: [
        #"{"b":"ha \"ha\" ha","prediction":1.0}"#, #"{"b":"4","prediction":3.0}"#,
      ]),
    Case(
      name: "json",
      text: "key,val\n1,\"{\"\"type\"\": \"\"Point\"\", \"\"coordinates\"\": [102.0, 0.5]}\"\n",
      model: "key", names: ["val"],
      lines: [
        #"{"val":"{\"type\": \"Point\", \"coordinates\": [102.0, 0.5]}","prediction":1.0}"#
      ]),
    Case(
      name: "location_coordinates",
      text: "id,\"latitude, longitude\",height\n7,\"48.2, 16.4\",151\n", model: "height",
      names: ["latitude, longitude", "id"],
      lines: [#"{"latitude, longitude":"48.2, 16.4","id":"7","prediction":151.0}"#]),
    Case(
      name: "newlines", text: "a,b,c\n1,2,3\n\"Once upon \na time\",5,6\n7,8,9\n", model: "b",
      names: ["a"],
      lines: [
        #"{"a":"1","prediction":2.0}"#, #"{"a":"Once upon \na time","prediction":5.0}"#,
        #"{"a":"7","prediction":8.0}"#,
      ]),
    Case(
      name: "newlines_crlf",
      text: "a,b,c\r\n1,2,3\r\n\"Once upon \r\na time\",5,6\r\n7,8,9\r\n", model: "b",
      names: ["a", "c"],
      lines: [
        #"{"a":"1","c":"3","prediction":2.0}"#,
        #"{"a":"Once upon \r\na time","c":"6","prediction":5.0}"#,
        #"{"a":"7","c":"9","prediction":8.0}"#,
      ]),
    Case(
      name: "quotes_and_newlines", text: "a,b\n1,\"ha \n\"\"ha\"\" \nha\"\n3,4\n", model: "a",
      names: ["b"],
      lines: [
        #"{"b":"ha \n\"ha\" \nha","prediction":1.0}"#, #"{"b":"4","prediction":3.0}"#,
      ]),
    Case(
      name: "simple", text: "a,b,c\n1,2,3\n", model: "c", names: ["a", "b"],
      lines: [#"{"a":"1","b":"2","prediction":3.0}"#]),
    Case(
      name: "simple_crlf", text: "a,b,c\r\n1,2,3\r\n", model: "c", names: ["a", "b"],
      lines: [#"{"a":"1","b":"2","prediction":3.0}"#]),
    Case(
      name: "utf8", text: "a,b,c\n1,2,3\n4,5,ʤ\n", model: "a", names: ["c"],
      lines: [#"{"c":"3","prediction":1.0}"#, #"{"c":"ʤ","prediction":4.0}"#]),
    // What is not among those twelve.
    Case(
      name: "byte order mark", text: "\u{FEFF}\"a\",b\n1,2\n", model: "a", names: ["a"],
      lines: [#"{"a":"1","prediction":1.0}"#]),
    Case(
      name: "no end of the last line", text: "a,b\n1,2\n3,\"x\"", model: "a", names: ["b"],
      lines: [#"{"b":"2","prediction":1.0}"#, #"{"b":"x","prediction":3.0}"#]),
    Case(
      name: "a delimiter at each line's end", text: "a,b,\n1,2,\n3,4,\n", model: "b",
      names: ["a", ""],
      lines: [#"{"a":"1","":"","prediction":2.0}"#, #"{"a":"3","":"","prediction":4.0}"#]),
    Case(
      name: "blank lines", text: "\n\r\na,b\n\n1,2\r\n\r\n\n3,4\n\n", model: "a", names: ["b"],
      lines: [#"{"b":"2","prediction":1.0}"#, #"{"b":"4","prediction":3.0}"#]),
    Case(
      name: "a quote inside a cell", text: "a,b\n1,5\" pipe\n3,a\"\"b\n", model: "a", names: ["b"],
      lines: [#"{"b":"5\" pipe","prediction":1.0}"#, #"{"b":"a\"\"b","prediction":3.0}"#]),
  ]

  @Test func `each cell says what the file says`() {
    #expect(Self.cases.count == 17)
    for one in Self.cases {
      for pieceBytes in [1, 4, 1000] {
        let outcome = Self.run(
          Array(one.text.utf8), model: one.model, carrying: one.names, pieceBytes: pieceBytes)
        #expect(outcome.lines == one.lines, "\(one.name)")
        #expect(outcome.faults.isEmpty && outcome.error == nil, "\(one.name): \(outcome)")
      }
    }
  }

  @Test func `carried cells of CSV stay as they stand`() {
    let outcome = Self.run(
      "id,a,b\n\"x, \"\"y\"\"\",1,2\n007,3,\n", model: "a", carrying: ["b", "id"], to: .csv)
    #expect(outcome.lines == ["b,id,prediction", "2,\"x, \"\"y\"\"\",1.0", ",007,3.0"])
  }

  @Test func `carried members of JSON stay as they stand`() {
    let text = """
      {"a": 1, "id": "x, \\"y\\"", "n": 1e2}
      {"id": {"k": [1, 2]}, "a": 2}
      {"a": 3, "id": null, "n": true}

      """
    let lines = Self.run(text, model: "a", carrying: ["id", "n"], from: .jsonl).lines
    #expect(
      lines == [
        #"{"id":"x, \"y\"","n":1e2,"prediction":1.0}"#,
        #"{"id":{"k": [1, 2]},"n":null,"prediction":2.0}"#,
        #"{"id":null,"n":true,"prediction":3.0}"#,
      ])
    let cells = Self.run(text, model: "a", carrying: ["id", "n"], from: .jsonl, to: .csv).lines
    #expect(
      cells == [
        "id,n,prediction", "\"x, \"\"y\"\"\",1e2,1.0", "\"{\"\"k\"\": [1, 2]}\",,2.0",
        ",true,3.0",
      ])
  }

  @Test func `rows that fail leave the others their cells`() {
    let outcome = Self.run(
      "id,a\nx,1\ny,no\nz,3\n", model: "a", carrying: ["id"], to: .csv)
    #expect(outcome.lines == ["id,prediction", "x,1.0", "z,3.0"])
    #expect(outcome.faults.count == 1)
  }

  @Test func `a column that is to be carried and is not there ends it`() {
    let outcome = Self.run("a\n1\n", model: "a", carrying: ["id"])
    #expect(outcome.error == "t: the header has no column 'id', which is to be carried")
  }

  @Test func `ragged rows fail by row`() {
    let outcome = Self.run("a,b\n1\n2,3\n4,5,6\n\"7\",8\n", model: "a", carrying: [])
    #expect(outcome.lines == [#"{"prediction":2.0}"#, #"{"prediction":7.0}"#])
    #expect(
      outcome.faults == [
        "row 0: has 1 values; the header has 2, got '1'",
        "row 2: has 3 values; the header has 2, got '4,5,6'",
      ])
  }

  @Test func `a carriage return alone ends no line, and none is lost`() {
    let whole = Self.run("a,b\r1,2\r3,4\r", model: "a", carrying: [])
    #expect(
      whole.error
        == "t: the header has a carriage return outside quotes; expected LF or CR LF at a line's end"
    )
    let one = Self.run("a,b\n1,2\r3,4\n5,6\n7,8\n", model: "a", carrying: [])
    #expect(one.lines == [#"{"prediction":5.0}"#, #"{"prediction":7.0}"#])
    #expect(one.faults.count == 1 && one.faults[0].hasPrefix("row 0: has a carriage return"))
  }

  @Test func `a row that is no UTF-8 takes no other with it`() {
    let text = Array("a,b\n1,2\n".utf8) + [0xFF] + Array(",5\"\"\n5,6\n7,8\n".utf8)
    let outcome = Self.run(text, model: "a", carrying: [])
    #expect(outcome.lines.count == 3)
    #expect(
      outcome.faults.count == 1
        && outcome.faults[0].hasPrefix("row 1: has a cell that is not UTF-8"))
  }

  @Test func `a line of JSON that is no UTF-8 fails, wherever that is`() {
    for member in ["id", "other"] {
      let text =
        Array("{\"a\": 1, \"id\": \"x\"}\n{\"a\": 2, \"\(member)\": \"".utf8)
        + [0xFF] + Array("\"}\n{\"a\": 3, \"id\": \"ü\"}\n".utf8)
      let outcome = Self.run(text, model: "a", carrying: ["id"], from: .jsonl)
      #expect(
        outcome.lines == [#"{"id":"x","prediction":1.0}"#, #"{"id":"ü","prediction":3.0}"#])
      #expect(outcome.faults.count == 1 && outcome.faults[0].hasPrefix("row 1: "), "\(member)")
    }
  }

  /// Random bytes that mean something to CSV: as many rows come out of the reader as the
  /// cutter has counted, else the run ends.
  @Test func `reader and cutter find the same rows`() {
    var random = SystemRandomNumberGenerator()
    let pieces = ["1", "2.5", ",", ",", "\n", "\n", "\r\n", "\"", "\"\"", "\r", "x", " ", "\u{E9}"]
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 0...30)).map { _ in
        pieces.randomElement(using: &random) ?? ""
      }.joined()
      for header in ["a,b\n", "a\n"] {
        let outcome = Self.run(header + text, model: "a", carrying: ["a"], to: .csv)
        #expect(outcome.error == nil, "\(text.debugDescription)")
      }
    }
  }
}
