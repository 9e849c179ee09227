package import Documents

/// Columns of the input that predictions begin with: cells as they stand there.
///
/// They are found by a walk of their own over the block, which knows nothing of numbers; rows
/// that could not be read were left out before.
package struct CarriedColumns: Sendable {
  package let names: [String]
  private let input: TableDecoder.Format
  private let output: TableDecoder.Format
  /// Where a line of CSV has them.
  private let places: [Int]
  /// Columns of a line of CSV.
  private let width: Int

  /// - Throws: When a header lacks one of them. Records of JSON may: the value is then `null`.
  package init(
    _ names: [String], from decoder: TableDecoder, to output: TableDecoder.Format
  ) throws(ScoringError) {
    self.names = names
    self.input = decoder.format
    self.output = output
    width = decoder.header.count
    var places: [Int] = []
    if decoder.format == .csv {
      for name in names {
        guard let place = decoder.header.firstIndex(of: name) else {
          throw .badInput("the header has no column '\(name)', which is to be carried")
        }
        guard !decoder.header[(place + 1)...].contains(name) else {
          throw .badInput("the header names column '\(name)' twice")
        }
        places.append(place)
      }
    }
    self.places = places
  }

  /// The cells of `rows`, each row's the beginning of its line of output.
  ///
  /// - Parameters:
  ///   - text: The block that was decoded.
  ///   - rows: Places of rows in it, ascending.
  /// - Returns: nil where the text has fewer rows.
  package func cells(_ text: Span<UInt8>, rows: [Int]) -> CarriedCells? {
    var cells = CarriedCells()
    cells.ends.reserveCapacity(rows.count)
    var position = 0
    var row = 0
    for wanted in rows {
      while true {
        guard position < text.count else { return nil }
        let (line, isBlank) = nextLine(text, &position)
        if isBlank { continue }
        row += 1
        guard row > wanted else { continue }
        switch input {
        case .csv: writeCells(text, line, to: &cells.writer)
        case .jsonl: writeMembers(text.extracting(line), to: &cells.writer)
        }
        break
      }
      cells.ends.append(cells.writer.bytes.count)
    }
    return cells
  }

  /// Blank is what `RowCutter` takes for it.
  private func nextLine(_ text: Span<UInt8>, _ position: inout Int) -> (Range<Int>, Bool) {
    let start = position
    var quotes = QuoteState.cellStart
    var isEmpty = true
    while position < text.count {
      let byte = text[position]
      position += 1
      let isSpace = byte == 0x20 || byte == 0x09
      if byte != 0x0A, byte != 0x0D, input == .csv || !isSpace { isEmpty = false }
      if input == .csv ? quotes.take(byte) : byte == 0x0A { break }
    }
    let isBlank = isEmpty && (input == .jsonl || (width > 1 && position - start <= 2))
    return (start..<position, isBlank)
  }

  // MARK: CSV

  private func writeCells(_ text: Span<UInt8>, _ line: Range<Int>, to writer: inout JSONWriter) {
    var ranges: [Range<Int>] = []
    ranges.reserveCapacity(width)
    var quotes = QuoteState.cellStart
    var start = line.lowerBound
    for index in line {
      let ends = quotes.take(text[index])
      guard ends || quotes == .cellStart else { continue }
      var end = index
      if ends, end > start, text[end - 1] == 0x0D { end -= 1 }
      ranges.append(start..<end)
      start = index + 1
    }
    for (name, place) in zip(names, places) {
      let cell = text.extracting(place < ranges.count ? ranges[place] : 0..<0)
      switch output {
      case .csv:
        cell.withUnsafeBytes { unsafe writer.raw(bytes: $0) }
        writer.byte(UInt8(ascii: ","))
      case .jsonl:
        writer.string(name)
        writer.byte(UInt8(ascii: ":"))
        writer.string(TableDecoder.cellText(cell))
        writer.byte(UInt8(ascii: ","))
      }
    }
  }

  // MARK: JSON

  private func writeMembers(_ line: Span<UInt8>, to writer: inout JSONWriter) {
    var values = [Range<Int>?](repeating: nil, count: names.count)
    var scanner = PayloadScanner(line)
    // The line has been read before: what is wrong with it would have left it out.
    if scanner.peek() == UInt8(ascii: "{") { try? find(&scanner, &values) }
    for (name, range) in zip(names, values) {
      switch output {
      case .jsonl:
        writer.string(name)
        writer.byte(UInt8(ascii: ":"))
        if let range {
          line.extracting(range).withUnsafeBytes { unsafe writer.raw(bytes: $0) }
        } else {
          writer.raw("null")
        }
      case .csv:
        if let range { writeCell(line.extracting(range), to: &writer) }
      }
      writer.byte(UInt8(ascii: ","))
    }
  }

  private func find(
    _ scanner: inout PayloadScanner, _ values: inout [Range<Int>?]
  ) throws(PayloadFault) {
    guard try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "a record") else { return }
    repeat {
      _ = scanner.peek()
      let name = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"), "':'")
      _ = scanner.peek()
      let start = scanner.position
      try scanner.skipValue()
      if let index = names.firstIndex(of: name) { values[index] = start..<scanner.position }
    } while try scanner.continues(until: UInt8(ascii: "}"))
  }

  /// A value of JSON as a cell: text without its quotes, `null` empty, others as they stand.
  private func writeCell(_ value: Span<UInt8>, to writer: inout JSONWriter) {
    var scanner = PayloadScanner(value)
    if scanner.takes("null") { return }
    let text: String
    if value[0] == UInt8(ascii: "\""), let string = try? scanner.string() {
      text = string
    } else {
      text = value.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
    CarriedColumns.writeCell(text, to: &writer)
  }

  /// A cell of text as RFC 4180 has it.
  package static func writeCell(_ text: String, to writer: inout JSONWriter) {
    let isPlain = text.utf8.allSatisfy { $0 != 0x22 && $0 != 0x2C && $0 != 0x0A && $0 != 0x0D }
    guard !isPlain || text.isEmpty else { return writer.raw(text) }
    writer.byte(0x22)
    for byte in text.utf8 {
      if byte == 0x22 { writer.byte(0x22) }
      writer.byte(byte)
    }
    writer.byte(0x22)
  }
}

/// What each line of output begins with: the carried cells with what separates them, the last
/// separator too.
package struct CarriedCells: Sendable {
  fileprivate var writer = JSONWriter()
  fileprivate var ends: [Int] = []

  /// Writes the beginning of the line of the row at `index` of those that were asked for.
  package func write(_ index: Int, to output: inout JSONWriter) {
    let start = index == 0 ? 0 : ends[index - 1]
    writer.bytes.span.extracting(start..<ends[index]).withUnsafeBytes {
      unsafe output.raw(bytes: $0)
    }
  }
}
