internal import Executors
internal import Glibc
package import Serving

/// Whole rows of a text, as they stand in it.
package struct TextBlock: Sendable {
  /// Every row ends with a line feed, the text's last one too.
  package var bytes: [UInt8]
  /// The first row's place in its file, counted from 0.
  package var firstRow: Int
  /// Blank lines are not counted.
  package var rowCount: Int
  /// Where the block begins in its file (unpacked).
  package var offset: Int
  /// Bytes that the block takes in its file.
  package var byteCount: Int
  /// Why the block's only row cannot be read: it was too long to be kept, and `bytes` is empty.
  package var fault: RowFault?
}

/// Cuts a text into blocks of whole rows. Where it cuts depends on the text alone, unless it comes
/// from a pipe that runs dry: a job that is resumed, with however many threads, meets the same blocks.
///
/// Rows are found by `memchr`. Only from a row's first quote on are its bytes looked at one by one,
/// and each byte is looked at once, however it comes in: also where line behind line has a quote that
/// is not closed. Two rows that are in quotes at the same line feed end at the same place, so what was
/// found out about the one tells of the other (`OpenRow`).
struct RowCutter {
  struct Limits: Sendable, Equatable {
    var maxRows = 65_536
    /// A block ends with the row that reaches this. Small enough that a block and its numbers
    /// stay in the cache of the core that reads it, and that it is read in a tenth of a millisecond.
    var maxBytes = 1 << 17
    /// A longer row is no row: a fault, and it is passed over.
    var maxRowBytes = 4 << 20

    init() {}

    /// Of blocks whose numbers take a bounded room, however wide the model's answer is, and its table:
    /// a short line may leave out nearly all of its columns.
    init(_ signature: ModelSignature, outputs: [Int]) {
      // Of an answer of unknown width as many rows as a wide one may have.
      let given = Limits.width(outputs.map { signature.outputs[$0].rowWidth ?? 256 })
      // What a row of no fixed width has, stands in its line.
      let taken = Limits.width(signature.inputs.map(Limits.rowWidth))
      maxRows = min(maxRows, max((1 << 20) / max(given, taken, 1), 16))
    }

    private static func rowWidth(_ input: ModelInput) -> Int {
      guard input.shape.count > 1 else { return 1 }
      var product = 1
      for (axis, dimension) in input.shape.enumerated().dropFirst() {
        let size = dimension ?? (axis == 1 ? input.columns?.count : nil) ?? 1
        product = min(product * min(max(size, 1), 1 << 20), 1 << 20)
      }
      return product
    }

    private static func width(_ widths: [Int]) -> Int {
      widths.reduce(0) { sum, width in min(sum + min(width, 1 << 20), 1 << 20) }
    }
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
  /// What was read. What stands before `start` has left; the byte there is that at `offset`.
  private var buffer: [UInt8] = []
  /// Moved by blocks alone: 0 before the first.
  private var start = 0
  /// The last row that had no end within its bounds, by its places in the text.
  private var openRow: OpenRow?
  private var isAtEnd = false
  /// Why the text cannot be read on: told when the whole rows before that have been handed out.
  private var failure: BatchError?
  private var hasBegun = false
  private(set) var row = 0
  private(set) var offset = 0

  /// Small, since a thread is not taken off its CPU in the middle of a call: a request that wakes
  /// there waits for its end.
  private static let readBytes = 64 << 10
  /// Rows wait so long for others to be scored with, where they come from somebody who waits too. A
  /// writer that is at work takes no such time to fill a pipe.
  private static let idleMilliseconds: Int32 = 20

  init(_ source: any ByteSource, name: String, grammar: Grammar, limits: Limits = Limits()) {
    self.source = source
    self.name = name
    self.grammar = grammar
    self.limits = limits
  }

  /// The first row, taken out; nil for an empty text. A byte order mark is passed over.
  mutating func takeHeader() throws(BatchError) -> [UInt8]? {
    try begin()
    while true {
      var search = RowSearch(isCSV: isCSV)
      var end = search.rowEnd(in: buffer, from: 0)
      while end == nil, !isAtEnd, buffer.count <= limits.maxRowBytes {
        try fill()
        end = search.rowEnd(in: buffer, from: 0)
      }
      guard end ?? buffer.count <= limits.maxRowBytes, !search.isInQuotes else {
        throw .text(
          file: name,
          reason: search.isInQuotes
            ? "the header: a quote is not closed"
            : "the header is longer than \(limits.maxRowBytes) bytes")
      }
      let line = Array(buffer[..<(end ?? buffer.count)])
      if line.isEmpty { return nil }
      drop(line.count)
      if !line.allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { return line }
    }
  }

  /// The next block; nil at the end. Where the text is damaged, the rows before that come first.
  mutating func next() throws(BatchError) -> TextBlock? {
    try begin()
    // What is moved is less than what has left since the last move.
    if start > buffer.count - start {
      buffer.removeFirst(start)
      start = 0
    }
    var search = RowSearch(isCSV: isCSV, openRow: openRow?.shifted(by: start - offset))
    var rows = 0
    // Behind the last row that the block has.
    var end = start
    var overlongEnd: Int?
    while rows < limits.maxRows, end - start < limits.maxBytes {
      if let rowEnd = search.rowEnd(in: buffer, from: end) {
        if rowEnd - end > limits.maxRowBytes {
          overlongEnd = rowEnd
          break
        }
        if !isBlank(end..<rowEnd) { rows += 1 }
        end = rowEnd
      } else if buffer.count - end > limits.maxRowBytes {
        break
      } else if !isAtEnd {
        if rows > 0, source.isIdle(milliseconds: Self.idleMilliseconds) { break }
        guard try fills() else { break }
      } else {
        // The last line lacks its end; every reader is spared the case.
        let rowEnd = buffer.count + 1
        if rowEnd - end == 1 || search.isInQuotes || rowEnd - end > limits.maxRowBytes { break }
        buffer.append(0x0A)
        if !isBlank(end..<rowEnd) { rows += 1 }
        return takeBlock(rows, to: rowEnd, byteCount: rowEnd - 1 - start)
      }
    }
    if let found = search.openRow(from: end, endingAt: overlongEnd) {
      openRow = found.shifted(by: offset - start)
    }
    if end > start { return takeBlock(rows, to: end, byteCount: end - start) }
    if let failure, buffer.count - start <= limits.maxRowBytes { throw failure }
    return start == buffer.count ? nil : try takeFault()
  }

  /// Passes over what has been handed out in another life: goes on at `offset`, where row `row`
  /// begins.
  mutating func skip(to offset: Int, row: Int) throws(BatchError) {
    try begin()
    while self.offset < offset {
      if buffer.isEmpty {
        guard !isAtEnd else {
          throw .text(file: name, reason: "ends before byte \(offset), up to which it was read")
        }
        try fill()
      }
      drop(min(buffer.count, offset - self.offset))
    }
    self.row = row
  }

  /// Passes over the mark and tells what is no UTF-8; once.
  private mutating func begin() throws(BatchError) {
    guard offset == 0, row == 0, !hasBegun else { return }
    hasBegun = true
    while buffer.count < 4, !isAtEnd { guard try fills() else { break } }
    if buffer.starts(with: [0xFF, 0xFE]) || buffer.starts(with: [0xFE, 0xFF]) {
      throw .text(file: name, reason: "is UTF-16; expected UTF-8")
    }
    // What a name does not say, or a pipe, which has none.
    if buffer.starts(with: [0x1F, 0x8B]) {
      throw .text(
        file: name, reason: "is packed with gzip; unpack it, or end the file's name in .gz")
    }
    if buffer.starts(with: [0xEF, 0xBB, 0xBF]) { drop(3) }
  }

  private var isCSV: Bool {
    if case .csv = grammar { return true }
    return false
  }

  /// Hands the buffer over and keeps a copy of what lies behind the block: nearly always less than
  /// was read last. Where it is more, the block is the copy.
  private mutating func takeBlock(_ rows: Int, to end: Int, byteCount: Int) -> TextBlock {
    let bytes: [UInt8]
    if start == 0, buffer.count - end <= end {
      var rest: [UInt8] = []
      if !isAtEnd { rest.reserveCapacity(limits.maxBytes + 2 * Self.readBytes) }
      rest.append(contentsOf: buffer[end...])
      buffer.removeSubrange(end...)
      bytes = buffer
      buffer = rest
    } else {
      bytes = Array(buffer[start..<end])
      start = end
    }
    let block = TextBlock(
      bytes: bytes, firstRow: row, rowCount: rows, offset: offset, byteCount: byteCount)
    row += rows
    offset += byteCount
    return block
  }

  /// Takes out a row that cannot be read, as a block of its own, and keeps its beginning alone.
  ///
  /// A row that is too long, or open at the text's end, and has a line feed nevertheless, has a quote
  /// that is not closed: only its first line is taken for it, and those behind it are rows
  /// again. Of another nothing is kept up to the next line feed.
  private mutating func takeFault() throws(BatchError) -> TextBlock {
    let looked = buffer[start..<min(buffer.count, start + limits.maxRowBytes + 1)]
    let value = String(decoding: looked.prefix(200).prefix { $0 != 0x0A }, as: UTF8.self)
    var reason = "is longer than \(limits.maxRowBytes) bytes"
    var byteCount = 0
    var end = looked.firstIndex(of: 0x0A)
    if looked.count <= limits.maxRowBytes {
      reason = "EOF inside string: a quote is not closed"
    } else if end != nil {
      reason = "a quote is not closed within \(limits.maxRowBytes) bytes"
    } else {
      end = buffer[start...].firstIndex(of: 0x0A)
      while end == nil, !isAtEnd {
        byteCount += buffer.count - start
        buffer.removeAll(keepingCapacity: true)
        start = 0
        guard try fills() else { break }
        end = buffer.firstIndex(of: 0x0A)
      }
    }
    let taken = end.map { $0 + 1 } ?? buffer.count
    byteCount += taken - start
    start = taken
    let block = TextBlock(
      bytes: [], firstRow: row, rowCount: 1, offset: offset, byteCount: byteCount,
      fault: RowFault(row: 0, reason: reason, value: value))
    row += 1
    offset += byteCount
    return block
  }

  private mutating func drop(_ count: Int) {
    buffer.removeFirst(count)
    offset += count
  }

  private func isBlank(_ line: Range<Int>) -> Bool {
    switch grammar {
    case .csv(let skipsBlankLines):
      return skipsBlankLines && line.count <= 2
        && buffer[line].allSatisfy { $0 == 0x0A || $0 == 0x0D }
    case .jsonLines:
      // Nearly every line shows by its first byte that it is none.
      return RowCutter.isSpace(buffer[line.lowerBound])
        && buffer[line].allSatisfy(RowCutter.isSpace)
    }
  }

  /// JSON's white space.
  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  /// Fills the buffer further, and keeps for later why the text cannot be read on.
  ///
  /// - Returns: False for such a text.
  private mutating func fills() throws(BatchError) -> Bool {
    do throws(BatchError) {
      try fill()
    } catch .text(let file, let reason) {
      failure = .text(file: file, reason: reason)
    } catch {
      throw error
    }
    return failure == nil
  }

  private mutating func fill() throws(BatchError) {
    if let failure { throw failure }
    var count = 0
    var failure: BatchError?
    buffer.append(addingCapacity: Self.readBytes) { output in
      output.withUnsafeMutableBufferPointer { room, filled in
        do throws(BatchError) {
          count = try source.read(
            into: UnsafeMutableRawBufferPointer(
              start: room.baseAddress, count: min(room.count, Self.readBytes)))
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

/// A row that has no end before `end`, where it is in this state.
///
/// At each line feed before that it is in quotes, or it would have ended there. A later row that is in
/// quotes at one of them goes on as this one does.
private struct OpenRow {
  var end: Int
  var state: QuoteState

  func shifted(by distance: Int) -> OpenRow { OpenRow(end: end + distance, state: state) }
}

/// Looks for the ends of rows in a text that grows.
private struct RowSearch {
  private let isCSV: Bool
  /// The row that begins at `rowStart` has no end before it.
  private var position = 0
  private var rowStart = 0
  /// nil until the row has a quote.
  private var quotes: QuoteState?
  /// The first quote from `position` on; that before which there is none.
  private var noQuoteBefore = 0
  private var nextQuote = -1
  /// What an earlier search has found out.
  private let known: OpenRow?

  init(isCSV: Bool, openRow: OpenRow? = nil) {
    self.isCSV = isCSV
    known = openRow
  }

  var isInQuotes: Bool { quotes == .quoted }

  /// Where the row that begins at `start` ends, behind its line end; nil while that is not known.
  mutating func rowEnd(in text: [UInt8], from start: Int) -> Int? {
    text.withUnsafeBufferPointer { bytes -> Int? in
      guard let base = bytes.baseAddress, position < bytes.count else { return nil }
      if start != rowStart {
        rowStart = start
        position = start
        quotes = nil
      }
      if quotes == nil {
        let found = memchr(base + position, 0x0A, bytes.count - position)
        let end = found.map {
          base.distance(to: $0.assumingMemoryBound(to: UInt8.self)) + 1
        }
        guard isCSV, let quote = quote(bytes, before: end ?? bytes.count) else {
          position = end ?? bytes.count
          return end
        }
        let isCellStart =
          quote == rowStart || bytes[quote - 1] == UInt8(ascii: ",")
        quotes = isCellStart ? .cellStart : .cell
        position = quote
      }
      var state = quotes ?? .cellStart
      defer { quotes = state }
      if let known, position < known.end {
        passOver(known, bytes, &state)
      }
      while position < bytes.count {
        let ends = state.take(bytes[position])
        position += 1
        if ends { return position }
      }
      return nil
    }
  }

  /// Goes on where `known` has come to, if the row is in quotes at a line feed before that.
  private mutating func passOver(
    _ known: OpenRow, _ bytes: UnsafeBufferPointer<UInt8>, _ state: inout QuoteState
  ) {
    while position < known.end, bytes[position] != 0x0A {
      _ = state.take(bytes[position])
      position += 1
    }
    guard position < known.end, state == .quoted else { return }
    position = known.end
    state = known.state
  }

  /// The row that begins at `start`, which this has looked for an end of: nil where it has no quote.
  ///
  /// - Parameter end: Behind its line end, where one was found too far away.
  func openRow(from start: Int, endingAt end: Int?) -> OpenRow? {
    guard rowStart == start, let quotes else { return nil }
    // In no quotes: the line feed ends the row.
    if let end { return OpenRow(end: end - 1, state: .cell) }
    return OpenRow(end: position, state: quotes)
  }

  /// The first quote from `position` on and before `end`. The text is looked through once.
  private mutating func quote(_ bytes: UnsafeBufferPointer<UInt8>, before end: Int) -> Int? {
    if nextQuote < position {
      let from = max(noQuoteBefore, position)
      guard from < bytes.count, let base = bytes.baseAddress else { return nil }
      let found = memchr(base + from, 0x22, bytes.count - from)
      nextQuote = found.map { base.distance(to: $0.assumingMemoryBound(to: UInt8.self)) } ?? -1
      noQuoteBefore = found == nil ? bytes.count : nextQuote
    }
    return nextQuote >= position && nextQuote < end ? nextQuote : nil
  }
}
