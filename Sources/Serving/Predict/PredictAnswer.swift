internal import Documents
internal import Executors
internal import Tensors

/// TensorFlow Serving's answers: `{"predictions": rows}` to rows, `{"outputs": columns}` to
/// columns; an output is bare when it is the only one. Source: `WIRE.md` §2.6.
enum PredictAnswer {
  static func write(
    _ values: [ModelValue], names: [String], isColumnar: Bool, to writer: inout JSONWriter
  ) throws(ScoringError) {
    let outputs = InferenceAnswer.outputs(values, names: names)
    if isColumnar || values.count == 1 {
      writer.raw(isColumnar ? #"{"outputs": "# : #"{"predictions": "#)
      if values.count == 1, case .maps = values[0] {
        ScoringAnswer.write(values, names: names, to: &writer)
      } else if outputs.count == 1 {
        text(outputs[0]).writeNested(to: &writer)
      } else {
        writeColumns(outputs, to: &writer)
      }
    } else {
      writer.raw(#"{"predictions": "#)
      try writeRows(values, names: names, to: &writer)
    }
    writer.byte(UInt8(ascii: "}"))
  }

  /// How often an answer writes its outputs' names: in each row, else once.
  static func recordCount(_ values: [ModelValue], isColumnar: Bool) -> Int {
    if isColumnar || values.count == 1 { return 1 }
    return values.reduce(1) { max($0, rowCount($1) ?? 1) }
  }

  private static func writeColumns(
    _ outputs: [InferenceAnswer.Output], to writer: inout JSONWriter
  ) {
    writer.byte(UInt8(ascii: "{"))
    for (index, output) in outputs.enumerated() {
      if index > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.string(output.name)
      writer.byte(UInt8(ascii: ":"))
      text(output).writeNested(to: &writer)
    }
    writer.byte(UInt8(ascii: "}"))
  }

  private static func writeRows(
    _ values: [ModelValue], names: [String], to writer: inout JSONWriter
  ) throws(ScoringError) {
    let counts = values.map(rowCount)
    guard let rows = counts.first ?? nil, counts.allSatisfy({ $0 == rows }) else {
      throw .badInput(
        "the outputs \(listed(names)) do not all have a row for each instance; ask for columns, "
          + "with 'inputs' in place of 'instances'")
    }
    writer.byte(UInt8(ascii: "["))
    for row in 0..<rows {
      if row > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.byte(UInt8(ascii: "{"))
      for (index, value) in values.enumerated() {
        if index > 0 { writer.byte(UInt8(ascii: ",")) }
        writer.string(names[index])
        writer.byte(UInt8(ascii: ":"))
        switch value {
        case .tensor(let tensor):
          text(InferenceAnswer.Output(name: names[index], tensor: tensor))
            .writeRow(row, to: &writer)
        case .maps: ScoringAnswer.writeRow(value, row: row, to: &writer)
        }
      }
      writer.byte(UInt8(ascii: "}"))
    }
    writer.byte(UInt8(ascii: "]"))
  }

  private static func rowCount(_ value: ModelValue) -> Int? {
    switch value {
    case .tensor(let tensor): tensor.shape.rank == 0 ? nil : tensor.rowCount
    case .maps(_, let numbers): numbers.rowCount
    }
  }

  /// Whether texts of an output of this name are bytes.
  static func isBase64(_ name: String) -> Bool { name.hasSuffix("_bytes") }

  private static func text(_ output: InferenceAnswer.Output) -> TensorText {
    var text = TensorText(output.tensor)
    text.isBase64 = output.tensor.elementType == .string && isBase64(output.name)
    return text
  }
}
