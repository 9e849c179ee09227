internal import Executors
internal import Serving
internal import Synchronization

/// One text of rows, opened: its header read, its blocks handed out one by one.
final class InputText: Sendable {
  let decoder: TableDecoder
  /// nil where nothing is carried.
  let carried: CarriedColumns?
  private let cutter: Mutex<RowCutter>

  /// - Parameter columns: What is written for each row, carried columns among it.
  /// - Returns: nil for a text that has no rows to be: it is empty.
  init?(
    _ source: any ByteSource & Sendable, name: String, format: TableDecoder.Format,
    signature: ModelSignature, columns: PredictionColumns,
    limits: RowCutter.Limits = RowCutter.Limits()
  ) throws(BatchError) {
    let lines: any ByteSource =
      switch format {
      case .csv: source
      case .jsonl:
        UnrolledArray(source, name: name, rowDepth: TableDecoder.rowDepth(signature))
      }
    var cutter = RowCutter(
      lines, name: name,
      grammar: format == .csv ? .csv(skipsBlankLines: true) : .jsonLines, limits: limits)
    var line: [UInt8] = []
    if format == .csv {
      guard let first = try cutter.takeHeader() else { return nil }
      line = first
    }
    do throws(ScoringError) {
      switch format {
      case .jsonl: decoder = try TableDecoder(jsonLines: signature)
      case .csv:
        let header = try TableDecoder.headerCells(line.span) ?? []
        cutter.grammar = .csv(skipsBlankLines: header.count > 1)
        decoder = try TableDecoder(csv: signature, header: header)
      }
      carried =
        columns.carried.isEmpty
        ? nil
        : try CarriedColumns(
          columns.carried, from: decoder, to: columns.format == .csv ? .csv : .jsonl)
    } catch {
      throw .text(file: name, reason: error.inputSentence ?? "\(error)")
    }
    self.cutter = Mutex(cutter)
  }

  /// Goes on behind what has been handed out in another life.
  func skip(to offset: Int, row: Int) throws(BatchError) {
    try cutter.withLock { cutter throws(BatchError) in try cutter.skip(to: offset, row: row) }
  }

  func next() throws(BatchError) -> TextBlock? {
    try cutter.withLock { cutter throws(BatchError) in try cutter.next() }
  }
}
