internal import Documents
internal import Executors
internal import Serving
internal import Telemetry
internal import Tensors

/// A block of a file's rows, scored and written.
struct ScoredBlock: Sendable {
  /// The line of column names as this block's values give it; empty where no row was scored.
  var header: [UInt8] { forms.first?.header ?? [] }
  var text: [UInt8] { writer.bytes }
  var writer = JSONWriter()
  /// Rows that were scored.
  var scored = 0
  /// Rows that were not; counted in the file.
  var faults: [RowFault] = []
  /// What no row is to blame for: the run cannot go on.
  var failure: Failure?
  /// Not all of it was scored: nobody wants it any more.
  var isAbandoned = false

  /// The text of rows that were scored together.
  fileprivate struct Part {
    /// The rows, by their places among those that could be read.
    var rows: Range<Int>
    /// Where their text begins.
    var offset: Int
    /// Their place in `forms`.
    var form: Int
  }

  fileprivate var parts: [Part] = []
  /// How wide rows are, each with the header that its lines have; one as a rule.
  fileprivate var forms: [(form: RowForm, header: [UInt8])] = []
  /// The rows that could be read, by their places in the block, and the block's first row.
  fileprivate var places: [Int] = []
  fileprivate var firstRow = 0
  /// The outputs'.
  fileprivate var names: [String] = []

  fileprivate var hasEnded: Bool { failure != nil || isAbandoned }

  /// Brings the text into the order of the rows.
  fileprivate mutating func sortParts() {
    guard zip(parts, parts.dropFirst()).contains(where: { $0.rows.lowerBound > $1.rows.lowerBound })
    else { return }
    keep(parts.indices.sorted { parts[$0].rows.lowerBound < parts[$1].rows.lowerBound })
  }

  /// Leaves these parts alone, in this order.
  private mutating func keep(_ kept: [Int]) {
    let bytes = writer.bytes
    let ends = parts.dropFirst().map(\.offset) + [bytes.count]
    var text = JSONWriter()
    var moved: [Part] = []
    for index in kept {
      var part = parts[index]
      bytes[part.offset..<ends[index]].withUnsafeBytes { text.raw(bytes: $0) }
      part.offset = text.bytes.count - (ends[index] - part.offset)
      moved.append(part)
    }
    writer = text
    parts = moved
  }

  /// Leaves rows of one form alone: all lines of an output have the same columns.
  ///
  /// Asked of one block behind the other, in the input's order, this depends on the rows alone, and not
  /// on where blocks begin or on which of them was scored first.
  ///
  /// - Parameter form: That of the rows before; nil before the first, which fixes it.
  mutating func keepRows(of form: inout RowForm?) {
    guard let first = parts.first else { return }
    let wanted = form ?? forms[first.form].form
    form = wanted
    guard forms.contains(where: { $0.form != wanted }) else { return }
    var kept: [Int] = []
    for (index, part) in parts.enumerated() {
      guard let reason = forms[part.form].form.difference(to: wanted, names) else {
        kept.append(index)
        continue
      }
      scored -= part.rows.count
      for row in part.rows {
        faults.append(RowFault(row: firstRow + places[row], reason: reason, value: ""))
      }
    }
    faults.sort { $0.row < $1.row }
    keep(kept)
    forms = forms.filter { $0.form == wanted }
    for index in parts.indices { parts[index].form = 0 }
  }

  struct Failure: Sendable, Equatable {
    /// Counted in the file.
    var row: Int
    var reason: String
  }
}

/// Turns blocks of text into blocks of predictions, on one thread.
struct BlockScorer {
  /// nil for arrays of numbers.
  private let decoder: TableDecoder?
  private let executor: any ModelExecutor
  private let outputs: [Int]
  /// The outputs', and those of their columns.
  private let names: [String]
  private let columnNames: [String]
  private let columns: PredictionColumns
  /// nil where nothing is carried.
  private let carried: CarriedColumns?
  private let scratch: Scratch
  private let pace: ScoringPace
  /// Rows that the model is given at once, at most: one, where rows of a batch change each other's
  /// results.
  private let maxRunRows: Int
  /// Whether a table's rows may have any number of columns.
  private let takesAnyWidth: Bool

  /// - Parameter text: nil for arrays of numbers.
  init(
    _ model: LoadedModel, outputs: [Int], text: InputText?, columns: PredictionColumns,
    scratch: Scratch? = nil, pace: ScoringPace = ScoringPace()
  ) {
    decoder = text?.decoder
    carried = text?.carried
    self.pace = pace
    executor = model.executor
    self.outputs = outputs
    names = outputs.map { model.signature.outputs[$0].name }
    columnNames = BatchSettings.columnNames(of: outputs.map { model.signature.outputs[$0] })
    self.columns = columns
    self.scratch = scratch ?? model.executor.makeScratch()
    self.scratch.pause = pace.pause
    maxRunRows = model.executor.batchDependentNodes.isEmpty ? .max : 1
    let inputs = model.signature.inputs
    takesAnyWidth = inputs.count == 1 && inputs[0].shape.count == 2 && inputs[0].shape[1] == nil
  }

  func score(_ block: TextBlock) -> ScoredBlock {
    var scored = ScoredBlock()
    if var fault = block.fault {
      fault.row += block.firstRow
      scored.faults = [fault]
      return scored
    }
    guard let decoder else { preconditionFailure("text comes without its header") }
    pace.begin()
    let table = decoder.decode(
      block.bytes.span, maxRows: block.rowCount, pause: pace.pause)
    guard table.rowCount == block.rowCount else {
      let reason = "\(table.rowCount) rows were read where \(block.rowCount) stand"
      scored.failure = ScoredBlock.Failure(row: block.firstRow, reason: reason)
      return scored
    }
    scored.faults = table.faults
    pace.pause()
    let rows = table.readRows
    var cells: CarriedCells?
    if let carried {
      cells = carried.cells(block.bytes.span, rows: rows)
      guard cells != nil else {
        let reason = "the cells to be carried were not found"
        scored.failure = ScoredBlock.Failure(row: block.firstRow, reason: reason)
        return scored
      }
    }
    score(table.runs, rows, cells, firstRow: block.firstRow, into: &scored)
    return scored
  }

  /// Scores rows of an array.
  func score(_ rows: Tensor, firstRow: Int) -> ScoredBlock {
    pace.begin()
    var scored = ScoredBlock()
    let run = TableBlock.Run(inputs: [rows], rowCount: rows.rowCount)
    score([run], Array(0..<rows.rowCount), nil, firstRow: firstRow, into: &scored)
    return scored
  }

  private func score(
    _ runs: [TableBlock.Run], _ rows: [Int], _ cells: CarriedCells?, firstRow: Int,
    into scored: inout ScoredBlock
  ) {
    let faultCount = scored.faults.count
    var start = 0
    for run in runs {
      score(
        run.inputs, rows[start..<(start + run.rowCount)], cells, firstRow: firstRow, into: &scored)
      start += run.rowCount
    }
    scored.sortParts()
    if scored.faults.count > faultCount { scored.faults.sort { $0.row < $1.row } }
    for index in scored.faults.indices { scored.faults[index].row += firstRow }
    scored.names = names
    scored.places = rows
    scored.firstRow = firstRow
  }

  /// - Parameter rows: Those of a run, by their places among all that could be read.
  private func score(
    _ inputs: [Tensor?], _ rows: ArraySlice<Int>, _ cells: CarriedCells?, firstRow: Int,
    into scored: inout ScoredBlock
  ) {
    // A part that takes too long comes again, in smaller ones, when all others have had their turn:
    // a row that takes all the time there is comes last.
    var parts = [rows.indices]
    var next = 0
    while next < parts.count, !scored.hasEnded {
      var slice = parts[next].lowerBound..<parts[next].lowerBound
      while slice.upperBound < parts[next].upperBound, !scored.hasEnded {
        let most = min(maxRunRows, pace.maxRunRows, pace.turnRows)
        let count = min(most, parts[next].upperBound - slice.upperBound)
        slice = slice.upperBound..<(slice.upperBound + count)
        pace.turn(rows: count) {
          score(slice, of: inputs, rows, cells, firstRow, late: &parts, into: &scored)
        }
      }
      next += 1
    }
  }

  /// Scores a part of the table's rows; of one that fails, its halves: a row that the model
  /// refuses takes no other with it.
  ///
  /// - Parameter late: Gets the halves of one that takes too long.
  private func score(
    _ part: Range<Int>, of inputs: [Tensor?], _ rows: ArraySlice<Int>, _ cells: CarriedCells?,
    _ firstRow: Int, late: inout [Range<Int>], into scored: inout ScoredBlock
  ) {
    guard !part.isEmpty, !scored.hasEnded else { return }
    let middle = part.lowerBound + part.count / 2
    while true {
      if pace.shouldStop() {
        scored.isAbandoned = true
        return
      }
      guard let time = pace.time(forRows: part.count) else {
        for index in part {
          scored.faults.append(RowFault(row: rows[index], reason: pace.sentence, value: ""))
        }
        return
      }
      do throws(ExecutorError) {
        return try pace.measure(rows: part.count) { () throws(ExecutorError) in
          try run(part, within: time, of: inputs, rows, cells, firstRow, into: &scored)
        }
      } catch {
        if case .deadlinePassed = error, pace.maxNanoseconds != nil {
          // What is left of its time, or of another try's.
          if part.count == 1 { continue }
          pace.slow(afterRows: part.count)
          late += [part.lowerBound..<middle, middle..<part.upperBound]
          return
        }
        guard part.count > 1 else {
          scored.faults.append(
            RowFault(row: rows[part.lowerBound], reason: "\(error)", value: ""))
          return
        }
      }
      score(
        part.lowerBound..<middle, of: inputs, rows, cells, firstRow, late: &late, into: &scored)
      score(
        middle..<part.upperBound, of: inputs, rows, cells, firstRow, late: &late, into: &scored)
      return
    }
  }

  private func run(
    _ part: Range<Int>, within time: UInt64, of inputs: [Tensor?], _ rows: ArraySlice<Int>,
    _ cells: CarriedCells?, _ firstRow: Int, into scored: inout ScoredBlock
  ) throws(ExecutorError) {
    let own = (part.lowerBound - rows.startIndex)..<(part.upperBound - rows.startIndex)
    let taken = part.count == rows.count ? inputs : inputs.map { $0.map { $0.rows(own) } }
    if pace.maxNanoseconds != nil { scratch.deadline = MonotonicClock.system.now() &+ time }
    let values = try executor.predict(taken, outputs: outputs, scratch: scratch)
    if let reason = BlockScorer.misfit(values, names, rowCount: part.count) {
      scored.failure = ScoredBlock.Failure(
        row: firstRow + rows[part.lowerBound], reason: reason)
      return
    }
    let form = RowForm(
      inputWidth: takesAnyWidth ? inputs[0].flatMap(PredictionColumns.width) : nil,
      widths: columns.format == .csv ? values.map(PredictionColumns.width) : [])
    let known = scored.forms.lastIndex { $0.form == form }
    if known == nil { scored.forms.append((form, columns.header(values, names: columnNames))) }
    scored.parts.append(
      ScoredBlock.Part(
        rows: part, offset: scored.writer.bytes.count, form: known ?? scored.forms.count - 1))
    columns.write(
      values, names: columnNames, rows: rows[part], firstRow: firstRow, carrying: cells,
      to: &scored.writer)
    scored.scored += part.count
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
