internal import Documents
internal import Executors
internal import Tensors

// Bodies of whole tensors: nested lists.

extension PayloadDecoder {
  /// The one input that a model must have and that is no table; those it may have stay out.
  func readNestedOnly(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    let inputs = signature.inputs
    let required = inputs.indices.filter { inputs.count == 1 || inputs[$0].isRequired }
    guard required.count == 1 else {
      throw scanner.fault(
        "is a list, but the model has several inputs; send an object with "
          + listed(inputs.map(\.name)))
    }
    var tensors = [Tensor?](repeating: nil, count: inputs.count)
    tensors[required[0]] = try readNested(&scanner, for: inputs[required[0]])
    return tensors
  }

  // MARK: Rows of a tensor, each a line

  /// The input of which a line may be a row: the only one that a model must have, where it is no table and
  /// its first dimension is the rows.
  var tensorOfRows: Int? {
    guard layout == .tensors else { return nil }
    let inputs = signature.inputs
    let required = inputs.indices.filter { inputs.count == 1 || inputs[$0].isRequired }
    guard required.count == 1, let rows = inputs[required[0]].shape.first, rows == nil || rows == 1
    else { return nil }
    return required[0]
  }

  /// One row: a nested list, or a record that has it under the input's name.
  func readTensorLine(
    _ scanner: inout PayloadScanner, isRecord: Bool, _ input: Int, into rows: inout Rows
  ) throws(PayloadFault) {
    guard isRecord else { return try readTensorRow(&scanner, input, into: &rows) }
    let start = scanner.position
    let name = signature.inputs[input].name
    var hasRow = false
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "a record (an object)") {
      repeat {
        _ = scanner.peek()
        let keyPosition = scanner.position
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        guard key == name else {
          try scanner.skipValue(depth: 3)
          continue
        }
        guard !hasRow else {
          throw scanner.fault("names input '\(name)' twice", at: keyPosition)
        }
        hasRow = true
        try readTensorRow(&scanner, input, into: &rows)
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    guard hasRow else {
      throw PayloadFault(offset: start, reason: "has no member '\(name)', the model's input")
    }
  }

  private func readTensorRow(
    _ scanner: inout PayloadScanner, _ input: Int, into rows: inout Rows
  ) throws(PayloadFault) {
    _ = scanner.peek()
    let start = scanner.position
    // Of the first row the shape is read off; the others are to have the same.
    var dimensions = rows.count == 0 ? [] : rows.dimensions
    let first = rows.elementCount
    var index = first
    try readNested(&scanner, depth: 0, &dimensions, into: &rows.builders[input], at: &index)
    let row = try self.shape(dimensions.map { $0 ?? 0 }, at: start)
    let wanted = signature.inputs[input].shape.dropFirst()
    guard row.rank == wanted.count,
      zip(row.array, wanted).allSatisfy({ $1 == nil || $0 == $1 })
    else {
      throw PayloadFault(
        offset: start,
        reason: "has shape \(row); a row of input '\(signature.inputs[input].name)' takes "
          + shapeText(Array(wanted)))
    }
    guard row.elementCount > 0 else {
      throw PayloadFault(offset: start, reason: "has shape \(row): no values")
    }
    guard index - first == row.elementCount else {
      throw PayloadFault(offset: start, reason: "has lists of different sizes")
    }
    if rows.count == 0 { rows.dimensions = dimensions }
  }

  func finishTensor(_ rows: Rows, _ input: Int) throws(PayloadFault) -> [Tensor?] {
    let shape = try self.shape([rows.count] + rows.dimensions.map { $0 ?? 0 }, at: 0)
    guard signature.inputs[input].accepts(shape), let tensor = rows.builders[input].tensor(shape)
    else {
      throw PayloadFault(
        offset: 0,
        reason: "has shape \(shape); input '\(signature.inputs[input].name)' takes "
          + shapeText(signature.inputs[input].shape))
    }
    var tensors = [Tensor?](repeating: nil, count: signature.inputs.count)
    tensors[input] = tensor
    return tensors
  }

  /// A list of lists, as deep as the tensor has dimensions; its shape is read off it.
  func readNested(
    _ scanner: inout PayloadScanner, for input: ModelInput
  ) throws(PayloadFault) -> Tensor {
    _ = scanner.peek()
    let start = scanner.position
    var builder = InputBuilder(
      input.elementType, capacity: 64, bodyByteCount: scanner.text.count)
    var dimensions: [Int?] = []
    var index = 0
    try readNested(&scanner, depth: 0, &dimensions, into: &builder, at: &index)
    let shape = try self.shape(dimensions.map { $0 ?? 0 }, at: start)
    guard input.accepts(shape) else {
      throw PayloadFault(
        offset: start,
        reason: "has shape \(shape); input '\(input.name)' takes \(shapeText(input.shape))")
    }
    guard let tensor = builder.tensor(shape) else {
      throw PayloadFault(offset: start, reason: "has lists of different sizes")
    }
    return tensor
  }

  /// `dimensions` holds the sizes found so far, from the outside; the first list of a depth
  /// fixes it for all others.
  func readNested(
    _ scanner: inout PayloadScanner, depth: Int, _ dimensions: inout [Int?],
    into builder: inout InputBuilder, at index: inout Int
  ) throws(PayloadFault) {
    guard scanner.peek() == UInt8(ascii: "[") else {
      guard depth == dimensions.count || dimensions.isEmpty && depth == 0 else {
        throw scanner.unexpected("a list: the rows before are nested \(dimensions.count) deep")
      }
      try readCell(&scanner, into: &builder, at: index)
      index += 1
      return
    }
    let start = scanner.position
    guard depth < Shape.maxRank else {
      throw scanner.fault("is nested deeper than the \(Shape.maxRank) dimensions a tensor can have")
    }
    if depth == dimensions.count {
      // Numbers have been seen at this depth already: a list cannot stand beside them.
      guard index == 0 else { throw scanner.unexpected("a value, as those before it") }
      dimensions.append(nil)
    }
    var count = 0
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list") {
      repeat {
        try readNested(
          &scanner, depth: depth + 1, &dimensions, into: &builder, at: &index)
        count += 1
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    if let expected = dimensions[depth], expected != count {
      try scanner.note(
        PayloadFault(
          offset: start,
          reason: "has \(count) elements; expected \(expected), as the lists before it"))
      builder.isBroken = true
      return
    }
    dimensions[depth] = count
  }

  func shape(_ dimensions: [Int], at position: Int) throws(PayloadFault) -> Shape {
    do {
      return try Shape(checking: dimensions)
    } catch {
      throw PayloadFault(offset: position, reason: "\(error)")
    }
  }

  /// The shape of a table, without an array in between.
  func shape(rows: Int, columns: Int, at position: Int) throws(PayloadFault) -> Shape {
    do {
      return try Shape(rows: rows, columns: columns)
    } catch {
      throw PayloadFault(offset: position, reason: "\(error)")
    }
  }
}

extension PayloadDecoder.Rows {
  /// Elements of a tensor's rows that have been read: all fit a tensor, or reading would have failed.
  var elementCount: Int {
    count == 0 ? 0 : dimensions.reduce(count) { product, size in product * (size ?? 0) }
  }
}
