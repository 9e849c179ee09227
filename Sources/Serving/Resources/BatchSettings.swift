/// How the jobs of a batch deployment run; a job may override most of it.
/// Source: `AZUREML.md` §1.5, §4.1.
package struct BatchSettings: Sendable, Equatable {
  package enum OutputAction: String, Sendable, CaseIterable {
    /// A line for each row.
    case appendRow = "append_row"
    /// What was read and how it went; no predictions.
    case summaryOnly = "summary_only"
  }

  package enum Format: String, Sendable, CaseIterable {
    case csv, jsonl
  }

  /// Files of one mini-batch. Range 1...; a larger file is split by `miniBatchRows`.
  package var miniBatchSize = 10
  /// `swerve: mini_batch_rows`: rows of one mini-batch. Range 1...16777216.
  package var miniBatchRows = 65_536
  /// Threads, as the deployment has one instance.
  package var maxConcurrencyPerInstance = 1
  /// Rows that may fail in the whole job; -1: any number.
  package var errorThreshold = -1
  package var maxRetries = 3
  /// Seconds that one try of a mini-batch may take.
  package var timeoutSeconds = 30
  package var outputAction = OutputAction.appendRow
  package var outputFileName = "predictions.csv"
  /// `info`, `warning` or `debug`.
  package var loggingLevel = "info"

  // MARK: `swerve: output: {…}`

  /// Columns of the input that a row's line begins with, as they stand there.
  package var carriedColumns: [String] = []
  /// nil: by the ending of `outputFileName`, else CSV.
  package var format: Format?
  /// A file of predictions for each file of input, at its place below the output folder.
  package var isPerFile = false
  /// A line of column names before the rows of CSV.
  package var hasHeader = true

  package init() {}
}
