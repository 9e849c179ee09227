package import Documents
package import Executors
package import Tensors

/// How a model's results become an answer, beyond the route's own form.
package enum AnswerShape: Sendable {
  /// One output bare, several by name.
  case plain
  /// By name always, as MLflow's ONNX models answer.
  case named
  /// The same, but a table's answer is a list of records.
  case recordsForTables
  /// A list of records always: every body becomes a table first.
  case records
}

/// Results as the JSON of an answer, appended to a writer without a tree in between.
package enum ScoringAnswer {
  /// A `/score` answer: one output bare, several as an object by name. Source: `DESIGN.md` §3.
  package static func write(
    _ values: [ModelValue], names: [String], to writer: inout JSONWriter
  ) {
    if values.count == 1 { return write(values[0], to: &writer) }
    writeObject(values, names: names, to: &writer)
  }

  private static func writeObject(
    _ values: [ModelValue], names: [String], to writer: inout JSONWriter
  ) {
    writer.byte(UInt8(ascii: "{"))
    for (index, value) in values.enumerated() {
      if index > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.string(names[index])
      writer.byte(UInt8(ascii: ":"))
      write(value, to: &writer)
    }
    writer.byte(UInt8(ascii: "}"))
  }

  /// MLflow's `{"predictions": …}`.
  package static func writePredictions(
    _ values: [ModelValue], names: [String], to writer: inout JSONWriter
  ) {
    writePredictions(values, names: names, .plain, isFrame: false, to: &writer)
  }

  package static func writePredictions(
    _ values: [ModelValue], names: [String], _ shape: AnswerShape, isFrame: Bool,
    to writer: inout JSONWriter
  ) {
    writer.raw(#"{"predictions": "#)
    write(values, names: names, shape, isFrame: isFrame, to: &writer)
    writer.byte(UInt8(ascii: "}"))
  }

  /// As the model's shape wants it.
  package static func write(
    _ values: [ModelValue], names: [String], _ shape: AnswerShape, isFrame: Bool,
    to writer: inout JSONWriter
  ) {
    switch shape {
    case .plain: write(values, names: names, to: &writer)
    case .recordsForTables where isFrame, .records:
      writeRecords(values, names: names, to: &writer)
    case .named, .recordsForTables: writeObject(values, names: names, to: &writer)
    }
  }

  /// How often an answer writes its outputs' names: in each record, else once.
  static func recordCount(
    _ values: [ModelValue], _ shape: AnswerShape, isFrame: Bool
  ) -> Int {
    switch shape {
    case .recordsForTables where isFrame, .records: records(values)?.count ?? 1
    case .plain, .named, .recordsForTables: 1
    }
  }

  /// One object a row. MLflow flattens each output, which is one value a row as a rule. Outputs
  /// that have no rows in common are an object of lists.
  private static func writeRecords(
    _ values: [ModelValue], names: [String], to writer: inout JSONWriter
  ) {
    guard let (rows, widths) = records(values) else {
      return writeObject(values, names: names, to: &writer)
    }
    writer.byte(UInt8(ascii: "["))
    for row in 0..<rows {
      if row > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.byte(UInt8(ascii: "{"))
      for (index, value) in values.enumerated() {
        if index > 0 { writer.byte(UInt8(ascii: ",")) }
        writer.string(names[index])
        writer.byte(UInt8(ascii: ":"))
        writeCell(value, row: row, width: widths[index], to: &writer)
      }
      writer.byte(UInt8(ascii: "}"))
    }
    writer.byte(UInt8(ascii: "]"))
  }

  /// How many records there are, and how many elements of each output are in one; nil when the
  /// outputs have not all as many rows.
  private static func records(_ values: [ModelValue]) -> (count: Int, widths: [Int])? {
    let counts = values.map { value in
      switch value {
      case .tensor(let tensor): tensor.shape.elementCount
      case .maps(_, let numbers): numbers.rowCount
      }
    }
    if let first = counts.first, counts.allSatisfy({ $0 == first }) {
      return (first, counts.map { _ in 1 })
    }
    // Outputs of several widths have no flat form: a row's values stay together then.
    let rows = values.map { value in
      switch value {
      case .tensor(let tensor): tensor.shape.rank == 0 ? nil : tensor.rowCount
      case .maps(_, let numbers): numbers.rowCount
      }
    }
    guard let first = rows.first ?? nil, rows.allSatisfy({ $0 == first }) else { return nil }
    return (first, counts.map { first == 0 ? 0 : $0 / first })
  }

  private static func writeCell(
    _ value: ModelValue, row: Int, width: Int, to writer: inout JSONWriter
  ) {
    switch value {
    case .maps(let keys, let numbers):
      writeMap(keyNames(keys), TensorText(numbers), row: row, to: &writer)
    case .tensor(let tensor):
      let text = TensorText(tensor)
      guard width != 1 else { return text.writeElement(row, to: &writer) }
      writer.byte(UInt8(ascii: "["))
      for column in 0..<width {
        if column > 0 { writer.byte(UInt8(ascii: ",")) }
        text.writeElement(row * width + column, to: &writer)
      }
      writer.byte(UInt8(ascii: "]"))
    }
  }

  /// The Open Inference Protocol's answer: each output's numbers in one flat list. Maps become
  /// two outputs, `NAME.keys` and `NAME.values`. Source: `WIRE.md` §2.1.
  package static func writeInferenceProtocol(
    _ values: [ModelValue], names: [String], id: String?, model: String, version: String,
    to writer: inout JSONWriter
  ) {
    _ = InferenceAnswer.write(
      InferenceAnswer.outputs(values, names: names), id: id, model: model, version: version,
      to: &writer)
  }

  private static func write(_ value: ModelValue, to writer: inout JSONWriter) {
    switch value {
    case .tensor(let tensor):
      TensorText(tensor).writeNested(to: &writer)
    case .maps(let keys, let values):
      writeMaps(keys, values, to: &writer)
    }
  }

  private static func writeMaps(_ keys: Tensor, _ values: Tensor, to writer: inout JSONWriter) {
    let names = keyNames(keys)
    let text = TensorText(values)
    writer.byte(UInt8(ascii: "["))
    for row in 0..<values.rowCount {
      if row > 0 { writer.byte(UInt8(ascii: ",")) }
      writeMap(names, text, row: row, to: &writer)
    }
    writer.byte(UInt8(ascii: "]"))
  }

  /// One row of maps.
  static func writeRow(_ value: ModelValue, row: Int, to writer: inout JSONWriter) {
    writeCell(value, row: row, width: 1, to: &writer)
  }

  private static func writeMap(
    _ names: [String], _ text: TensorText, row: Int, to writer: inout JSONWriter
  ) {
    writer.byte(UInt8(ascii: "{"))
    for (column, name) in names.enumerated() {
      if column > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.string(name)
      writer.byte(UInt8(ascii: ":"))
      text.writeElement(row * names.count + column, to: &writer)
    }
    writer.byte(UInt8(ascii: "}"))
  }

  /// JSON's keys are strings: integer keys are printed.
  private static func keyNames(_ keys: Tensor) -> [String] {
    if keys.elementType == .string { return keys.strings.strings }
    let numbers = keys.values(as: Int64.self)
    return numbers.indices.map { String(numbers[$0]) }
  }
}

/// A tensor's elements as JSON.
package struct TensorText {
  let tensor: Tensor
  /// Strings as bytes: `{"b64": "…"}`.
  var isBase64 = false

  package init(_ tensor: Tensor) { self.tensor = tensor }

  /// The part of the tensor that is row `row`, nested. Precondition: it has rows.
  package func writeRow(_ row: Int, to writer: inout JSONWriter) {
    var index = tensor.rowCount == 0 ? 0 : row * (tensor.shape.elementCount / tensor.rowCount)
    write(axis: 1, &index, to: &writer)
  }

  /// Nested as deep as the tensor has dimensions; a scalar is bare.
  func writeNested(to writer: inout JSONWriter) {
    let shape = tensor.shape
    if shape.rank == 1, writeList(to: &writer) { return }
    if shape.rank == 2, shape[1] > 0, writeTable(width: shape[1], to: &writer) { return }
    var index = 0
    write(axis: 0, &index, to: &writer)
  }

  func writeFlat(to writer: inout JSONWriter) {
    if writeList(to: &writer) { return }
    writer.byte(UInt8(ascii: "["))
    for index in 0..<tensor.shape.elementCount {
      if index > 0 { writer.byte(UInt8(ascii: ",")) }
      writeElement(index, to: &writer)
    }
    writer.byte(UInt8(ascii: "]"))
  }

  /// The usual types in one loop each; false for the others.
  private func writeList(to writer: inout JSONWriter) -> Bool {
    let tensor = tensor
    switch tensor.elementType {
    case .float32: writer.list(tensor.values(as: Float.self))
    case .float64: writer.list(tensor.values(as: Double.self))
    case .int64: writer.list(tensor.values(as: Int64.self))
    default: return false
    }
    return true
  }

  private func writeTable(width: Int, to writer: inout JSONWriter) -> Bool {
    let tensor = tensor
    switch tensor.elementType {
    case .float32: writer.table(tensor.values(as: Float.self), width: width)
    case .float64: writer.table(tensor.values(as: Double.self), width: width)
    case .int64: writer.table(tensor.values(as: Int64.self), width: width)
    default: return false
    }
    return true
  }

  private func write(axis: Int, _ index: inout Int, to writer: inout JSONWriter) {
    guard axis < tensor.shape.rank else {
      writeElement(index, to: &writer)
      index += 1
      return
    }
    writer.byte(UInt8(ascii: "["))
    for position in 0..<tensor.shape[axis] {
      if position > 0 { writer.byte(UInt8(ascii: ",")) }
      write(axis: axis + 1, &index, to: &writer)
    }
    writer.byte(UInt8(ascii: "]"))
  }

  package func writeElement(_ index: Int, to writer: inout JSONWriter) {
    switch tensor.elementType {
    case .float32: writer.number(element(index, Float.self))
    case .float64: writer.number(element(index, Double.self))
    case .float16: writer.number(Float(element(index, Float16.self)))
    case .bfloat16:
      writer.number(Float(bitPattern: UInt32(element(index, UInt16.self)) << 16))
    case .int64: writer.integer(element(index, Int64.self))
    case .int32: writer.integer(element(index, Int32.self))
    case .int16: writer.integer(element(index, Int16.self))
    case .int8, .int4, .int2: writer.integer(element(index, Int8.self))
    case .uint64: writer.integer(element(index, UInt64.self))
    case .uint32: writer.integer(element(index, UInt32.self))
    case .uint16: writer.integer(element(index, UInt16.self))
    case .uint8, .uint4, .uint2: writer.integer(element(index, UInt8.self))
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      let values = Float8.format(tensor.elementType)?.values ?? []
      writer.number(values[Int(element(index, UInt8.self))])
    case .bool: writer.raw(element(index, UInt8.self) == 0 ? "false" : "true")
    case .string where isBase64:
      writer.raw(#"{"b64":""#)
      Base64.encoded(tensor.strings[index]).withUnsafeBytes { writer.raw(bytes: $0) }
      writer.raw(#""}"#)
    case .string: writer.string(utf8: tensor.strings[index])
    }
  }

  private func element<Element: TensorElement>(_ index: Int, _: Element.Type) -> Element {
    let bytes = tensor.bytes
    return unsafe bytes.unsafeLoad(
      fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self)
  }
}
