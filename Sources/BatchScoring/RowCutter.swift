internal import Glibc

/// Whole rows of a text, as they stand in it.
package struct TextBlock: Sendable {
  package var bytes: [UInt8]
  /// The first row's place in its file, counted from 0.
  package var firstRow: Int
  /// Blank lines are not counted.
  package var rowCount: Int
  /// Where the block begins in its file (unpacked).
  package var offset: Int
}

/// Cuts a text into blocks of whole rows. Where it cuts depends on the text alone: a job that is
/// resumed, with however many threads, meets the same blocks.
struct RowCutter {
  struct Limits: Sendable, Equatable {
    var maxRows = 65_536
    /// A block ends with the row that reaches this.
    var maxBytes = 8 << 20
    /// A longer row is no row: a fault, and its rest is passed over.
    var maxRowBytes = 16 << 20
  }

  /// How rows end and which lines are none.
  enum Grammar: Sendable {
    /// RFC 4180: a quoted cell may hold line ends. A table of one column has blank rows.
    case csv(skipsBlankLines: Bool)
    case jsonLines
  }

  private var source: any ByteSource
  private let name: String
  let limits: Limits
  var grammar: Grammar
  private var buffer: [UInt8] = []
  /// Bytes before it have left.
  private var start = 0
  private var isAtEnd = false
  private(set) var row = 0
  /// Where `start` lies in the file.
  private(set) var offset = 0

  private static let readBytes = 1 << 20

  init(_ source: any ByteSource, name: String, grammar: Grammar, limits: Limits = Limits()) {
    self.source = source
    self.name = name
    self.grammar = grammar
    self.limits = limits
  }

  /// The first row, taken out; nil for an empty text. A byte order mark is passed over.
  mutating func takeHeader() throws(BatchError) -> [UInt8]? {
    while buffer.count < 4, !isAtEnd { try fill() }
    if buffer.starts(with: [0xFF, 0xFE]) || buffer.starts(with: [0xFE, 0xFF]) {
      throw .text(file: name, reason: "is UTF-16; expected UTF-8")
    }
    if buffer.starts(with: [0xEF, 0xBB, 0xBF]) { advance(to: 3) }
    while true {
      guard let end = try rowEnd(from: start) else { return nil }
      let line = Array(buffer[start..<end])
      advance(to: end)
      if !line.allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { return line }
    }
  }

  /// The next block; nil at the end.
  mutating func next() throws(BatchError) -> TextBlock? {
    var position = start
    var rows = 0
    while rows < limits.maxRows, position - start < limits.maxBytes {
      // `rowEnd` may move what is in the buffer to its front.
      let distance = position - start
      let end = try rowEnd(from: position)
      position = start + distance
      guard let end else { break }
      if !isBlank(position..<end) { rows += 1 }
      position = end
    }
    guard position > start else { return nil }
    let block = TextBlock(
      bytes: Array(buffer[start..<position]), firstRow: row, rowCount: rows, offset: offset)
    row += rows
    advance(to: position)
    return block
  }

  private mutating func advance(to position: Int) {
    offset += position - start
    start = position
  }

  private func isBlank(_ line: Range<Int>) -> Bool {
    switch grammar {
    case .csv(let skipsBlankLines):
      return skipsBlankLines && line.count <= 2
        && buffer[line].allSatisfy { $0 == 0x0A || $0 == 0x0D }
    case .jsonLines:
      return buffer[line].allSatisfy { $0 <= 0x20 }
    }
  }

  /// Where the row that begins at `position` ends, behind its line end; nil when none begins
  /// there. Reads on as far as it must; the buffer's front may then be dropped.
  private mutating func rowEnd(from position: Int) throws(BatchError) -> Int? {
    var position = position
    while true {
      if let end = knownRowEnd(from: position) { return end }
      let length = buffer.count - position
      if isAtEnd { return length > 0 ? buffer.count : nil }
      if length > limits.maxRowBytes {
        throw .text(
          file: name,
          reason: "row \(row) is longer than \(limits.maxRowBytes) bytes, or a quote in it is not "
            + "closed")
      }
      let dropped = start
      try fill()
      position -= dropped - start
    }
  }

  private func knownRowEnd(from position: Int) -> Int? {
    buffer.withUnsafeBufferPointer { bytes -> Int? in
      guard let base = bytes.baseAddress, position < bytes.count else { return nil }
      let rest = bytes.count - position
      guard let found = memchr(base + position, 0x0A, rest) else { return nil }
      let end = base.distance(to: found.assumingMemoryBound(to: UInt8.self)) + 1
      guard case .csv = grammar, memchr(base + position, 0x22, end - position) != nil else {
        return end
      }
      return Self.quotedRowEnd(bytes, from: position)
    }
  }

  /// As `CSVReader` reads: a quote opens a cell only at its beginning.
  private static func quotedRowEnd(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var isQuoted = false
    var isCellStart = true
    var position = start
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == 0x22 {
        if isQuoted {
          if position < bytes.count, bytes[position] == 0x22 {
            position += 1
          } else {
            // Whether another quote follows is not known yet.
            if position == bytes.count { return nil }
            isQuoted = false
          }
        } else if isCellStart {
          isQuoted = true
        }
      } else if !isQuoted, byte == 0x0A {
        return position
      }
      isCellStart = !isQuoted && byte == UInt8(ascii: ",")
    }
    return nil
  }

  private mutating func fill() throws(BatchError) {
    if start > 0 {
      buffer.removeFirst(start)
      start = 0
    }
    let wanted = max(Self.readBytes, buffer.count)
    var count = 0
    var failure: BatchError?
    buffer.append(addingCapacity: wanted) { output in
      output.withUnsafeMutableBufferPointer { room, filled in
        do throws(BatchError) {
          count = try source.read(into: UnsafeMutableRawBufferPointer(room))
        } catch {
          failure = error
        }
        filled = count
      }
    }
    if let failure { throw failure }
    if count == 0 { isAtEnd = true }
  }
}
