internal import Documents
internal import Executors
internal import Serving
internal import Tensors

/// A block of a file's rows, scored and written.
struct ScoredBlock: Sendable {
  /// The line of column names as this block's values give it; empty where no row was scored.
  var header: [UInt8] = []
  var text: [UInt8] { writer.bytes }
  var writer = JSONWriter()
  /// Rows that were scored.
  var scored = 0
  /// Rows that were not; counted in the file.
  var faults: [RowFault] = []
  /// What no row is to blame for: the run cannot go on.
  var failure: Failure?

  struct Failure: Sendable, Equatable {
    /// Counted in the file.
    var row: Int
    var reason: String
  }
}

/// Turns blocks of text into blocks of predictions, on one thread.
struct BlockScorer {
  private let decoder: TableDecoder
  private let executor: any ModelExecutor
  private let outputs: [Int]
  private let names: [String]
  private let columns: PredictionColumns
  /// nil where nothing is carried.
  private let carried: CarriedColumns?
  private let scratch: Scratch
  /// Rows that the model is given at once: it may need much memory for each. One, where rows of a
  /// batch change each other's results.
  private let sliceRows: Int

  init(
    _ model: LoadedModel, outputs: [Int], text: InputText, columns: PredictionColumns
  ) {
    decoder = text.decoder
    carried = text.carried
    executor = model.executor
    self.outputs = outputs
    names = outputs.map { model.signature.outputs[$0].name }
    self.columns = columns
    scratch = model.executor.makeScratch()
    sliceRows = model.executor.batchDependentNodes.isEmpty ? 4096 : 1
  }

  func score(_ block: TextBlock) -> ScoredBlock {
    var scored = ScoredBlock()
    if var fault = block.fault {
      fault.row += block.firstRow
      scored.faults = [fault]
      return scored
    }
    let table = decoder.decode(block.bytes.span, maxRows: block.rowCount)
    guard table.rowCount == block.rowCount else {
      let reason = "\(table.rowCount) rows were read where \(block.rowCount) stand"
      scored.failure = ScoredBlock.Failure(row: block.firstRow, reason: reason)
      return scored
    }
    scored.faults = table.faults
    let rows = table.readRows
    let cells = carried?.cells(block.bytes.span, rows: rows)
    var slice = 0..<0
    while slice.upperBound < rows.count, scored.failure == nil {
      slice = slice.upperBound..<min(slice.upperBound + sliceRows, rows.count)
      score(slice, of: table, rows, cells, block, into: &scored)
    }
    if scored.faults.count > table.faults.count { scored.faults.sort { $0.row < $1.row } }
    for index in scored.faults.indices { scored.faults[index].row += block.firstRow }
    return scored
  }

  /// Scores a part of the table's rows; of one that fails, its halves: a row that the model
  /// refuses takes no other with it.
  private func score(
    _ part: Range<Int>, of table: TableBlock, _ rows: [Int], _ cells: CarriedCells?,
    _ block: TextBlock, into scored: inout ScoredBlock
  ) {
    guard !part.isEmpty, scored.failure == nil else { return }
    let inputs =
      part.count == rows.count ? table.inputs : table.inputs.map { $0.map { $0.rows(part) } }
    do {
      let values = try executor.predict(inputs, outputs: outputs, scratch: scratch)
      if let reason = BlockScorer.misfit(values, names, rowCount: part.count) {
        scored.failure = ScoredBlock.Failure(
          row: block.firstRow + rows[part.lowerBound], reason: reason)
        return
      }
      if scored.header.isEmpty { scored.header = columns.header(values, names: names) }
      columns.write(
        values, names: names, rows: rows[part], firstRow: block.firstRow, carrying: cells,
        to: &scored.writer)
      scored.scored += part.count
    } catch {
      guard part.count > 1 else {
        scored.faults.append(
          RowFault(row: rows[part.lowerBound], reason: "\(error)", value: ""))
        return
      }
      let middle = part.lowerBound + part.count / 2
      score(part.lowerBound..<middle, of: table, rows, cells, block, into: &scored)
      score(middle..<part.upperBound, of: table, rows, cells, block, into: &scored)
    }
  }

  /// What is wrong with an answer that has not a value for each row; nil as a rule. A graph may
  /// take the mean over everything.
  private static func misfit(
    _ values: [ModelValue], _ names: [String], rowCount: Int
  ) -> String? {
    for (value, name) in zip(values, names) {
      let tensor: Tensor
      switch value {
      case .tensor(let given): tensor = given
      case .maps(_, let given): tensor = given
      }
      guard tensor.shape.rank > 0, tensor.rowCount == rowCount else {
        return "output '\(name)' has shape \(tensor.shape) for \(rowCount) rows; "
          + "a value for each row is expected"
      }
    }
    return nil
  }
}
