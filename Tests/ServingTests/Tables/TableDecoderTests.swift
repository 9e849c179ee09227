import Executors
import Tensors
import Testing

@testable import Serving

@Suite struct TableDecoderTests {
  /// A model that does not say how many columns it takes.
  private static func decode(_ text: String) throws -> TableBlock {
    let signature = ModelSignature(
      inputs: [ModelInput(name: "x", elementType: .float32, shape: [nil, nil])],
      outputs: [ModelOutput(name: "y", kind: .tensor(.float32, shape: [nil]))])
    let bytes = Array(text.utf8)
    return try TableDecoder(jsonLines: signature).decode(bytes.span, maxRows: 10)
  }

  @Test func `a line that fails says nothing of the width of the others`() throws {
    for broken in ["[1]x", "[1,2,3] 4", "[1,2,3", "[\"a\"]"] {
      let block = try Self.decode(broken + "\n[1,2]\n[3,4]\n")
      #expect(block.rowCount == 3)
      #expect(block.faults.map(\.row) == [0], "\(broken): \(block.faults)")
      let table = try #require(block.runs.first?.inputs[0])
      #expect(table.shape == Shape(2, 2), "\(broken)")
    }
  }

  private static func shapes(_ block: TableBlock) -> [[Shape?]] {
    block.runs.map { $0.inputs.map { $0?.shape } }
  }

  @Test func `rows of different widths are runs of their own`() throws {
    let block = try Self.decode("[1,2]\n[1]x\n[5,6]\n[1,2,3]\n[]\n[3,4]\n")
    #expect(block.faults.map(\.row) == [1, 4])
    #expect(block.faults.last?.reason == "has no values")
    #expect(Self.shapes(block) == [[Shape(2, 2)], [Shape(1, 3)], [Shape(1, 2)]])
    #expect(block.runs.map(\.rowCount) == [2, 1, 1] && block.readRows == [0, 2, 3, 5])
  }

  // MARK: Each row alone

  private static let named = ModelSignature(
    inputs: [
      ModelInput(
        name: "X", elementType: .float32, shape: [nil, 2], columns: ["kind", "size"],
        categories: [
          0: ColumnCategories([.number(10), .number(20)], unknownIsMissing: false)
        ])
    ], outputs: [])

  private static let plain = ModelSignature(
    inputs: [
      ModelInput(name: "X", elementType: .float32, shape: [nil, 2], columns: ["a", "b"])
    ], outputs: [])

  @Test func `who decodes a long text pauses behind every 16 KiB`() throws {
    let lines = (0..<20_000).map { "\($0 % 2 == 0 ? 10 : 20),\($0)\n" }.joined()
    let plainLines = (0..<20_000).map { "\($0),\($0)\n" }.joined()
    let records = (0..<20_000).map { "[\($0),\($0)]\n" }.joined()
    let cases = [
      (try TableDecoder(csv: Self.named, header: ["kind", "size"]), lines),
      (try TableDecoder(csv: Self.plain, header: ["a", "b"]), plainLines),
      (try TableDecoder(jsonLines: Self.plain), records),
    ]
    for (decoder, text) in cases {
      var pauses = 0
      let block = decoder.decode(Array(text.utf8).span, maxRows: 20_000) { pauses += 1 }
      #expect(block.rowCount == 20_000 && block.faults.isEmpty)
      #expect(pauses == text.utf8.count / (16 << 10), "\(text.utf8.count)")
    }
  }

  @Test func `a category that the model does not know is the fault of its row alone`() throws {
    var (lines, records) = ("", "")
    for row in 0..<2000 {
      let kind = row == 700 ? 999 : row % 2 == 0 ? 10 : 20
      lines += "\(kind),\(row)\n"
      records += "{\"size\":\(row),\"kind\":\(kind)}\n"
    }
    let csv = try TableDecoder(csv: Self.named, header: ["kind", "size"])
    let json = try TableDecoder(jsonLines: Self.named)
    for (decoder, text) in [(csv, lines), (json, records)] {
      let block = decoder.decode(Array(text.utf8).span, maxRows: 2000)
      #expect(block.faults.map(\.row) == [700], "\(block.faults.count)")
      let fault = try #require(block.faults.first)
      #expect(fault.reason.contains("a category of column 'kind'"), "\(fault)")
      #expect("\(fault.reason) \(fault.value)".contains("999"), "\(fault)")
      #expect(Self.shapes(block) == [[Shape(1999, 2)]])
      let table = try #require(block.runs[0].inputs[0])
      let values = table.values(as: Float.self)
      #expect((0..<6).map { values[$0] } == [0, 0, 1, 1, 0, 2])
      #expect((1396..<1402).map { values[$0] } == [0, 698, 1, 699, 1, 701])
    }
  }

  @Test func `rows with and without an input that may be left out are all read`() throws {
    func input(_ name: String, _ type: ElementType, isRequired: Bool) -> ModelInput {
      ModelInput(name: name, elementType: type, shape: [nil], isRequired: isRequired)
    }
    for type in [ElementType.float32, .string] {
      let signature = ModelSignature(
        inputs: [
          input("A", .float32, isRequired: true), input("B", type, isRequired: false),
        ], outputs: [])
      let b = type == .string ? "\"x\"" : "7"
      let text =
        "{\"A\":1}\n{\"A\":2}\n{\"B\":\(b),\"A\":\"bad\"}\n{\"A\":3,\"B\":\(b)}\n{\"A\":\"bad\"}\n{\"A\":4,\"B\":\(b)}\n"
        + "{\"A\":5}\n"
      let block = try TableDecoder(jsonLines: signature)
        .decode(Array(text.utf8).span, maxRows: 7)
      #expect(block.faults.map(\.row) == [2, 4], "\(block.faults)")
      #expect(
        Self.shapes(block) == [
          [Shape(2), nil], [Shape(2), Shape(2)], [Shape(1), nil],
        ], "\(Self.shapes(block))")
      #expect(block.readRows == [0, 1, 3, 5, 6])
    }
  }

  @Test func `a model of a fixed number of rows gets them one by one`() throws {
    let signature = ModelSignature(
      inputs: [ModelInput(name: "x", elementType: .float32, shape: [1, 2])], outputs: [])
    let block = try TableDecoder(jsonLines: signature)
      .decode(Array("[1,2]\n[\"a\"]\n[3,4]\n".utf8).span, maxRows: 3)
    #expect(block.faults.map(\.row) == [1])
    #expect(Self.shapes(block) == [[Shape(1, 2)], [Shape(1, 2)]])
  }

  @Test func `strings of a row that fails take none of another row with them`() throws {
    let signature = ModelSignature(
      inputs: [
        ModelInput(name: "x", elementType: .string, shape: [nil, 2], columns: ["a", "b"])
      ], outputs: [])
    let text = "{\"b\":\"long\",\"a\":\"s\"}\n{\"b\":\"u\",\"a\":1}\n{\"a\":\"v\",\"b\":\"w\"}\n"
    let block = try TableDecoder(jsonLines: signature).decode(
      Array(text.utf8).span, maxRows: 3)
    #expect(block.faults.map(\.row) == [1])
    let strings = try #require(block.runs.first?.inputs[0]).strings.strings
    #expect(strings == ["s", "long", "v", "w"])
  }

  // MARK: Rows of tensors

  private static func tensor(_ shape: [Int?], _ text: String) throws -> TableBlock {
    let signature = ModelSignature(
      inputs: [ModelInput(name: "image", elementType: .float32, shape: shape)], outputs: [])
    return try TableDecoder(jsonLines: signature)
      .decode(Array(text.utf8).span, maxRows: text.utf8.count { $0 == 0x0A })
  }

  @Test func `a line is a row of the model's tensor, alone or under the input's name`() throws {
    let block = try Self.tensor(
      [nil, 2, 2],
      "[[1,2],[3,4]]\n{\"id\":[1],\"image\":[[5,6],[7,8]]}\n[[1,2],[3]]\n[[1,2],[3,\"x\"]]\n"
        + "{\"image\":[[1]],\"image\":1}\n{}\n[1,2]\n[[[1,2],[3,4]]]\n[[9,9],[9,9]]\n[[1,2],[3,4]] 5\n"
        + "[]\n3\n[[0,0],[0,0]]\n")
    #expect(block.faults.map(\.row) == [2, 3, 4, 5, 6, 7, 9, 10, 11], "\(block.faults)")
    #expect(Self.shapes(block) == [[Shape(4, 2, 2)]])
    let table = try #require(block.runs[0].inputs[0])
    let values = table.values(as: Float.self)
    #expect(
      values.indices.map { values[$0] } == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 0, 0, 0, 0])
    #expect(block.faults[3].reason == "has no member 'image', the model's input")
    #expect(
      block.faults[4].reason.contains("a row of input 'image' takes [2, 2]"), "\(block.faults[4])")
  }

  @Test func `rows of tensors of different sizes are runs of their own`() throws {
    let block = try Self.tensor(
      [nil, nil, 2], "[[1,2]]\n[[1,2],[3,4]]\n[[5,6],[7,8]]\n[[1,2,3]]\n[[1,2]]\n")
    #expect(block.faults.map(\.row) == [3])
    #expect(Self.shapes(block) == [[Shape(1, 1, 2)], [Shape(2, 2, 2)], [Shape(1, 1, 2)]])
    let single = try Self.tensor([1, 2, 1], "[[1],[2]]\n[[3],[4]]\n")
    #expect(Self.shapes(single) == [[Shape(1, 2, 1)], [Shape(1, 2, 1)]])
    let scalars = try Self.tensor([nil], "1\n2\n[3]\n")
    #expect(Self.shapes(scalars) == [[Shape(2)]] && scalars.faults.map(\.row) == [2])
  }

  // MARK: Columns that are left out

  private static let optional: ModelSignature = {
    let names = (0..<10).map { "f\($0)" }
    var input = ModelInput(
      name: "X", elementType: .float64, shape: [nil, 10], columns: names)
    input.optionalColumns = Set(0..<10)
    return ModelSignature(inputs: [input], outputs: [])
  }()

  @Test func `short lines of a table with many columns left out are read`() throws {
    let lines = String(repeating: "1,2\n", count: 20_000)
    let csv = try TableDecoder(csv: Self.optional, header: ["f0", "f1"])
      .decode(Array(lines.utf8).span, maxRows: 20_000)
    #expect(csv.faults.isEmpty, "\(csv.faults.count) \(csv.faults.first?.reason ?? "")")
    #expect(Self.shapes(csv) == [[Shape(20_000, 10)]])
    let records = String(repeating: "{}\n", count: 20_000) + "[0,1,2,3,4,5,6,7,8,9]\n"
    let json = try TableDecoder(jsonLines: Self.optional)
      .decode(Array(records.utf8).span, maxRows: 20_001)
    #expect(json.faults.isEmpty, "\(json.faults.count) \(json.faults.first?.reason ?? "")")
    #expect(Self.shapes(json) == [[Shape(20_001, 10)]])
  }

  @Test func `a body that leaves out too much is told of the room, not of the type`() throws {
    let body = "{\"data\":[" + String(repeating: "{},", count: 9_999) + "{}]}"
    let error = #expect(throws: ScoringError.self) {
      _ = try PayloadDecoder(Self.optional).decode(Array(body.utf8).span)
    }
    let sentence = error?.inputSentence ?? ""
    #expect(sentence.contains("send fewer rows, or all columns"), "\(sentence)")
    #expect(!sentence.contains("has no missing values"))
  }
}
