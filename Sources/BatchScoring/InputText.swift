internal import Executors
internal import Serving
internal import Synchronization

/// One text of rows, opened: its header read, its blocks handed out one by one.
final class InputText: Sendable {
  let decoder: TableDecoder
  private let cutter: Mutex<RowCutter>

  /// - Returns: nil for a text that has no rows to be: it is empty.
  init?(
    _ source: any ByteSource & Sendable, name: String, format: TableDecoder.Format,
    signature: ModelSignature, limits: RowCutter.Limits = RowCutter.Limits()
  ) throws(BatchError) {
    var cutter = RowCutter(
      source, name: name,
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
    } catch {
      throw .text(file: name, reason: error.inputSentence ?? "\(error)")
    }
    self.cutter = Mutex(cutter)
  }

  func next() throws(BatchError) -> TextBlock? {
    try cutter.withLock { cutter throws(BatchError) in try cutter.next() }
  }
}
