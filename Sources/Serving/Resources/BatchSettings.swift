package import Documents

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

extension BatchSettings {
  /// Reads the members of `settings`, or those of a deployment's root in the legacy form. What is
  /// absent stays.
  mutating func read(_ fields: inout FieldReader) throws(DocumentError) {
    miniBatchSize = try fields.integer("mini_batch_size", in: 1...Self.maxCount) ?? miniBatchSize
    maxConcurrencyPerInstance =
      try fields.integer("max_concurrency_per_instance", in: 1...1024) ?? maxConcurrencyPerInstance
    errorThreshold =
      try fields.integer("error_threshold", in: -1...Self.maxCount) ?? errorThreshold
    if var retry = try fields.fields("retry_settings") {
      maxRetries = try retry.integer("max_retries", in: 0...1_000_000) ?? maxRetries
      timeoutSeconds = try retry.integer("timeout", in: 1...31_536_000) ?? timeoutSeconds
      try retry.finish()
    }
    if let action = try fields.choice("output_action", of: OutputAction.allCases.map(\.rawValue)) {
      outputAction = OutputAction(rawValue: action) ?? outputAction
    }
    if let name = try fields.text("output_file_name") {
      if let expected = Self.fileNameFault(name) {
        throw fields.fault("output_file_name", expected: expected, .string(name))
      }
      outputFileName = name
    }
    loggingLevel =
      try fields.choice("logging_level", of: ["info", "warning", "debug"]) ?? loggingLevel
  }

  /// Reads the members of `swerve`.
  mutating func readExtensions(_ own: inout FieldReader) throws(DocumentError) {
    miniBatchRows = try own.integer("mini_batch_rows", in: 1...(1 << 24)) ?? miniBatchRows
    guard var output = try own.fields("output") else { return }
    carriedColumns = try output.texts("columns") ?? carriedColumns
    if let name = try output.choice("format", of: Format.allCases.map(\.rawValue)) {
      format = Format(rawValue: name)
    }
    isPerFile = try output.flag("per_file") ?? isPerFile
    hasHeader = try output.flag("header") ?? hasHeader
    try output.finish()
  }

  /// The members of `settings`.
  package var yaml: DocumentObject {
    DocumentObject([
      "mini_batch_size": .integer(Int64(miniBatchSize)),
      "max_concurrency_per_instance": .integer(Int64(maxConcurrencyPerInstance)),
      "error_threshold": .integer(Int64(errorThreshold)),
      "retry_settings": [
        "max_retries": .integer(Int64(maxRetries)), "timeout": .integer(Int64(timeoutSeconds)),
      ],
      "output_action": .string(outputAction.rawValue),
      "output_file_name": .string(outputFileName), "logging_level": .string(loggingLevel),
    ])
  }

  /// The members of `swerve`: what differs from the defaults.
  package var extensions: DocumentObject {
    let defaults = BatchSettings()
    var own = DocumentObject()
    if miniBatchRows != defaults.miniBatchRows {
      own["mini_batch_rows"] = .integer(Int64(miniBatchRows))
    }
    var output = DocumentObject()
    if !carriedColumns.isEmpty {
      output["columns"] = .array(carriedColumns.map { .string($0) })
    }
    if let format { output["format"] = .string(format.rawValue) }
    if isPerFile { output["per_file"] = true }
    if !hasHeader { output["header"] = false }
    if !output.isEmpty { own["output"] = .object(output) }
    return own
  }

  /// These settings with what a job says otherwise: `overrides` and `own` as `settings` and
  /// `swerve` of a deployment.
  package func with(
    _ overrides: Document, own: Document
  ) throws(DocumentError) -> BatchSettings {
    var changed = self
    var fields = try FieldReader(overrides)
    try changed.read(&fields)
    try fields.finish()
    var extensions = try FieldReader(own)
    try changed.readExtensions(&extensions)
    try extensions.finish()
    return changed
  }

  /// What is wrong with the name of the file of predictions; nil when nothing is.
  private static func fileNameFault(_ name: String) -> String? {
    let isName =
      (1...255).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: ".")
      && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") }
    // What the gateway itself writes beside it.
    if isName, !["errors.jsonl", "_SUCCESS.json"].contains(name) { return nil }
    return "a file's name without '/', not beginning with '.', that is not errors.jsonl or "
      + "_SUCCESS.json"
  }

  private static let maxCount = Int(Int32.max)

  /// Why no job could write its output so; nil when one can. Asked of deployments when they are made
  /// or changed, and of each job: those that were there before this was asked stay as they are, and a
  /// job of theirs may say otherwise.
  package var outputFault: String? { fileFormFault ?? carriedFault }

  private var fileFormFault: String? {
    let lower = outputFileName.lowercased()
    guard outputAction == .appendRow,
      let ending = Self.otherEndings.first(where: { lower.hasSuffix($0) })
    else { return nil }
    return
      "output_file_name '\(outputFileName)': predictions are written as plain text, CSV or JSON "
      + "Lines; expected a name that does not end in \(ending), such as "
      + "'\(Self.plainName(outputFileName.dropLast(ending.count)))', in the deployment's settings or "
      + "for one job"
  }

  /// Of what nothing here writes; who reads the file would go by its name.
  private static let otherEndings = [
    ".gz", ".gzip", ".bz2", ".xz", ".zst", ".zip", ".parquet", ".npy", ".npz", ".xlsx",
  ]

  /// `p.csv` for `p.csv`, of `p.csv.gz`, and for `p`, of `p.parquet`.
  private static func plainName(_ stem: Substring) -> String {
    let lower = stem.lowercased()
    return lower.hasSuffix(".csv") || lower.hasSuffix(".jsonl") ? String(stem) : stem + ".csv"
  }

  /// No output has two columns of one name. What else a model answers is known when it is loaded.
  private var carriedFault: String? {
    var taken: Set<String> = ["row", "prediction", "file_name"]
    for name in carriedColumns where !taken.insert(name).inserted {
      return "swerve.output.columns: the output would have two columns '\(name)'; expected names "
        + "that differ from one another, 'row', 'prediction' and 'file_name'"
    }
    return nil
  }
}
