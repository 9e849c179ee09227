internal import Executors
package import Serving

/// Scores a text that comes in and writes predictions out: `swerve score --format`.
package struct StreamScoring {
  private let model: LoadedModel
  private let outputs: [Int]
  private let format: TableDecoder.Format
  private let columns: PredictionColumns
  private let threads: Int
  /// Rows that may fail; nil: any number.
  private let maxFaults: Int?
  var limits: RowCutter.Limits

  package init(
    _ model: LoadedModel, outputs: [Int], format: TableDecoder.Format,
    columns: PredictionColumns, threads: Int, maxFaults: Int?
  ) {
    self.model = model
    self.outputs = outputs
    self.format = format
    self.columns = columns
    self.threads = threads
    self.maxFaults = maxFaults
    limits = RowCutter.Limits(model.signature, outputs: outputs)
  }

  package struct Summary: Sendable {
    package var scored = 0
    package var failed = 0
  }

  /// Reads alone, for measurements: rows become numbers, and those are let go.
  package func read(
    _ source: any ByteSource & Sendable, name: String
  ) throws(BatchError) -> Summary {
    var summary = Summary()
    let file = try InputText(
      source, name: name, format: format, signature: model.signature, columns: columns,
      limits: limits)
    guard let file else { return summary }
    let decoder = file.decoder
    try OrderedPipeline<TextBlock, TableBlock>(threads: threads).run(
      source: { () throws(BatchError) in try file.next() },
      makeWork: {
        {
          var table = decoder.decode($0.bytes.span, maxRows: $0.rowCount)
          table.runs = []
          return table
        }
      },
      sink: { (table) throws(BatchError) in
        summary.scored += table.readCount
        summary.failed += table.faults.count
      })
    return summary
  }

  /// - Parameters:
  ///   - name: What errors call the source.
  ///   - write: Takes the output in order.
  ///   - tell: Takes each row that failed, in order.
  package func run(
    _ source: any ByteSource & Sendable, name: String,
    write: ([UInt8]) throws(BatchError) -> Void, tell: (RowFault) -> Void
  ) throws(BatchError) -> Summary {
    var summary = Summary()
    let file = try InputText(
      source, name: name, format: format, signature: model.signature, columns: columns,
      limits: limits)
    guard let file else { return summary }
    let (model, outputs, columns) = (self.model, self.outputs, self.columns)
    var hasHeader = false
    var form: RowForm?
    var firstFault: RowFault?
    try OrderedPipeline<TextBlock, ScoredBlock>(threads: threads).run(
      source: { () throws(BatchError) in try file.next() }, interrupt: source.interrupt,
      makeWork: {
        let scorer = BlockScorer(model, outputs: outputs, text: file, columns: columns)
        return { scorer.score($0) }
      },
      sink: { (given) throws(BatchError) in
        var block = given
        block.keepRows(of: &form)
        summary.scored += block.scored
        summary.failed += block.faults.count
        block.faults.forEach(tell)
        firstFault = firstFault ?? block.faults.first
        if let maxFaults, summary.failed > maxFaults, let firstFault {
          throw .tooManyFaults(
            count: summary.failed, limit: maxFaults, first: "\(name): \(firstFault.sentence)")
        }
        if let failure = block.failure {
          throw .scoring(file: name, row: failure.row, reason: failure.reason)
        }
        if !hasHeader, block.scored > 0 {
          hasHeader = true
          if !block.header.isEmpty { try write(block.header) }
        }
        if !block.text.isEmpty { try write(block.text) }
      })
    return summary
  }
}

extension RowFault {
  /// `row 3: column 'age': expected a number (float32), got 'old'`.
  package var sentence: String {
    "row \(row): \(reason)" + (value.isEmpty ? "" : ", got '\(value)'")
  }
}
