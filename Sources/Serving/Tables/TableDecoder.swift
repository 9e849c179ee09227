internal import Documents
package import Executors
internal import Tensors

/// Reads rows of CSV or JSON Lines for one model, a block of whole lines at a time.
///
/// For a model of one tensor that is no table, a line of JSON is a row of it: a nested list.
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
  /// The columns of the only input in which numbers may be names of categories, ascending.
  private let namedColumns: [Int]
  /// Whether a row may have other inputs than another one.
  private let mayLackInputs: Bool

  /// For lines of JSON, each a record or a list of values.
  package init(jsonLines signature: ModelSignature) throws(ScoringError) {
    decoder = PayloadDecoder(signature)
    if decoder.tensorOfRows == nil { try TableDecoder.checkTakesRows(decoder) }
    format = .jsonl
    header = []
    map = []
    absent = []
    plain = nil
    namedColumns = TableDecoder.namedColumns(signature)
    mayLackInputs = decoder.mayLackInputs
  }

  /// - Parameter header: The cells of the first line.
  package init(csv signature: ModelSignature, header: [String]) throws(ScoringError) {
    decoder = PayloadDecoder(signature)
    try TableDecoder.checkTakesRows(decoder)
    namedColumns = TableDecoder.namedColumns(signature)
    mayLackInputs = decoder.mayLackInputs
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

  /// How deep the lists of a line of JSON are nested.
  package static func rowDepth(_ signature: ModelSignature) -> Int {
    let tensor = PayloadDecoder(signature).tensorOfRows
    return max(tensor.map { signature.inputs[$0].shape.count - 1 } ?? 1, 1)
  }

  private static func namedColumns(_ signature: ModelSignature) -> [Int] {
    guard signature.inputs.count == 1 else { return [] }
    return signature.inputs[0].categories.filter(\.value.takesNames).keys.sorted()
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

  /// Each row is judged alone: what is wrong with one is told of it, whichever others stand in the text.
  ///
  /// - Parameters:
  ///   - text: Whole lines; no header among them.
  ///   - maxRows: No fewer than the text has.
  ///   - pause: Called behind every 16 KiB or so: the thread may let others go first.
  package func decode(
    _ text: Span<UInt8>, maxRows: Int, pause: () -> Void = {}
  ) -> TableBlock {
    if let plain { return plain.decode(text, maxRows: maxRows, pause: pause) }
    var reading = Reading(rows: makeRows(text, capacity: maxRows, maxRows: maxRows))
    switch format {
    case .csv: readCSV(text, pause, into: &reading)
    case .jsonl: readJSONLines(text, maxRows, pause, into: &reading)
    }
    endRun(text, into: &reading)
    return TableBlock(runs: reading.runs, rowCount: reading.rowCount, faults: reading.faults)
  }

  /// What a block has become so far.
  private struct Reading {
    /// The run that is not ended yet.
    var rows: PayloadDecoder.Rows
    /// Its rows: their places in the block and in the text.
    var places: [(row: Int, text: Range<Int>)] = []
    var runs: [TableBlock.Run] = []
    var faults: [RowFault] = []
    var rowCount = 0
  }

  /// - Parameter capacity: Of each input, elements that are expected: a run that is not the block's first
  ///   may be one of many.
  private func makeRows(
    _ text: Span<UInt8>, capacity: Int, maxRows: Int
  ) -> PayloadDecoder.Rows {
    var rows = decoder.makeRows(
      capacity: capacity, maxElements: maxElements(text, maxRows: maxRows), hasNames: true)
    if rows.width == nil { rows.width = format == .csv ? map.count : nil }
    return rows
  }

  /// Elements that an input may get: as many as rows have columns, which a text may leave out; where the
  /// rows say how many, each has a byte.
  private func maxElements(_ text: Span<UInt8>, maxRows: Int) -> Int {
    if decoder.layout == .tensors { return text.count + 1 }
    guard case .table(let width) = decoder.layout else { return maxRows + 1 }
    guard let width else { return text.count + 1 }
    let (product, overflows) = (maxRows + 1).multipliedReportingOverflow(by: width)
    return overflows ? Int.max : product
  }

  /// Ends the run: the next row begins another one.
  private func endRun(_ text: Span<UInt8>, into reading: inout Reading) {
    let places = reading.places
    guard !places.isEmpty else { return }
    reading.places = []
    do throws(PayloadFault) {
      let inputs = try finish(reading.rows)
      reading.runs.append(TableBlock.Run(inputs: inputs, rowCount: places.count))
    } catch {
      // Rows that cannot be given to the model together may be given to it one by one.
      var faults = 0
      for (row, range) in places {
        do throws(RowFault) {
          let inputs = try inputs(ofRow: row, text.extracting(range))
          reading.runs.append(TableBlock.Run(inputs: inputs, rowCount: 1))
        } catch {
          reading.faults.append(error)
          faults += 1
        }
      }
      if faults > 0 { reading.faults.sort { $0.row < $1.row } }
    }
  }

  private func finish(_ rows: PayloadDecoder.Rows) throws(PayloadFault) -> [Tensor?] {
    guard let input = decoder.tensorOfRows else { return try decoder.finish(rows, at: 0) }
    return try decoder.finishTensor(rows, input)
  }

  /// One row alone, that has been read among others.
  private func inputs(ofRow row: Int, _ text: Span<UInt8>) throws(RowFault) -> [Tensor?] {
    var rows = makeRows(text, capacity: 1, maxRows: 1)
    do throws(PayloadFault) {
      switch format {
      case .csv:
        rows.absent = absent
        var reader = CSVReader(text, isInBlocks: true)
        do throws(RowFault) {
          try readRow(&reader, row, into: &rows)
        } catch {
          throw PayloadFault(offset: 0, reason: error.reason)
        }
      case .jsonl: try readLine(text, into: &rows)
      }
      rows.count = 1
      return try finish(rows)
    } catch {
      throw fault(error, row, text)
    }
  }

  private func fault(_ fault: PayloadFault, _ row: Int, _ text: Span<UInt8>) -> RowFault {
    let shown = text.extracting(first: min(text.count, 200))
    return RowFault(
      row: row, reason: PayloadPlace.reason(fault),
      value: shown.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) })
  }

  // MARK: CSV

  private func readCSV(_ text: Span<UInt8>, _ pause: () -> Void, into reading: inout Reading) {
    var reader = CSVReader(text, isInBlocks: true)
    var pauses = DecodingPauses()
    while !reader.isAtEnd {
      if pauses.isDue(at: reader.position) { pause() }
      if map.count > 1, reader.skipBlankLine() { continue }
      let start = reader.position
      reading.rows.absent = absent
      do throws(RowFault) {
        try readRow(&reader, reading.rowCount, into: &reading.rows)
        reading.rows.count += 1
        reading.places.append((reading.rowCount, start..<reader.position))
      } catch {
        reading.faults.append(error)
        decoder.rewind(&reading.rows)
      }
      reading.rowCount += 1
    }
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
    if let unknown = codeNames(&rows) {
      let place = map.firstIndex { $0?.column == unknown.column }
      throw RowFault(
        row: row,
        reason: "column '\(place.map { header[$0] } ?? "\(unknown.column)")': expected "
          + unknown.expected, value: unknown.value)
    }
  }

  /// Categories of the row that has just been read: what is none is the row's fault.
  private func codeNames(_ rows: inout PayloadDecoder.Rows) -> CategoryColumns.Unknown? {
    guard !namedColumns.isEmpty, let categories = rows.builders[0].categories else { return nil }
    return categories.code(
      &rows.builders[0], rowAt: rows.count * categories.width, columns: namedColumns)
  }

  // MARK: JSON Lines

  private func readJSONLines(
    _ text: Span<UInt8>, _ maxRows: Int, _ pause: () -> Void, into reading: inout Reading
  ) {
    var pauses = DecodingPauses()
    var start = 0
    while start < text.count {
      if pauses.isDue(at: start) { pause() }
      var end = start
      while end < text.count, text[end] != 0x0A { end += 1 }
      let place = start..<end
      let line = text.extracting(place)
      start = end + 1
      var scanner = PayloadScanner(line)
      guard scanner.peek() != nil else { continue }
      // A row that fails does not say how wide the others are.
      let width = reading.rows.width
      do throws(PayloadFault) {
        try readLine(line, into: &reading.rows)
        if !decoder.joins(reading.rows) {
          decoder.rewind(&reading.rows)
          endRun(text, into: &reading)
          reading.rows = makeRows(text, capacity: 1, maxRows: maxRows)
          try readLine(line, into: &reading.rows)
        }
        add(place, to: &reading)
      } catch {
        reading.rows.width = width
        decoder.rewind(&reading.rows)
        if reading.rows.count > 0, rowsMayDiffer {
          readAlone(place, text, maxRows, into: &reading)
        } else {
          reading.faults.append(fault(error, reading.rowCount, line))
        }
      }
      reading.rowCount += 1
    }
  }

  private func add(_ place: Range<Int>, to reading: inout Reading) {
    if mayLackInputs, reading.rows.count == 0 {
      reading.rows.present = reading.rows.builders.map { $0.count > 0 }
    }
    reading.rows.count += 1
    reading.places.append((reading.rowCount, place))
  }

  /// Whether a row of another size than those before it may be right.
  private var rowsMayDiffer: Bool {
    decoder.layout == .tensors || decoder.layout == .table(width: nil)
  }

  /// A row that is wrong behind those before it: it begins a run, or what is wrong with it alone is told.
  private func readAlone(
    _ place: Range<Int>, _ text: Span<UInt8>, _ maxRows: Int, into reading: inout Reading
  ) {
    let line = text.extracting(place)
    var rows = makeRows(text, capacity: 1, maxRows: maxRows)
    do throws(PayloadFault) {
      try readLine(line, into: &rows)
      endRun(text, into: &reading)
      reading.rows = rows
      add(place, to: &reading)
    } catch {
      reading.faults.append(fault(error, reading.rowCount, line))
    }
  }

  private func readLine(
    _ line: Span<UInt8>, into rows: inout PayloadDecoder.Rows
  ) throws(PayloadFault) {
    var scanner = PayloadScanner(line)
    guard TableDecoder.isText(line) else { throw scanner.fault("is not UTF-8") }
    // What the line before has left out is nothing to this one.
    rows.absent = []
    let isRecord = scanner.peek() == UInt8(ascii: "{")
    if let input = decoder.tensorOfRows {
      try decoder.readTensorLine(&scanner, isRecord: isRecord, input, into: &rows)
    } else {
      try decoder.readLine(&scanner, isRecord: isRecord, into: &rows)
    }
    guard scanner.peek() == nil else {
      throw scanner.fault("goes on behind the row with \(scanner.description())")
    }
    if rows.width == 0 { throw PayloadFault(offset: 0, reason: "has no values") }
    if let unknown = codeNames(&rows) {
      throw PayloadFault(
        offset: 0, reason: "has \(unknown.value); expected \(unknown.expected)")
    }
  }
}

/// When a decoder that reads a long text stops for its thread to give way.
struct DecodingPauses {
  private static let step = 16 << 10
  private var next = step

  /// - Parameter position: In the text; no less than that of the call before.
  @inline(__always)
  mutating func isDue(at position: Int) -> Bool {
    guard position >= next else { return false }
    next = position + DecodingPauses.step
    return true
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

  var mayLackInputs: Bool {
    layout == .columnPerInput && signature.inputs.contains { !$0.isRequired }
  }

  /// Whether the row that has just been read, and is not counted yet, has the inputs that those before it
  /// have.
  func joins(_ rows: Rows) -> Bool {
    guard rows.count > 0, !rows.present.isEmpty else { return true }
    return rows.builders.indices.allSatisfy {
      rows.builders[$0].count == (rows.present[$0] ? rows.count + 1 : 0)
    }
  }

  /// Lets go of what a row that failed has left.
  func rewind(_ rows: inout Rows) {
    for index in rows.builders.indices {
      let isAbsent = rows.count > 0 && !rows.present.isEmpty && !rows.present[index]
      let elements =
        switch layout {
        case .columnPerInput: rows.count
        case .table: rows.count * (rows.width ?? 0)
        case .tensors: rows.elementCount
        }
      rows.builders[index].rewind(to: isAbsent ? 0 : elements)
    }
  }

  func set(_ cell: CSVCell, _ target: Target, in rows: inout Rows) -> String? {
    let index =
      layout == .columnPerInput ? rows.count : rows.count * (rows.width ?? 1) + target.column
    return set(cell, in: &rows.builders[target.input], at: index)
  }
}
