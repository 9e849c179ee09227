import Documents
import Testing

@Suite struct JSONReaderTests {
  private func error(_ text: String) -> DocumentError? {
    do {
      _ = try JSONReader.read(text, source: "body")
      return nil
    } catch {
      return error
    }
  }

  @Test func `values of every kind are read, members in their order`() throws {
    let text = #"{"b": [1, -2.5, true, null, "é\u00e9\n"], "a": {"x": 9223372036854775807}}"#
    let value = try JSONReader.read(text, source: "body")
    #expect(
      value == [
        "b": [1, -2.5, true, nil, "éé\n"], "a": ["x": .integer(.max)],
      ])
    guard case .object(let object) = value else { return }
    #expect(object.keys == ["b", "a"])
  }

  @Test(arguments: [("3", DocumentValue.integer(3)), ("\"a\"", "a"), (" null ", nil)])
  func `a lone scalar is a document`(text: String, expected: DocumentValue) throws {
    #expect(try JSONReader.read(text, source: "body") == expected)
  }

  @Test func `a byte order mark is skipped`() throws {
    #expect(try JSONReader.read("\u{FEFF}[1]", source: "body") == [1])
  }

  @Test func `an error has line and column`() {
    guard case .syntax("body", 2, let column, _) = error("{\n  \"a\" 1}") else {
      Issue.record("\(String(describing: error("{\n  \"a\" 1}")))")
      return
    }
    #expect(column > 0)
  }

  @Test func `a number that no integer holds is named`() {
    #expect("\(error("{\"seed\": 9223372036854775808}")!)".contains("9223372036854775808"))
    #expect("\(error("[-99999999999999999999]")!)".contains("-99999999999999999999"))
    #expect("\(error("[1e999]")!)".contains("1e999"))
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,\"a\":2}", "\"a\u{0}b\"", "[1]x", "nul", "\"\\u0000\"", "[NaN]",
  ])
  func `what is no JSON is refused`(text: String) {
    #expect(error(text) != nil)
  }

  @Test func `bytes that are no UTF-8 are refused`() {
    let bytes: [UInt8] = [0x22, 0xFF, 0x22]
    #expect(throws: DocumentError.self) { try JSONReader.read(bytes.span, source: "body") }
  }

  @Test func `depth 64 is read and depth 65 is not`() throws {
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    _ = try JSONReader.read(deep, source: "body")
    guard case .tooLarge = error("[" + deep + "]") else {
      Issue.record("read")
      return
    }
    // Brackets inside a string do not nest.
    let quoted = "\"" + String(repeating: "[\\\"", count: 100) + "\""
    _ = try JSONReader.read(quoted, source: "body")
  }

  @Test func `a text whose tree would take too much memory is refused`() {
    let text = "[" + Array(repeating: "[]", count: 100_000).joined(separator: ",") + "]"
    guard case .tooLarge = error(text) else {
      Issue.record("read")
      return
    }
    // The budget ends with the call.
    #expect(throws: Never.self) { try JSONReader.read("[[],[]]", source: "body") }
  }

  @Test func `a plain document stays within its budget`() throws {
    let row = #"{"name": "blue", "percent": 10, "tags": {"team": "risk"}}"#
    let text = "[" + Array(repeating: row, count: 2000).joined(separator: ",") + "]"
    guard case .array(let rows) = try JSONReader.read(text, source: "body") else { return }
    #expect(rows.count == 2000)
  }
}
