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
    maxBytes: Int = 1000, pieceBytes: Int = 7
  ) throws -> [TextBlock] {
    var limits = RowCutter.Limits()
    limits.maxRows = maxRows
    limits.maxBytes = maxBytes
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
      Self.texts(blocks) == ["1,2\n3,4\r\n", "\n5,\"a\nb\"\n7,\"x\"\"\n\"\n", "\n\n9,0"])
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
}
