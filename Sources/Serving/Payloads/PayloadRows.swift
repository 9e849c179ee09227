internal import Documents
internal import Executors
internal import Tensors

// Rows of a body, gathered into tensors: what every form of body begins and ends with.

extension PayloadDecoder {
  /// The inputs while they are filled, row by row.
  struct Rows {
    var builders: [InputBuilder]
    /// Columns of the table; nil until the first row says so.
    var width: Int?
    var count = 0
    /// Columns that the body leaves out, as it may.
    var absent: [Int] = []
    /// Dimensions of a row of a tensor, read off the first.
    var dimensions: [Int?] = []
    /// Which inputs the first row has, where rows may leave some out; else empty: all.
    var present: [Bool] = []
  }

  /// - Parameter hasNames: Whether the body names its columns.
  func makeRows(_ scanner: borrowing PayloadScanner, hasNames: Bool) -> Rows {
    makeRows(
      capacity: expectedCount(scanner, width: tableColumns ?? 8),
      bodyByteCount: scanner.text.count, hasNames: hasNames)
  }

  private var tableColumns: Int? {
    if case .table(let known) = layout { return known }
    return 1
  }

  /// - Parameters:
  ///   - capacity: Elements of each input that are expected.
  ///   - bodyByteCount: The text's size, from which the memory's limit follows.
  func makeRows(capacity: Int, bodyByteCount: Int, hasNames: Bool) -> Rows {
    makeRows(hasNames: hasNames) {
      InputBuilder($0, capacity: capacity, bodyByteCount: bodyByteCount)
    }
  }

  /// - Parameter maxElements: No input gets more.
  func makeRows(capacity: Int, maxElements: Int, hasNames: Bool) -> Rows {
    makeRows(hasNames: hasNames) {
      InputBuilder($0, capacity: capacity, maxElements: maxElements)
    }
  }

  @inline(__always)
  private func makeRows(hasNames: Bool, _ builder: (ElementType) -> InputBuilder) -> Rows {
    Rows(
      builders: signature.inputs.map { input in
        let categories = CategoryColumns(input, hasNames: hasNames)
        var builder = builder(
          categories?.numbersAreNames == true ? .float64 : input.elementType)
        builder.categories = categories
        builder.rules = input.columnRules
        return builder
      }, width: tableColumns)
  }

  /// A line of JSON Lines: a record, or a list of values in the model's order.
  func readLine(
    _ scanner: inout PayloadScanner, isRecord: Bool, into rows: inout Rows
  ) throws(PayloadFault) {
    if isRecord {
      try readRecord(&scanner, into: &rows)
    } else {
      if let fault = namelessFault(at: 0) { throw fault }
      try readRow(&scanner, map: nil, into: &rows)
    }
  }

  /// How many elements are to come, going by the length of the first row.
  func expectedCount(_ scanner: borrowing PayloadScanner, width: Int) -> Int {
    let text = scanner.text
    let rest = text.count - scanner.position
    // Not worth a look.
    guard rest > 512 else { return rest / 2 }
    var end = scanner.position
    while end < text.count, text[end] != UInt8(ascii: "]"), text[end] != UInt8(ascii: "}") {
      end += 1
    }
    let (count, overflows) = (rest / (end - scanner.position + 1) + 1).multipliedReportingOverflow(
      by: width)
    // A value takes two bytes at least.
    return overflows ? rest / 2 : min(count, rest / 2)
  }

  // MARK: The end

  func finish(_ rows: Rows, at start: Int) throws(PayloadFault) -> [Tensor?] {
    var tensors: [Tensor?] = []
    tensors.reserveCapacity(signature.inputs.count)
    for index in signature.inputs.indices {
      let input = signature.inputs[index]
      let builder = rows.builders[index]
      if !input.isRequired, builder.count == 0, !builder.isBroken {
        tensors.append(nil)
        continue
      }
      let shape: Shape
      switch layout {
      case .table: shape = try self.shape(rows: rows.count, columns: rows.width ?? 0, at: start)
      case .columnPerInput where input.shape.count != 1:
        shape = try self.shape(rows: rows.count, columns: 1, at: start)
      case .columnPerInput, .tensors: shape = try self.shape([rows.count], at: start)
      }
      guard let tensor = builder.tensor(shape) else {
        // Only an input that may be left out can be there in some rows and not in others.
        throw PayloadFault(
          offset: start,
          reason: "has '\(input.name)' in \(builder.count) of \(rows.count) rows; expected it in "
            + "all of them or in none")
      }
      guard input.accepts(tensor.shape) else {
        throw PayloadFault(
          offset: start,
          reason: "has shape \(tensor.shape); input '\(input.name)' takes "
            + shapeText(input.shape))
      }
      if let categories = builder.categories, categories.numbersAreNames, !builder.isBroken {
        tensors.append(try categories.coded(tensor, at: start))
        continue
      }
      tensors.append(tensor)
    }
    return tensors
  }
}
