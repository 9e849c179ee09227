package import Executors

extension BatchSettings {
  /// Why an output would have two columns, or two keys, of one name: one of the input that is carried
  /// and one that the model answers; nil when it has not. `outputFault` knows those of every model.
  ///
  /// The names are those of `PredictionColumns`.
  ///
  /// - Parameter outputs: Those that jobs write, in their order.
  package func columnFault(_ outputs: [ModelOutput]) -> String? {
    guard outputAction == .appendRow, outputFormat == .jsonl || hasHeader else { return nil }
    for (output, name) in zip(outputs, Self.columnNames(of: outputs)) {
      for column in carriedColumns where isColumn(column, of: output, called: name) {
        return "swerve.output.columns: the output would have two columns '\(column)', the input's "
          + "and one of what the model answers as '\(output.name)'; expected other names"
      }
    }
    return nil
  }

  /// What the columns of outputs are called, in their order: the first is `prediction`, further ones have
  /// their own names. Before one that every line has beside the model's stands `prediction_`.
  package static func columnNames(of outputs: [ModelOutput]) -> [String] {
    outputs.enumerated().map { index, output in
      if index == 0 { return "prediction" }
      let isTaken = ["row", "prediction", "file_name"].contains(output.name)
      return isTaken ? "prediction_" + output.name : output.name
    }
  }

  /// Whether a name is that of one of an output's columns, or may be where those are not known before
  /// the model runs.
  private func isColumn(_ column: String, of output: ModelOutput, called name: String) -> Bool {
    if outputFormat == .jsonl { return column == name }
    if column == name { return output.isTensor && output.rowWidth ?? 1 == 1 }
    guard column.utf8.starts(with: (name + "_").utf8) else { return false }
    guard output.isTensor else { return true }
    let number = column.utf8.dropFirst(name.utf8.count + 1)
    guard let place = Int(Substring(number)), String(place).utf8.elementsEqual(number) else {
      return false
    }
    guard let width = output.rowWidth else { return place >= 0 }
    return width != 1 && (0..<width).contains(place)
  }

  /// What lines of output are written in: asked for, or by the output file's ending.
  package var outputFormat: Format {
    if let format { return format }
    let name = outputFileName.lowercased()
    return name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") ? .jsonl : .csv
  }
}

extension ModelOutput {
  fileprivate var isTensor: Bool {
    if case .tensor = kind { true } else { false }
  }
}
