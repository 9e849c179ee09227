import Testing

@testable import Executors

/// Walks a document of `{"a": [numbers], …}` and answers what `a` holds.
private func numbers<Reader: ModelDocumentReader & ~Escapable>(
  _ reader: inout Reader
) throws(ModelFormatError) -> [Float] {
  var found: [Float] = []
  try reader.beginObject()
  while let key = try reader.nextKey() {
    if key == "a" { try reader.readNumbers(&found) } else { try reader.skipValue() }
  }
  try reader.finish()
  return found
}

private func json(_ text: String) throws(ModelFormatError) -> [Float] {
  let bytes = Array(text.utf8)
  var reader = JSONDocumentReader(format: "JSON", bytes: bytes.span.bytes)
  return try numbers(&reader)
}

private func ubjson(_ bytes: [UInt8]) throws(ModelFormatError) -> [Float] {
  var reader = UBJSONDocumentReader(format: "UBJSON", bytes: bytes.span.bytes)
  return try numbers(&reader)
}

private func bytes(_ parts: Any...) -> [UInt8] {
  parts.flatMap { part -> [UInt8] in
    if let text = part as? String { return Array(text.utf8) }
    if let byte = part as? Int { return [UInt8(truncatingIfNeeded: byte)] }
    return []
  }
}

@Suite struct JSONDocumentReaderTests {
  @Test func `values that are not asked for are passed over`() throws {
    let text = """
      { "x": {"y": [1, {"z": "}]\\""}, [], {}], "w": null}, "a" : [1, 2.5,-3E1, true, NaN] ,
        "b": -Infinity, "c": "\\u00e9\\ud83d\\ude00" }
      """
    let found = try json(text)
    #expect(found.prefix(4) == [1, 2.5, -30, 1])
    #expect(found.last?.isNaN == true)
  }

  @Test(arguments: [
    "", "{", "[]", "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":1}", "{\"a\":[1]} x", "{\"a\"}",
    "{\"a\":[1],}", "{\"b\":\"\\ud800\"}", "{\"b\":\"\\x\"}", "{\"b\":\"", "{a:[1]}",
    "{\"a\":[\"1\"]}", "{\"b\":tru}", "{\"b\":]}",
  ])
  func `a document that is wrong is an error`(text: String) {
    #expect(throws: ModelFormatError.self) { try json(text) }
  }

  @Test func `a hundred thousand brackets are an error and no stack overflow`() {
    #expect(throws: ModelFormatError.self) {
      try json("{\"b\":" + String(repeating: "[", count: 100_000))
    }
    #expect(throws: ModelFormatError.self) {
      try json(String(repeating: "{\"b\":", count: 100_000))
    }
  }
}

@Suite struct UBJSONDocumentReaderTests {
  @Test func `every marker of a number is read`() throws {
    let file = bytes(
      "{i", 1, "a[", "i", -2, "U", 200, "I", 1, 0, "l", 0, 1, 0, 0, "L", 0, 0, 0, 1, 0, 0, 0, 0,
      "d", 0x3F, 0xC0, 0, 0, "D", 0x3F, 0xE0, 0, 0, 0, 0, 0, 0, "T", "F", "N", "H", "i", 3, "1e2",
      "C", 7, "]}")
    #expect(
      try ubjson(file) == [-2, 200, 256, 65536, 4_294_967_296, 1.5, 0.5, 1, 0, 100, 7])
  }

  @Test func `typed and counted containers have no markers and no closing bracket`() throws {
    #expect(try ubjson(bytes("{i", 1, "a[$U#i", 3, 1, 2, 3, "}")) == [1, 2, 3])
    #expect(try ubjson(bytes("{i", 1, "a[#i", 2, "U", 5, "i", -1, "}")) == [5, -1])
    #expect(
      try ubjson(bytes("{#i", 2, "U", 1, "b", "[$d#U", 1, 0, 0, 0, 0, "i", 1, "a[U", 9, "]"))
        == [9])
    #expect(
      try ubjson(bytes("{i", 1, "b{$U#i", 1, "i", 1, "k", 5, "i", 1, "a[]}")) == [])
  }

  @Test func `a count beyond the file is refused at once`() {
    for marker in ["$Z", "$T", "$U", "$d", ""] {
      let file = bytes("{i", 1, "a[\(marker)#L", 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
      #expect(throws: ModelFormatError.self) { try ubjson(file) }
    }
    #expect(throws: ModelFormatError.self) {
      try ubjson(bytes("{L", 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, "a"))
    }
    #expect(throws: ModelFormatError.self) { try ubjson(bytes("{i", -1, "a")) }
  }

  @Test(arguments: ["", "{", "[]", "{i", "{}x", "{S", "{$U}", "{i\u{1}a", "{i\u{1}aS"])
  func `a document that is wrong is an error`(text: String) {
    #expect(throws: ModelFormatError.self) { try ubjson(Array(text.utf8)) }
  }

  @Test func `a hundred thousand brackets are an error and no stack overflow`() {
    let file = bytes("{i", 1, "b") + [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: ModelFormatError.self) { try ubjson(file) }
  }
}
