internal import Documents
package import Executors
internal import Tensors

/// Reads rows of CSV or JSON Lines for one model, a block of whole lines at a time.
///
/// Columns go to the model's by name in any order, extra ones are passed over. A row that cannot
/// be read is left out and told of; the others are read. Source: `RELIABILITY.md` §2 B9.
package struct TableDecoder: Sendable {
  package enum Format: String, Sendable, CaseIterable {
    case csv, jsonl
  }

  /// What the header names, in its order; empty for JSON Lines.
  package let header: [String]
  private let decoder: PayloadDecoder
  package let format: Format
  /// Where each column of the text goes; nil for one that the model does not have.
  private let map: [PayloadDecoder.Target?]
  /// The columns that the header leaves out, as it may.
  private let absent: [Int]
  private let plain: PlainCSV?

  /// For lines of JSON, each a record or a list of values.
  package init(jsonLines signature: ModelSignature) throws(ScoringError) {
    decoder = PayloadDecoder(signature)
    try TableDecoder.checkTakesRows(decoder)
    format = .jsonl
    header = []
    map = []
    absent = []
    plain = nil
  }

  /// - Parameter header: The cells of the first line.
  package init(csv signature: ModelSignature, header: [String]) throws(ScoringError) {
    decoder = PayloadDecoder(signature)
    try TableDecoder.checkTakesRows(decoder)
    format = .csv
    self.header = header
    do throws(PayloadFault) {
      if let found = try decoder.columnMap(header, at: 0) {
        map = found
      } else {
        map = try decoder.positionMap(count: header.count)
      }
      absent = decoder.absentColumns(header)
    } catch {
      throw .badInput("the header " + error.reason)
    }
    // A table whose values are looked at closer goes the general way.
    plain =
      decoder.plainTable != nil && absent.isEmpty
      ? PlainCSV(signature.inputs[0].elementType, map: map, header: header) : nil
  }

  private static func checkTakesRows(_ decoder: PayloadDecoder) throws(ScoringError) {
    guard decoder.layout != .tensors else {
      throw .badInput(
        "the model takes tensors, not rows of columns: "
          + listed(decoder.signature.inputs.map(\.name)))
    }
  }

  /// The cells of a file's first line, without a byte order mark.
  ///
  /// - Returns: nil for an empty text.
  package static func headerCells(_ text: Span<UInt8>) throws(ScoringError) -> [String]? {
    var reader = CSVReader(text, isInBlocks: true)
    var names: [String] = []
    do throws(PayloadFault) {
      while let cell = try reader.nextCell() {
        names.append(cell.text)
        if cell.endsLine { break }
      }
    } catch {
      throw .badInput("the header " + error.reason)
    }
    return names.isEmpty ? nil : names
  }

  /// What a cell of CSV says: without its quotes.
  static func cellText(_ cell: Span<UInt8>) -> String {
    var reader = CSVReader(cell, isInBlocks: true)
    return (try? reader.nextCell())?.text
      ?? cell.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the bytes are UTF-8.
  @inline(never)
  static func isText(_ bytes: Span<UInt8>) -> Bool {
    do {
      _ = try UTF8Span(validating: bytes)
      return true
    } catch {
      return false
    }
  }

  /// - Parameters:
  ///   - text: Whole lines; no header among them.
  ///   - maxRows: No fewer than the text has.
  package func decode(_ text: Span<UInt8>, maxRows: Int) -> TableBlock {
    if let plain { return plain.decode(text, maxRows: maxRows) }
    var rows = decoder.makeRows(
      capacity: maxRows, bodyByteCount: text.count, hasNames: true)
    if rows.width == nil { rows.width = format == .csv ? map.count : nil }
    var faults: [RowFault] = []
    let rowCount =
      format == .csv
      ? readCSV(text, into: &rows, &faults) : readJSONLines(text, into: &rows, &faults)
    do throws(PayloadFault) {
      return TableBlock(
        inputs: try decoder.finish(rows, at: 0), rowCount: rowCount, faults: faults)
    } catch {
      // What is wrong with the rows together is wrong with each.
      return TableBlock(
        inputs: [], rowCount: rowCount,
        faults: (0..<rowCount).map { RowFault(row: $0, reason: error.reason, value: "") })
    }
  }

  private func readCSV(
    _ text: Span<UInt8>, into rows: inout PayloadDecoder.Rows, _ faults: inout [RowFault]
  ) -> Int {
    var reader = CSVReader(text, isInBlocks: true)
    var row = 0
    while !reader.isAtEnd {
      if map.count > 1, reader.skipBlankLine() { continue }
      rows.absent = absent
      do throws(RowFault) {
        try readRow(&reader, row, into: &rows)
        rows.count += 1
      } catch {
        faults.append(error)
        decoder.rewind(&rows)
      }
      row += 1
    }
    return row
  }

  private func readRow(
    _ reader: inout CSVReader, _ row: Int, into rows: inout PayloadDecoder.Rows
  ) throws(RowFault) {
    let start = reader.position
    var column = 0
    var fault: RowFault?
    do throws(PayloadFault) {
      while let cell = try reader.nextCell() {
        if fault == nil, column < map.count, let target = map[column],
          let expected = decoder.set(cell, target, in: &rows)
        {
          fault = RowFault(
            row: row, reason: "column '\(header[column])': expected \(expected)", value: cell.text)
        }
        column += 1
        if cell.endsLine { break }
      }
      if fault == nil, column == map.count { try decoder.fillAbsent(&rows, at: start) }
    } catch {
      reader.skipRow(from: start)
      throw RowFault(row: row, reason: error.reason, value: reader.line(at: start))
    }
    guard column == map.count else {
      throw RowFault(
        row: row, reason: "has \(column) values; the header has \(map.count)",
        value: reader.line(at: start))
    }
    if let fault { throw fault }
  }

  private func readJSONLines(
    _ text: Span<UInt8>, into rows: inout PayloadDecoder.Rows, _ faults: inout [RowFault]
  ) -> Int {
    var row = 0
    var start = 0
    while start < text.count {
      var end = start
      while end < text.count, text[end] != 0x0A { end += 1 }
      let line = text.extracting(start..<end)
      start = end + 1
      var scanner = PayloadScanner(line)
      guard let first = scanner.peek() else { continue }
      // A row that fails does not say how wide the others are.
      let width = rows.width
      do throws(PayloadFault) {
        guard TableDecoder.isText(line) else { throw scanner.fault("is not UTF-8") }
        try decoder.readLine(&scanner, isRecord: first == UInt8(ascii: "{"), into: &rows)
        guard scanner.peek() == nil else {
          throw scanner.fault("goes on behind the row with \(scanner.description())")
        }
        rows.count += 1
      } catch {
        let shown = line.extracting(first: min(line.count, 200))
        faults.append(
          RowFault(
            row: row, reason: PayloadPlace.reason(error),
            value: shown.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }))
        rows.width = width
        decoder.rewind(&rows)
      }
      row += 1
    }
    return row
  }
}

extension PayloadDecoder {
  /// The columns in the model's order, for a text whose names say nothing to the model.
  func positionMap(count: Int) throws(PayloadFault) -> [Target?] {
    if case .table(let width?) = layout, columns == nil, width != count {
      throw PayloadFault(
        offset: 0, reason: "has \(count) columns; the model takes \(width)")
    }
    return (0..<count).map {
      layout == .columnPerInput ? Target(input: $0, column: 0) : Target(input: 0, column: $0)
    }
  }

  /// Lets go of what a row that failed has left.
  func rewind(_ rows: inout Rows) {
    for index in rows.builders.indices {
      rows.builders[index].rewind(
        to: layout == .columnPerInput ? rows.count : rows.count * (rows.width ?? 0))
    }
  }

  func set(_ cell: CSVCell, _ target: Target, in rows: inout Rows) -> String? {
    let index =
      layout == .columnPerInput ? rows.count : rows.count * (rows.width ?? 1) + target.column
    return set(cell, in: &rows.builders[target.input], at: index)
  }
}
