internal import Documents
internal import Executors
internal import Serving
internal import Tensors

/// A block of a file's rows, scored and written.
struct ScoredBlock: Sendable {
  /// The line of column names as this block's values give it; empty where no row was scored.
  var header: [UInt8] = []
  var text: [UInt8] = []
  /// Rows that were scored.
  var scored = 0
  /// Rows that were not; counted in the file.
  var faults: [RowFault] = []
}

/// Turns blocks of text into blocks of predictions, on one thread.
struct BlockScorer {
  private let decoder: TableDecoder
  private let executor: any ModelExecutor
  private let outputs: [Int]
  private let names: [String]
  private let columns: PredictionColumns
  private let scratch: Scratch

  init(_ model: LoadedModel, outputs: [Int], decoder: TableDecoder, columns: PredictionColumns) {
    self.decoder = decoder
    executor = model.executor
    self.outputs = outputs
    names = outputs.map { model.signature.outputs[$0].name }
    self.columns = columns
    scratch = model.executor.makeScratch()
  }

  func score(_ block: TextBlock) -> ScoredBlock {
    let table = decoder.decode(block.bytes.span, maxRows: block.rowCount)
    var scored = ScoredBlock()
    scored.faults = table.faults
    let rows = table.readRows
    score(0..<rows.count, of: table, rows, block, into: &scored)
    if scored.faults.count > table.faults.count { scored.faults.sort { $0.row < $1.row } }
    for index in scored.faults.indices { scored.faults[index].row += block.firstRow }
    return scored
  }

  /// Scores a part of the table's rows; of one that fails, its halves: a row that the model
  /// refuses takes no other with it.
  private func score(
    _ part: Range<Int>, of table: TableBlock, _ rows: [Int], _ block: TextBlock,
    into scored: inout ScoredBlock
  ) {
    guard !part.isEmpty else { return }
    let inputs =
      part.count == rows.count ? table.inputs : table.inputs.map { $0.map { $0.rows(part) } }
    do {
      let values = try executor.predict(inputs, outputs: outputs, scratch: scratch)
      var writer = JSONWriter()
      columns.write(
        values, names: names, rows: rows[part], firstRow: block.firstRow, to: &writer)
      if scored.header.isEmpty { scored.header = columns.header(values, names: names) }
      scored.text += writer.bytes
      scored.scored += part.count
    } catch {
      guard part.count > 1 else {
        scored.faults.append(
          RowFault(row: rows[part.lowerBound], reason: "\(error)", value: ""))
        return
      }
      let middle = part.lowerBound + part.count / 2
      score(part.lowerBound..<middle, of: table, rows, block, into: &scored)
      score(middle..<part.upperBound, of: table, rows, block, into: &scored)
    }
  }
}
