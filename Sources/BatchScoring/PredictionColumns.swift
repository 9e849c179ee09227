internal import Documents
internal import Executors
internal import Serving
internal import Tensors

/// What a line of output holds, and how it is written.
///
/// The first output's value is `prediction`, as MLflow names it; of several values a row the
/// columns are `prediction_0`, `prediction_1`, …, or `prediction_NAME` for a map's keys. Further
/// outputs are called by their own names. Source: `AZUREML.md` §4.5.
package struct PredictionColumns: Sendable, Equatable {
  package enum Format: String, Sendable, CaseIterable {
    case csv, jsonl
  }

  package var format = Format.csv
  /// A line of column names before the first row of CSV.
  package var hasHeader = true
  /// Whether rows are numbered, and the name of the file that they come from.
  package var hasRow = true
  package var fileName: String?
  /// Columns of the input that each line begins with, as they stand there.
  package var carried: [String] = []

  package init() {}

  // MARK: The header

  /// The line of names; empty for JSON Lines and where none is wanted.
  ///
  /// - Parameter names: The values' columns, as `BatchSettings.columnNames` has them.
  func header(_ values: [ModelValue], names: [String]) -> [UInt8] {
    guard format == .csv, hasHeader else { return [] }
    return header(
      zip(values, names).flatMap { Self.columnNames($0, $1) })
  }

  /// The same where there are no values: empty too where the model does not say how many it gives.
  func header(_ outputs: [ModelOutput]) -> [UInt8] {
    guard format == .csv, hasHeader else { return [] }
    var names: [String] = []
    for (output, name) in zip(outputs, BatchSettings.columnNames(of: outputs)) {
      guard case .tensor = output.kind, let width = output.rowWidth else { return [] }
      names += Self.columnNames(width, name)
    }
    return header(names)
  }

  /// - Parameter predictions: The columns of what the model gives.
  private func header(_ predictions: [String]) -> [UInt8] {
    var cells = carried + (hasRow ? ["row"] : []) + predictions
    if fileName != nil { cells.append("file_name") }
    var writer = JSONWriter()
    for (index, cell) in cells.enumerated() {
      if index > 0 { writer.byte(UInt8(ascii: ",")) }
      CarriedColumns.writeCell(cell, to: &writer)
    }
    writer.byte(UInt8(ascii: "\n"))
    return writer.bytes
  }

  private static func columnNames(_ value: ModelValue, _ name: String) -> [String] {
    switch value {
    case .tensor(let tensor): return columnNames(width(tensor), name)
    case .maps(let keys, _): return keyNames(keys).map { "\(name)_\($0)" }
    }
  }

  private static func columnNames(_ width: Int, _ name: String) -> [String] {
    width == 1 ? [name] : (0..<width).map { "\(name)_\($0)" }
  }

  private static func keyNames(_ keys: Tensor) -> [String] {
    if keys.elementType == .string { return keys.strings.strings }
    let numbers = keys.values(as: Int64.self)
    return numbers.indices.map { String(numbers[$0]) }
  }

  /// Cells that a line has of an output.
  static func width(_ value: ModelValue) -> Int {
    switch value {
    case .tensor(let tensor): width(tensor)
    case .maps(_, let tensor): width(tensor)
    }
  }

  /// Values that a row has.
  static func width(_ tensor: Tensor) -> Int {
    tensor.rowCount == 0 ? 1 : tensor.shape.elementCount / tensor.rowCount
  }

  // MARK: Rows

  /// Writes a line for each row.
  ///
  /// - Parameters:
  ///   - names: As `header` takes them.
  ///   - rows: The rows' places in their block.
  ///   - firstRow: The block's place in its file.
  ///   - cells: What is carried, by the rows' places in the array that `rows` is a part of.
  func write(
    _ values: [ModelValue], names: [String], rows: ArraySlice<Int>, firstRow: Int,
    carrying cells: CarriedCells? = nil, to writer: inout JSONWriter
  ) {
    writer.reserve(rows.count * (values.count * 20 + 12))
    let texts = values.map(CellText.init)
    var fileCell = JSONWriter()
    if let fileName {
      if format == .csv {
        fileCell.byte(UInt8(ascii: ","))
        CarriedColumns.writeCell(fileName, to: &fileCell)
      } else {
        fileCell.raw(#","file_name":"#)
        fileCell.string(fileName)
      }
    }
    for (index, row) in rows.enumerated() {
      if format == .jsonl { writer.byte(UInt8(ascii: "{")) }
      cells?.write(rows.startIndex + index, to: &writer)
      switch format {
      case .csv: writeCSV(texts, index, row: firstRow + row, fileCell.bytes, to: &writer)
      case .jsonl:
        writeJSON(texts, names, index, row: firstRow + row, fileCell.bytes, to: &writer)
      }
    }
  }

  private func writeCSV(
    _ texts: [CellText], _ index: Int, row: Int, _ fileCell: [UInt8], to writer: inout JSONWriter
  ) {
    if hasRow { writer.integer(row) }
    for (place, text) in texts.enumerated() {
      for column in 0..<text.width {
        if hasRow || place > 0 || column > 0 { writer.byte(UInt8(ascii: ",")) }
        text.writeCSV(index * text.width + column, to: &writer)
      }
    }
    fileCell.withUnsafeBytes { writer.raw(bytes: $0) }
    writer.byte(UInt8(ascii: "\n"))
  }

  private func writeJSON(
    _ texts: [CellText], _ names: [String], _ index: Int, row: Int, _ fileCell: [UInt8],
    to writer: inout JSONWriter
  ) {
    if hasRow {
      writer.raw(#""row":"#)
      writer.integer(row)
    }
    for (place, text) in texts.enumerated() {
      if hasRow || place > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.string(names[place])
      writer.byte(UInt8(ascii: ":"))
      text.writeJSON(row: index, to: &writer)
    }
    fileCell.withUnsafeBytes { writer.raw(bytes: $0) }
    writer.raw("}\n")
  }
}

/// One output's values as cells.
private struct CellText {
  private let tensor: Tensor
  private let keys: [String]?
  let width: Int

  init(_ value: ModelValue) {
    switch value {
    case .tensor(let tensor):
      self.tensor = tensor
      keys = nil
    case .maps(let keys, let values):
      tensor = values
      self.keys =
        keys.elementType == .string
        ? keys.strings.strings
        : {
          let numbers = keys.values(as: Int64.self)
          return numbers.indices.map { String(numbers[$0]) }
        }()
    }
    width = tensor.rowCount == 0 ? 0 : tensor.shape.elementCount / tensor.rowCount
  }

  func writeCSV(_ index: Int, to writer: inout JSONWriter) {
    guard tensor.elementType == .string else {
      return TensorText(tensor).writeElement(index, to: &writer)
    }
    CarriedColumns.writeCell(
      String(decoding: Array(tensor.strings[index]), as: UTF8.self), to: &writer)
  }

  func writeJSON(row: Int, to writer: inout JSONWriter) {
    let text = TensorText(tensor)
    if let keys {
      writer.byte(UInt8(ascii: "{"))
      for (column, key) in keys.enumerated() {
        if column > 0 { writer.byte(UInt8(ascii: ",")) }
        writer.string(key)
        writer.byte(UInt8(ascii: ":"))
        text.writeElement(row * keys.count + column, to: &writer)
      }
      return writer.byte(UInt8(ascii: "}"))
    }
    text.writeRow(row, to: &writer)
  }
}
