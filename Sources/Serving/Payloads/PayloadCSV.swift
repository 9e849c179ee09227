internal import Documents
internal import Executors
internal import Tensors

/// MLflow's CSV bodies: a line of column names, then a line a row, read as pandas reads them.
/// Source: `WIRE.md` §2.5, RFC 4180.
extension PayloadDecoder {
  package func decodeCSV(_ body: Span<UInt8>) throws(ScoringError) -> DecodedRequest {
    var reader = CSVReader(body)
    do throws(PayloadFault) {
      return DecodedRequest(form: .mlflow, isFrame: true, inputs: try readCSV(&reader))
    } catch {
      throw .badInput(
        "Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid "
          + "CSV-formatted Pandas DataFrame produced using the `pandas.DataFrame.to_csv()` "
          + "method: line \(reader.line): \(PayloadPlace.reason(error))")
    }
  }

  private func readCSV(_ reader: inout CSVReader) throws(PayloadFault) -> [Tensor?] {
    guard layout != .tensors else {
      throw PayloadFault(offset: 0, reason: "the model takes tensors, not a table; send JSON")
    }
    // A cell takes a byte in the text and many in memory.
    let maxNames = (columns?.count ?? tableWidth).map { $0 + 65_536 } ?? 1 << 20
    var names: [String] = []
    while let cell = try reader.nextCell() {
      guard names.count < maxNames else {
        throw PayloadFault(offset: 0, reason: "there are more than \(maxNames) columns")
      }
      names.append(cell.text)
      if cell.endsLine { break }
    }
    guard !names.isEmpty else {
      throw PayloadFault(offset: 0, reason: "No columns to parse from file")
    }
    let map =
      try columnMap(names, at: 0)
      ?? names.indices.map {
        layout == .columnPerInput
          ? Target(input: $0, column: 0) : Target(input: 0, column: $0)
      }
    if columns == nil, let width = tableWidth, names.count != width {
      throw PayloadFault(
        offset: 0, reason: "there are \(names.count) columns; the model takes \(width)")
    }
    var rows = makeRows(PayloadScanner(reader.text), hasNames: true)
    if rows.width == nil { rows.width = names.count }
    rows.absent = absentColumns(names)
    while try readCSVRow(&reader, map, into: &rows) { rows.count += 1 }
    return try finish(rows, at: 0)
  }

  private var tableWidth: Int? {
    if case .table(let width) = layout { return width }
    return nil
  }

  /// - Returns: False at the end.
  private func readCSVRow(
    _ reader: inout CSVReader, _ map: [Target?], into rows: inout Rows
  ) throws(PayloadFault) -> Bool {
    var column = 0
    while let cell = try reader.nextCell() {
      // pandas passes over blank lines.
      if column == 0, cell.endsLine, cell.isBlank, map.count > 1 { continue }
      guard column < map.count else {
        throw PayloadFault(
          offset: 0, reason: "Expected \(map.count) fields, saw more: row \(rows.count)")
      }
      if let target = map[column] {
        let index =
          layout == .columnPerInput ? rows.count : rows.count * (rows.width ?? 1) + target.column
        if let expected = set(cell, in: &rows.builders[target.input], at: index) {
          throw PayloadFault(
            offset: 0,
            reason: "row \(rows.count), column \(column) is '\(cell.text.prefix(40))'; expected "
              + expected)
        }
      }
      column += 1
      guard cell.endsLine else { continue }
      // Cells that a line leaves out at its end are missing.
      while column < map.count {
        if let target = map[column] {
          let index =
            layout == .columnPerInput ? rows.count : rows.count * (rows.width ?? 1) + target.column
          if let expected = rows.builders[target.input].setNull(at: index) {
            throw PayloadFault(
              offset: 0, reason: "row \(rows.count) has no column \(column); expected \(expected)")
          }
        }
        column += 1
      }
      try fillAbsent(&rows, at: 0)
      return true
    }
    return false
  }

  func set(_ cell: CSVCell, in builder: inout InputBuilder, at index: Int) -> String? {
    if builder.elementType == .string {
      return cell.isMissing
        ? builder.setNull(at: index) : builder.setString(Array(cell.text.utf8), at: index)
    }
    if cell.isMissing { return builder.setNull(at: index) }
    let bytes = Array(cell.text.utf8)
    if builder.categories?.takesNamesAlone(at: index) == true {
      return builder.setString(bytes, at: index)
    }
    var position = 0
    if let number = NumberScanner.scan(bytes.span, at: &position), position == bytes.count {
      return builder.set(number, at: index)
    }
    switch cell.text {
    case "True", "TRUE", "true": return builder.setBool(true, at: index)
    case "False", "FALSE", "false": return builder.setBool(false, at: index)
    default: break
    }
    switch CSVNumber(bytes) {
    case .number(let number): return builder.set(number, at: index)
    case .infinity(let isNegative):
      return builder.setSpecial(isNegative ? -.infinity : .infinity, at: index)
    case nil: return builder.setString(bytes, at: index)
    }
  }
}

struct CSVCell {
  var text: String
  var endsLine: Bool
  var isQuoted: Bool

  var isBlank: Bool { text.isEmpty && !isQuoted }

  /// What pandas takes for a missing value.
  var isMissing: Bool {
    [
      "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
      "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    ].contains(text)
  }
}

/// Cells of a CSV text, one by one. A quoted cell may hold commas, line ends and doubled quotes.
struct CSVReader: ~Escapable {
  let text: Span<UInt8>
  /// The text is a block of a file's rows, cut at line feeds: a carriage return alone ends none.
  private let isInBlocks: Bool
  /// The line that is read, from 1 on.
  private(set) var line = 1
  var position = 0

  /// - Parameter isInBlocks: Whether the text is a part of a file. A whole one may begin with a
  ///   byte order mark, as spreadsheets write it.
  @_lifetime(copy text)
  init(_ text: Span<UInt8>, isInBlocks: Bool = false) {
    self.text = text
    self.isInBlocks = isInBlocks
    if !isInBlocks, text.count >= 3, text[0] == 0xEF, text[1] == 0xBB, text[2] == 0xBF {
      position = 3
    }
  }

  /// nil at the end of the text.
  @_lifetime(self: copy self)
  mutating func nextCell() throws(PayloadFault) -> CSVCell? {
    guard position < text.count else { return nil }
    var bytes: [UInt8] = []
    let isQuoted = text[position] == UInt8(ascii: "\"")
    if isQuoted {
      position += 1
      try readQuoted(into: &bytes)
    }
    while position < text.count, !isEnd(text[position]) {
      bytes.append(text[position])
      position += 1
    }
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw PayloadFault(offset: 0, reason: "has a cell that is not UTF-8")
    }
    guard position < text.count else {
      return CSVCell(text: string, endsLine: true, isQuoted: isQuoted)
    }
    let end = text[position]
    position += 1
    guard end != UInt8(ascii: ",") else {
      // A comma at the very end is followed by one empty cell more.
      if position == text.count { return CSVCell(text: string, endsLine: true, isQuoted: isQuoted) }
      return CSVCell(text: string, endsLine: false, isQuoted: isQuoted)
    }
    if end == 0x0D, position < text.count {
      if text[position] == 0x0A {
        position += 1
      } else if isInBlocks {
        throw PayloadFault(
          offset: 0,
          reason: "has a carriage return outside quotes; expected LF or CR LF at a line's end")
      }
    }
    line += 1
    return CSVCell(text: string, endsLine: true, isQuoted: isQuoted)
  }

  var isAtEnd: Bool { position >= text.count }

  /// Passes over a line without a byte in it.
  @_lifetime(self: copy self)
  @inline(__always)
  mutating func skipBlankLine() -> Bool {
    guard position < text.count, text[position] <= 0x0D else { return false }
    var next = position
    if text[next] == 0x0D { next += 1 }
    guard next < text.count else {
      position = next
      return true
    }
    guard text[next] == 0x0A else { return false }
    position = next + 1
    line += 1
    return true
  }

  /// Goes behind the row that begins at `start`, whatever its cells hold.
  @_lifetime(self: copy self)
  mutating func skipRow(from start: Int) {
    position = start
    var quotes = QuoteState.cellStart
    while position < text.count {
      let ends = quotes.take(text[position])
      position += 1
      if ends { return }
    }
  }

  /// What stands in the line that begins at `start`, at most 200 bytes of it.
  func line(at start: Int) -> String {
    var bytes: [UInt8] = []
    var index = start
    while index < text.count, text[index] != 0x0A, bytes.count < 200 {
      bytes.append(text[index])
      index += 1
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func isEnd(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ",") || byte == 0x0A || byte == 0x0D
  }

  @_lifetime(self: copy self)
  private mutating func readQuoted(into bytes: inout [UInt8]) throws(PayloadFault) {
    while position < text.count {
      let byte = text[position]
      position += 1
      if byte == UInt8(ascii: "\"") {
        guard position < text.count, text[position] == byte else { return }
        position += 1
      }
      if byte == 0x0A { line += 1 }
      bytes.append(byte)
    }
    throw PayloadFault(offset: 0, reason: "EOF inside string: a quote is not closed")
  }
}
