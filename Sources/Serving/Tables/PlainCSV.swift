internal import Documents
internal import Executors
internal import Tensors

/// CSV into one table of floats: numbers go from the text straight to their places.
///
/// `CDecimals` reads cell after cell as long as they have the common form. `DecimalScanner` looks at the
/// one that has not, or at all where the CPU is an older one, and then `NumberScanner`.
struct PlainCSV: Sendable {
  private let elementType: ElementType
  private let header: [String]
  /// The model's column for each of the text's; -1 for one that the model does not have.
  private let places: [Int]
  private let width: Int
  private let vectors: DecimalVectors

  init(
    _ elementType: ElementType, map: [PayloadDecoder.Target?], header: [String],
    vectors: DecimalVectors = .best
  ) {
    self.vectors = vectors
    self.elementType = elementType
    self.header = header
    places = map.map { $0?.column ?? -1 }
    width = places.count { $0 >= 0 }
  }

  func decode(_ text: Span<UInt8>, maxRows: Int, pause: () -> Void = {}) -> TableBlock {
    // A row that is kept has a byte for each of its cells, so short lines get no room for
    // values; one row more is written to before it turns out to be none.
    let room = min(maxRows, text.count / places.count + 1)
    var table = Tensor(elementType, shape: Shape(room, width))
    var faults: [RowFault] = []
    let rowCount: Int
    if elementType == .float32 {
      var values = table.mutableValues(as: Float.self)
      rowCount = read(text, maxRows, pause, into: &values, &faults)
    } else {
      var values = table.mutableValues(as: Double.self)
      rowCount = read(text, maxRows, pause, into: &values, &faults)
    }
    let kept = rowCount - faults.count
    table.reuse(shape: Shape(kept, width))
    return TableBlock(
      runs: [TableBlock.Run(inputs: [table], rowCount: kept)], rowCount: rowCount, faults: faults)
  }

  @inline(__always)
  private func read<Element: DecimalElement>(
    _ text: Span<UInt8>, _ maxRows: Int, _ pause: () -> Void,
    into values: inout MutableSpan<Element>, _ faults: inout [RowFault]
  ) -> Int {
    var reader = CSVReader(text, isInBlocks: true)
    var pauses = DecodingPauses()
    var row = 0
    var start = 0
    while !reader.isAtEnd, row < maxRows {
      if pauses.isDue(at: reader.position) { pause() }
      if places.count > 1, reader.skipBlankLine() { continue }
      if let end = readQuickly(text, reader.position, into: &values, at: start) {
        reader.position = end
        start += width
      } else if let fault = readSlowly(&reader, row, into: &values, at: start) {
        faults.append(fault)
      } else {
        start += width
      }
      row += 1
    }
    return row
  }

  /// A row of plain numbers and empty cells.
  ///
  /// - Returns: Where the next line begins; nil when the row needs a closer look.
  @inline(__always)
  private func readQuickly<Element: DecimalElement>(
    _ text: Span<UInt8>, _ position: Int, into values: inout MutableSpan<Element>, at start: Int
  ) -> Int? {
    var position = position
    // A row's values lie behind those of all that were kept: `decode` has made room for them.
    precondition(start + width <= values.count)
    let places = self.places.span
    let last = places.count - 1
    var column = 0
    while column <= last {
      if vectors != .none {
        column = readDecimals(text, &position, places, from: column, into: &values, at: start)
        if column > last { return position }
      }
      let place = places[column]
      let cellStart = position
      // Near the text's end numbers are left to the scanner that looks where it reads.
      if place >= 0, position &+ DecimalScanner.reach <= text.count,
        let number = DecimalScanner.scan(text, at: &position),
        PlainCSV.isEnd(unsafe text[unchecked: position])
      {
        unsafe values[unchecked: start &+ place] = Element(number)
      } else {
        position = cellStart
        if place >= 0 {
          let number = NumberScanner.scan(text, at: &position)
          values[start + place] = number.map { Element($0.double) } ?? .nan
        } else {
          var bits: UInt8 = 0
          while position < text.count, !PlainCSV.isEnd(text[position]) {
            if text[position] == UInt8(ascii: "\"") { return nil }
            bits |= text[position]
            position += 1
          }
          // Another path tells of a cell that is no text: it may be carried to the output.
          if bits >= 0x80, !TableDecoder.isText(text.extracting(cellStart..<position)) {
            return nil
          }
        }
      }
      if column < last {
        guard position < text.count, text[position] == UInt8(ascii: ",") else { return nil }
        position += 1
      }
      column += 1
    }
    guard position < text.count else { return position }
    if text[position] == 0x0D, position + 1 < text.count { position += 1 }
    return text[position] == 0x0A ? position + 1 : nil
  }

  /// Reads the cells of a row from `column` on, up to the first that is none of the common form.
  ///
  /// - Parameter position: At that column's cell; afterwards at the first that was not read, or
  ///   behind the line's end.
  /// - Returns: The first column that was not read.
  /// - Precondition: From `start` on there is room for a row.
  @inline(__always)
  private func readDecimals<Element: DecimalElement>(
    _ text: Span<UInt8>, _ position: inout Int, _ places: Span<Int>, from column: Int,
    into values: inout MutableSpan<Element>, at start: Int
  ) -> Int {
    unsafe text.withUnsafeBufferPointer { text in
      unsafe places.withUnsafeBufferPointer { places in
        unsafe values.withUnsafeMutableBufferPointer { values in
          guard let bytes = text.baseAddress, let room = values.baseAddress else { return column }
          return unsafe Element.readDecimals(
            bytes, text.count, &position, places.baseAddress, from: column, to: places.count,
            into: room + start, vectors)
        }
      }
    }
  }

  @inline(__always)
  private static func isEnd(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ",") || byte == 0x0A || byte == 0x0D
  }

  @inline(never)
  private func readSlowly<Element: DecimalElement>(
    _ reader: inout CSVReader, _ row: Int, into values: inout MutableSpan<Element>, at start: Int
  ) -> RowFault? {
    let lineStart = reader.position
    var column = 0
    var fault: RowFault?
    do throws(PayloadFault) {
      while let cell = try reader.nextCell() {
        if column < places.count, places[column] >= 0, fault == nil {
          if let number = CSVNumber.value(of: cell) {
            values[start + places[column]] = Element(number)
          } else {
            fault = RowFault(
              row: row,
              reason: "column '\(header[column])': expected a number (\(elementType.name))",
              value: cell.text)
          }
        }
        column += 1
        if cell.endsLine { break }
      }
    } catch {
      reader.skipRow(from: lineStart)
      return RowFault(row: row, reason: error.reason, value: reader.line(at: lineStart))
    }
    guard column == places.count else {
      return RowFault(
        row: row, reason: "has \(column) values; the header has \(places.count)",
        value: reader.line(at: lineStart))
    }
    return fault
  }
}
