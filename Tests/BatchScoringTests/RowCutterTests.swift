import Serving
import Testing

@testable import BatchScoring

/// A text that comes in pieces of any size.
struct PieceSource: ByteSource {
  var bytes: [UInt8]
  var pieceBytes: Int

  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
    let count = min(pieceBytes, bytes.count, buffer.count)
    buffer.copyBytes(from: bytes.prefix(count))
    bytes.removeFirst(count)
    return count
  }
}

@Suite struct RowCutterTests {
  private static func blocks(
    _ text: String, _ grammar: RowCutter.Grammar = .csv(skipsBlankLines: true), maxRows: Int = 2,
    maxBytes: Int = 1000, maxRowBytes: Int = 1000, pieceBytes: Int = 7
  ) throws -> [TextBlock] {
    var limits = RowCutter.Limits()
    limits.maxRows = maxRows
    limits.maxBytes = maxBytes
    limits.maxRowBytes = maxRowBytes
    var cutter = RowCutter(
      PieceSource(bytes: Array(text.utf8), pieceBytes: pieceBytes), name: "t", grammar: grammar,
      limits: limits)
    var blocks: [TextBlock] = []
    while let block = try cutter.next() { blocks.append(block) }
    return blocks
  }

  private static func texts(_ blocks: [TextBlock]) -> [String] {
    blocks.map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  @Test(arguments: [1, 2, 3, 7, 100]) func `blocks do not depend on how the text comes`(
    _ pieceBytes: Int
  ) throws {
    let text = "1,2\n3,4\r\n\n5,\"a\nb\"\n7,\"x\"\"\n\"\n\n\n9,0"
    let blocks = try Self.blocks(text, pieceBytes: pieceBytes)
    #expect(
      Self.texts(blocks) == ["1,2\n3,4\r\n", "\n5,\"a\nb\"\n7,\"x\"\"\n\"\n", "\n\n9,0\n"])
    #expect(blocks.map(\.firstRow) == [0, 2, 4])
    #expect(blocks.map(\.rowCount) == [2, 2, 1])
    #expect(blocks.map(\.offset) == [0, 9, 27])
  }

  @Test func `a block ends with the row that fills it`() throws {
    let blocks = try Self.blocks("aaaa\nbbbb\ncccc\n", maxRows: 10, maxBytes: 6)
    #expect(Self.texts(blocks) == ["aaaa\nbbbb\n", "cccc\n"])
  }

  @Test func `a quote inside a cell opens nothing`() throws {
    let blocks = try Self.blocks("5\" pipe,1\n6,2\n")
    #expect(blocks.map(\.rowCount) == [2])
  }

  @Test func `blank lines of JSON Lines are no rows`() throws {
    let blocks = try Self.blocks("{}\n  \n\n{}\n{}", .jsonLines)
    #expect(blocks.map(\.rowCount) == [2, 1])
  }

  @Test func `a table of one column has blank rows`() throws {
    let blocks = try Self.blocks("1\n\n3\n", .csv(skipsBlankLines: false), maxRows: 9)
    #expect(blocks.map(\.rowCount) == [3])
  }

  @Test func `the header goes first and a byte order mark is none of it`() throws {
    var cutter = RowCutter(
      PieceSource(bytes: [0xEF, 0xBB, 0xBF] + Array("\n\"a\nb\",c\n1,2\n".utf8), pieceBytes: 2),
      name: "t", grammar: .csv(skipsBlankLines: true))
    let header = try cutter.takeHeader()
    #expect(header.map { String(decoding: $0, as: UTF8.self) } == "\"a\nb\",c\n")
    #expect(try cutter.next()?.rowCount == 1)
    #expect(try cutter.next() == nil)
  }

  @Test func `UTF-16 is named`() {
    var cutter = RowCutter(
      PieceSource(bytes: [0xFF, 0xFE, 0x61, 0x00], pieceBytes: 4), name: "t.csv",
      grammar: .csv(skipsBlankLines: true))
    let error = #expect(throws: BatchError.self) { try cutter.takeHeader() }
    #expect(error?.description == "t.csv: is UTF-16; expected UTF-8")
  }

  @Test func `what is packed and not called so is named`() {
    var cutter = RowCutter(
      PieceSource(bytes: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0], pieceBytes: 1), name: "t.csv",
      grammar: .csv(skipsBlankLines: true))
    let error = #expect(throws: BatchError.self) { try cutter.takeHeader() }
    #expect(
      error?.description
        == "t.csv: is packed with gzip; unpack it, or end the file's name in .gz")
  }

  @Test(arguments: [1, 3, 10, 11, 100])
  func `a row that is too long is a fault and those around it are rows`(_ pieceBytes: Int) throws {
    let text = "1,2\n" + String(repeating: "x", count: 25) + "\n3,4\n12345678,\n123456789,\n5,6"
    let blocks = try Self.blocks(text, maxRows: 9, maxRowBytes: 10, pieceBytes: pieceBytes)
    #expect(Self.texts(blocks) == ["1,2\n", "", "3,4\n12345678,\n", "", "5,6\n"])
    #expect(blocks.map(\.firstRow) == [0, 1, 2, 4, 5])
    #expect(blocks.map(\.byteCount) == [4, 26, 14, 11, 3])
    #expect(blocks[1].fault?.reason == "is longer than 10 bytes")
    #expect(blocks[3].fault?.value == "123456789,")
    var offset = 0
    for block in blocks {
      #expect(block.offset == offset)
      offset += block.byteCount
    }
  }

  @Test(arguments: [1, 3, 10, 11, 100])
  func `a quote that is not closed costs its own line`(_ pieceBytes: Int) throws {
    let text = "1,2\n3,\"4\n5,6\n7,8\n9,10\n11,12\n"
    let atEnd = try Self.blocks(text, maxRows: 9, pieceBytes: pieceBytes)
    #expect(Self.texts(atEnd) == ["1,2\n", "", "5,6\n7,8\n9,10\n11,12\n"])
    #expect(atEnd[1].fault?.reason == "EOF inside string: a quote is not closed")
    let long = try Self.blocks(text, maxRows: 9, maxRowBytes: 12, pieceBytes: pieceBytes)
    #expect(Self.texts(long) == Self.texts(atEnd))
    #expect(long[1].fault?.reason == "a quote is not closed within 12 bytes")
    #expect(long[1].fault?.value == "3,\"4")
  }

  /// By going through the text again for each row.
  private static func plainRows(_ bytes: [UInt8], maxRowBytes: Int) -> [String] {
    var rows: [String] = []
    var start = 0
    while start < bytes.count {
      var state = QuoteState.cellStart
      var end = start
      var hasEnd = false
      while end < bytes.count, !hasEnd {
        hasEnd = state.take(bytes[end])
        end += 1
      }
      let count = end - start + (hasEnd ? 0 : 1)
      if count <= maxRowBytes, hasEnd || state != .quoted {
        rows.append(String(decoding: bytes[start..<end], as: UTF8.self) + (hasEnd ? "" : "\n"))
        start = end
        continue
      }
      let line = bytes[start...].firstIndex(of: 0x0A).map { $0 + 1 } ?? bytes.count
      let hasLine = line - start <= maxRowBytes + 1 && bytes[line - 1] == 0x0A
      let reason =
        bytes.count - start <= maxRowBytes
        ? "EOF inside string: a quote is not closed"
        : hasLine
          ? "a quote is not closed within \(maxRowBytes) bytes"
          : "is longer than \(maxRowBytes) bytes"
      rows.append("\(reason): \(line - start)")
      start = line
    }
    return rows
  }

  @Test func `quotes that stay open cost what a plain loop finds`() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<4000 {
      let length = Int.random(in: 0...80, using: &random)
      let bytes = (0..<length).map { _ in Array("a,\"\n".utf8).randomElement(using: &random)! }
      let text = String(decoding: bytes, as: UTF8.self)
      let maxRowBytes = Int.random(in: 3...40, using: &random)
      let blocks = try Self.blocks(
        text, .csv(skipsBlankLines: false), maxRows: 1, maxRowBytes: maxRowBytes,
        pieceBytes: Int.random(in: 1...30, using: &random))
      let rows = blocks.map {
        $0.fault.map { fault in "\(fault.reason): " } ?? String(decoding: $0.bytes, as: UTF8.self)
      }
      let told = zip(rows, blocks).map { $1.fault == nil ? $0 : "\($0)\($1.byteCount)" }
      #expect(
        told == Self.plainRows(bytes, maxRowBytes: maxRowBytes),
        "\(text.debugDescription) \(maxRowBytes)")
      var offset = 0
      for block in blocks {
        #expect(block.offset == offset)
        offset += block.byteCount
      }
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: ["a\"b,\"c\n", "a\"b,\"c\n1,2\n"])
  func `line behind line with an open quote costs no more than its bytes`(_ line: String) throws {
    let count = 40_000
    let text = String(repeating: line, count: count)
    var limits = RowCutter.Limits()
    limits.maxRows = 100
    var cutter = RowCutter(
      PieceSource(bytes: Array(text.utf8), pieceBytes: 1 << 20), name: "t",
      grammar: .csv(skipsBlankLines: true), limits: limits)
    var faults = 0
    while let block = try cutter.next() { faults += block.fault == nil ? 0 : 1 }
    #expect(faults == count)
  }

  @Test func `a byte order mark of JSON Lines is none of the first`() throws {
    let blocks = try Self.blocks("\u{FEFF}{}\n", .jsonLines)
    #expect(Self.texts(blocks) == ["{}\n"])
  }

  @Test func `only white space of JSON makes a line blank`() throws {
    let blocks = try Self.blocks("{}\n \t\r\n\u{0B}\n{}\n", .jsonLines, maxRows: 9)
    #expect(blocks.map(\.rowCount) == [3])
  }

  /// Quotes, line ends and commas in any order, cut as a loop anyone can read cuts them.
  @Test func `blocks hold what a plain loop finds`() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let length = Int.random(in: 0...40, using: &random)
      let text = String((0..<length).map { _ in "a,\"\n\r".randomElement(using: &random)! })
      var rows: [String] = []
      var row = ""
      var isOpen = false
      var isStart = true
      let characters = text.unicodeScalars.map { $0 }
      var index = 0
      while index < characters.count {
        let character = characters[index]
        row.unicodeScalars.append(character)
        if isOpen, character == "\"" {
          if index + 1 < characters.count, characters[index + 1] == "\"" {
            index += 1
            row.unicodeScalars.append("\"")
          } else {
            isOpen = false
          }
        } else if !isOpen, isStart, character == "\"" {
          isOpen = true
        } else if !isOpen, character == "\n" {
          rows.append(row)
          row = ""
        }
        isStart = !isOpen && (character == "," || character == "\n")
        index += 1
      }
      // Where a quote stays open another rule holds.
      if isOpen { continue }
      if !row.isEmpty { rows.append(row + "\n") }
      let blocks = try Self.blocks(
        text, .csv(skipsBlankLines: false), maxRows: 1, pieceBytes: Int.random(in: 1...9))
      #expect(Self.texts(blocks) == rows, "\(text.debugDescription)")
    }
  }
}
