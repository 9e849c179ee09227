internal import Documents
internal import Executors
internal import Tensors

// Bodies of rows: lists of lists, records, the split form, and objects of columns.

extension PayloadDecoder {
  /// The inputs while they are filled, row by row.
  struct Rows {
    var builders: [InputBuilder]
    /// Columns of the table; nil until the first row says so.
    var width: Int?
    var count = 0
    /// Columns that the body leaves out, as it may.
    var absent: [Int] = []
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
    Rows(
      builders: signature.inputs.map { input in
        let categories = CategoryColumns(input, hasNames: hasNames)
        var builder = InputBuilder(
          categories?.numbersAreNames == true ? .float64 : input.elementType,
          capacity: capacity, bodyByteCount: bodyByteCount)
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
      try refuseNameless(at: 0)
      try readRow(&scanner, map: nil, into: &rows)
    }
  }

  /// How many elements are to come, going by the length of the first row.
  private func expectedCount(_ scanner: borrowing PayloadScanner, width: Int) -> Int {
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

  /// `[[…], …]`, `[{…}, …]`, or a nested list for a model that takes no table.
  func readList(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    if layout == .tensors { return try readNestedOnly(&scanner) }
    let start = scanner.position
    guard try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of rows") else {
      return try finish(makeRows(scanner, hasNames: false), at: start)
    }
    let holdsBytes = scanner.peek() == UInt8(ascii: "{") ? try self.holdsBytes(scanner) : false
    let isRecords = scanner.peek() == UInt8(ascii: "{") && !holdsBytes
    var rows = makeRows(scanner, hasNames: isRecords)
    if !isRecords { try refuseNameless(at: start) }
    repeat {
      if isRecords {
        try readRecord(&scanner, into: &rows)
        rows.count += 1
      } else {
        try readRows(&scanner, map: nil, into: &rows)
      }
    } while try scanner.continues(until: UInt8(ascii: "]"))
    return try finish(rows, at: start)
  }

  /// Whether an object is bytes for a column of strings, as TensorFlow Serving sends them.
  private func holdsBytes(_ scanner: borrowing PayloadScanner) throws(PayloadFault) -> Bool {
    guard columns == nil || columns?.contains(Base64.member) == false,
      signature.inputs.count == 1, signature.inputs[0].elementType == .string
    else { return false }
    var ahead = PayloadScanner(scanner.text)
    ahead.position = scanner.position + 1
    guard ahead.peek() == UInt8(ascii: "\"") else { return false }
    return try ahead.string() == Base64.member
  }

  /// `{"columns": […], "index": […], "data": [[…], …]}`, members in any order.
  func readSplit(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var names: [String]?
    var columnsPosition = start
    var dataPosition: Int?
    var indexPosition = start
    var indexCount: Int?
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object") {
      repeat {
        let keyPosition = scanner.position
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        switch key {
        case "columns":
          columnsPosition = scanner.position
          names = try readNames(&scanner)
        case "data":
          dataPosition = scanner.position
          try scanner.skipValue(depth: 2)
        case "index":
          indexPosition = scanner.position
          indexCount = try readIndexCount(&scanner)
        default:
          throw scanner.fault(
            "'\(key)' is no member of a table; expected columns, index and data", at: keyPosition)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    let end = scanner.position
    guard let dataPosition else {
      throw scanner.fault("has no 'data'; expected columns and data", at: start)
    }
    var map: [Target?]?
    var isBroken = false
    if let names {
      do throws(PayloadFault) {
        map = try columnMap(names, at: columnsPosition)
      } catch {
        try scanner.note(error)
        map = names.map { targets[$0] }
        isBroken = true
      }
    } else {
      try refuseNameless(at: start)
    }
    scanner.position = dataPosition
    var rows = makeRows(scanner, hasNames: names != nil)
    if let names { rows.absent = absentColumns(names) }
    if isBroken { breakAll(&rows) }
    if layout == .tensors {
      let tensors = try readNestedOnly(&scanner)
      scanner.position = end
      return tensors
    }
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of rows") {
      repeat {
        try readRows(&scanner, map: map, into: &rows)
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    scanner.position = end
    if let indexCount, indexCount != rows.count {
      try scanner.note(
        scanner.fault(
          "has \(indexCount) entries; the data has \(rows.count) rows", at: indexPosition))
    }
    return try finish(rows, at: dataPosition)
  }

  /// Labels of rows: a table has as many of them as rows, or none.
  ///
  /// - Returns: nil for what is no list, or an empty one.
  private func readIndexCount(_ scanner: inout PayloadScanner) throws(PayloadFault) -> Int? {
    guard scanner.peek() == UInt8(ascii: "[") else {
      try scanner.skipValue(depth: 2)
      return nil
    }
    var count = 0
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of row labels") {
      repeat {
        try scanner.skipValue(depth: 3)
        count += 1
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    return count == 0 ? nil : count
  }

  /// A signature of named columns takes no rows without names: MLflow does not guess.
  private func refuseNameless(at position: Int) throws(PayloadFault) {
    guard signature.inputs.contains(where: { $0.columnRules != nil }), let columns else { return }
    throw PayloadFault(
      offset: position,
      reason: "has no column names; the model's signature names \(listed(columns))")
  }

  private func readNames(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [String] {
    var names: [String] = []
    guard try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of column names") else {
      return names
    }
    repeat {
      if scanner.peek() == UInt8(ascii: "\"") {
        names.append(try scanner.string())
      } else if let number = NumberScanner.scan(scanner.text, at: &scanner.position),
        number.isInteger
      {
        // pandas numbers the columns of a frame that has no names.
        names.append(String(number.magnitude))
      } else {
        throw scanner.unexpected("a column name")
      }
    } while try scanner.continues(until: UInt8(ascii: "]"))
    return names
  }

  /// Where each column of a body goes; nil for one that the model does not have.
  ///
  /// - Returns: nil when the model has no names: columns are taken by their position.
  func columnMap(
    _ names: [String], at position: Int
  ) throws(PayloadFault) -> [Target?]? {
    guard let columns else { return nil }
    if names == columns { return nil }
    var map: [Target?] = []
    var seen: Set<String> = []
    for name in names {
      guard seen.insert(name).inserted else {
        throw PayloadFault(offset: position, reason: "names column '\(name)' twice")
      }
      map.append(targets[name])
    }
    let missing = columns.enumerated().filter { index, name in
      !seen.contains(name) && !isOptional(index)
    }.map(\.element)
    guard missing.isEmpty else {
      throw PayloadFault(offset: position, reason: missingText(missing, among: names))
    }
    return map
  }

  private func missingText(_ missing: [String], among names: [String]) -> String {
    var text =
      missing.count == 1
      ? "has no column \(listed(missing))" : "has no columns \(listed(missing))"
    if let first = missing.first,
      let near = NameDistance.nearest(
        to: first,
        in: names.prefix(PayloadDecoder.maxNamesTold).filter { targets[$0] == nil })
    {
      text += "; is '\(near)' meant as '\(first)'?"
    }
    return text + "; the model takes \(listed(columns ?? []))"
  }

  /// One row, or all plain ones up to the next that is not.
  private func readRows(
    _ scanner: inout PayloadScanner, map: [Target?]?, into rows: inout Rows
  ) throws(PayloadFault) {
    if map == nil, case .table = layout, let width = rows.width {
      let plain = rows.builders[0].takeRows(&scanner, width: width, at: rows.count * width)
      rows.count += plain
      if plain > 0 { return }
    }
    try readRow(&scanner, map: map, into: &rows)
    rows.count += 1
  }

  /// One row as a list. `map` is where each value goes; nil: in the model's order.
  private func readRow(
    _ scanner: inout PayloadScanner, map: [Target?]?, into rows: inout Rows
  ) throws(PayloadFault) {
    let start = scanner.position
    if scanner.peek() != UInt8(ascii: "["), map == nil, expectedWidth(rows) == 1 {
      // A model of one column takes plain values as well: [1.5, 2.5].
      return try readCell(&scanner, into: &rows.builders[0], at: rows.count)
    }
    var column = 0
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a row (a list)") {
      let expected = map?.count ?? expectedWidth(rows)
      repeat {
        if let expected, column >= expected {
          return try refuseRow(&scanner, start: start, expected: expected, &rows)
        }
        if let map {
          if let target = map[column] {
            try readCell(&scanner, target, into: &rows)
          } else {
            try scanner.skipValue(depth: 3)
          }
        } else if layout == .columnPerInput {
          try readCell(&scanner, into: &rows.builders[column], at: rows.count)
        } else {
          // A first row of unknown width lies at the start, so its width is not needed yet.
          try readCell(
            &scanner, into: &rows.builders[0], at: rows.count * (rows.width ?? 0) + column)
        }
        column += 1
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    if map == nil, rows.width == nil { rows.width = column }
    let expected = map?.count ?? expectedWidth(rows)
    if let expected, column != expected {
      return try refuseRow(&scanner, start: start, expected: expected, &rows)
    }
    if !rows.absent.isEmpty { try fillAbsent(&rows, at: start) }
  }

  // MARK: Columns that may be missing

  private func isOptional(_ column: Int) -> Bool {
    layout == .columnPerInput
      ? !signature.inputs[column].isRequired
      : signature.inputs[0].optionalColumns.contains(column)
  }

  /// The optional columns of a table that a body does not name.
  func absentColumns(_ names: [String]) -> [Int] {
    guard case .table = layout, let columns, !signature.inputs[0].optionalColumns.isEmpty else {
      return []
    }
    return signature.inputs[0].optionalColumns.sorted().filter { !names.contains(columns[$0]) }
  }

  /// Missing values where the row that has just been read has none.
  func fillAbsent(_ rows: inout Rows, at position: Int) throws(PayloadFault) {
    let width = rows.width ?? columns?.count ?? 1
    for column in rows.absent {
      guard rows.builders[0].setMissing(at: rows.count * width + column) else {
        throw PayloadFault(
          offset: position,
          reason: "has no column '\(columns?[column] ?? "\(column)")', and "
            + "\(rows.builders[0].typeName) has no missing values")
      }
    }
  }

  private func expectedWidth(_ rows: Rows) -> Int? {
    layout == .columnPerInput ? signature.inputs.count : rows.width
  }

  /// Throws what is wrong with a row's length, or notes it; the scanner is then behind the row.
  private func refuseRow(
    _ scanner: inout PayloadScanner, start: Int, expected: Int, _ rows: inout Rows
  ) throws(PayloadFault) {
    try scanner.note(try wrongWidth(&scanner, start: start, expected: expected))
    breakAll(&rows)
  }

  private func breakAll(_ rows: inout Rows) {
    for index in rows.builders.indices { rows.builders[index].isBroken = true }
  }

  private func wrongWidth(
    _ scanner: inout PayloadScanner, start: Int, expected: Int
  ) throws(PayloadFault) -> PayloadFault {
    scanner.position = start
    var count = 0
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a row (a list)") {
      repeat {
        try scanner.skipValue(depth: 3)
        count += 1
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    let names = columns.map { ": \(listed($0))" } ?? ""
    return PayloadFault(
      offset: start,
      reason: "has \(count) value\(count == 1 ? "" : "s"); expected \(expected)\(names)")
  }

  /// One row as an object from column name to value.
  private func readRecord(
    _ scanner: inout PayloadScanner, into rows: inout Rows
  ) throws(PayloadFault) {
    let start = scanner.position
    guard let columns else {
      throw scanner.fault("is a record, but the model's columns have no names; send lists")
    }
    var seen = [Bool](repeating: false, count: columns.count)
    var expected = 0
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "a record (an object)") {
      repeat {
        _ = scanner.peek()
        let keyPosition = scanner.position
        let (range, hasEscapes) = try scanner.rawString()
        // Records usually name the columns in the model's order: no text is made then.
        var column: Int?
        if !hasEscapes, expected < columns.count, scanner.equals(range, columnBytes[expected]) {
          column = expected
        } else {
          scanner.position = keyPosition
          let name = try scanner.string()
          column = targets[name].map { layout == .columnPerInput ? $0.input : $0.column }
        }
        try scanner.expect(UInt8(ascii: ":"), "':'")
        if let column {
          if seen[column] {
            throw scanner.fault("names column '\(columns[column])' twice", at: keyPosition)
          }
          seen[column] = true
          expected = column + 1
          let target =
            layout == .columnPerInput
            ? Target(input: column, column: 0) : Target(input: 0, column: column)
          try readCell(&scanner, target, into: &rows)
        } else {
          try scanner.skipValue(depth: 3)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    let missing = columns.indices.filter { index in
      !seen[index] && !isOptional(index)
    }
    if !missing.isEmpty {
      let names = try recordNames(&scanner, at: start)
      try scanner.note(
        PayloadFault(
          offset: start, reason: missingText(missing.map { columns[$0] }, among: names)))
      return breakAll(&rows)
    }
    if case .table = layout {
      rows.absent = seen.indices.filter { !seen[$0] }
      if !rows.absent.isEmpty { try fillAbsent(&rows, at: start) }
    }
  }

  private func recordNames(
    _ scanner: inout PayloadScanner, at start: Int
  ) throws(PayloadFault) -> [String] {
    scanner.position = start
    var names: [String] = []
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "a record") {
      repeat {
        let name = try scanner.string()
        if names.count < PayloadDecoder.maxNamesTold { names.append(name) }
        try scanner.expect(UInt8(ascii: ":"), "':'")
        try scanner.skipValue(depth: 3)
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    return names
  }

  /// `{"a": […], "b": […]}`: columns by name, or tensors by the inputs' names.
  func readObject(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var tensors = [Tensor?](repeating: nil, count: signature.inputs.count)
    var rows = makeRows(scanner, hasNames: true)
    var seen: Set<String> = []
    var names: [String] = []
    var columnCount: Int?
    var hasTensor = false
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object") {
      repeat {
        _ = scanner.peek()
        let keyPosition = scanner.position
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        guard seen.insert(key).inserted else {
          throw scanner.fault("names '\(key)' twice", at: keyPosition)
        }
        if names.count < PayloadDecoder.maxNamesTold { names.append(key) }
        if let target = targets[key] {
          let valuePosition = scanner.position
          let count = try readColumn(&scanner, target, into: &rows)
          if let columnCount, columnCount != count {
            throw scanner.fault(
              "has \(count) values; expected \(columnCount), as the columns before it",
              at: valuePosition)
          }
          columnCount = count
        } else if let index = signature.inputIndex(named: key) {
          tensors[index] = try readNested(&scanner, for: signature.inputs[index])
          hasTensor = true
        } else {
          try scanner.skipValue(depth: 2)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    if hasTensor || columns == nil { return try checked(tensors, at: start) }
    let missing = (columns ?? []).enumerated().filter { index, name in
      !seen.contains(name) && !isOptional(index)
    }.map(\.element)
    guard missing.isEmpty else {
      throw PayloadFault(offset: start, reason: missingText(missing, among: names))
    }
    rows.absent = absentColumns(Array(seen))
    if !rows.absent.isEmpty {
      for row in 0..<(columnCount ?? 0) {
        rows.count = row
        try fillAbsent(&rows, at: start)
      }
    }
    rows.count = columnCount ?? 0
    return try finish(rows, at: start)
  }

  private func checked(
    _ tensors: [Tensor?], at start: Int
  ) throws(PayloadFault) -> [Tensor?] {
    let missing = signature.inputs.indices.filter {
      tensors[$0] == nil && signature.inputs[$0].isRequired
    }
    guard missing.isEmpty else {
      throw PayloadFault(
        offset: start,
        reason: "has no \(listed(missing.map { signature.inputs[$0].name })); the model takes "
          + listed(signature.inputs.map(\.name)))
    }
    return tensors
  }

  private func readColumn(
    _ scanner: inout PayloadScanner, _ target: Target, into rows: inout Rows
  ) throws(PayloadFault) -> Int {
    let stride = layout == .columnPerInput ? 1 : (rows.width ?? columns?.count ?? 1)
    var row = 0
    guard try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of values") else {
      return 0
    }
    repeat {
      // A column of shape (rows, 1) may come as [[1], [2]].
      let isWrapped = scanner.peek() == UInt8(ascii: "[")
      if isWrapped { scanner.position += 1 }
      try readCell(
        &scanner, into: &rows.builders[target.input], at: row * stride + target.column)
      if isWrapped { try scanner.expect(UInt8(ascii: "]"), "']': a value of one column") }
      row += 1
    } while try scanner.continues(until: UInt8(ascii: "]"))
    return row
  }

  // MARK: Values

  private func readCell(
    _ scanner: inout PayloadScanner, _ target: Target, into rows: inout Rows
  ) throws(PayloadFault) {
    let stride = layout == .columnPerInput ? 1 : (rows.width ?? columns?.count ?? 1)
    try readCell(
      &scanner, into: &rows.builders[target.input], at: rows.count * stride + target.column)
  }

  /// One value of a row into its place.
  @inline(__always)
  func readCell(
    _ scanner: inout PayloadScanner, into builder: inout InputBuilder, at index: Int
  ) throws(PayloadFault) {
    _ = scanner.peek()
    let start = scanner.position
    if let number = NumberScanner.scan(scanner.text, at: &scanner.position) {
      guard let expected = builder.set(number, at: index) else { return }
      scanner.position = start
      return try refuseCell(&scanner, expected, into: &builder)
    }
    try readOtherCell(&scanner, into: &builder, at: index)
  }

  private func readOtherCell(
    _ scanner: inout PayloadScanner, into builder: inout InputBuilder, at index: Int
  ) throws(PayloadFault) {
    let start = scanner.position
    let expected: String?
    if scanner.peek() == UInt8(ascii: "\"") {
      expected = builder.setString(try scanner.stringBytes(), at: index)
    } else if scanner.peek() == UInt8(ascii: "{"), builder.elementType == .string {
      expected = builder.setString(try scanner.base64(), at: index)
    } else if scanner.takes("null") {
      expected = builder.setNull(at: index)
    } else if scanner.takes("NaN") {
      expected = builder.setSpecial(.nan, at: index)
    } else if scanner.takes("Infinity") {
      expected = builder.setSpecial(.infinity, at: index)
    } else if scanner.takes("-Infinity") {
      expected = builder.setSpecial(-.infinity, at: index)
    } else if scanner.takes("true") {
      expected = builder.setBool(true, at: index)
    } else if scanner.takes("false") {
      expected = builder.setBool(false, at: index)
    } else {
      expected = builder.elementType == .string ? "a string" : "a number (\(builder.typeName))"
    }
    guard let expected else { return }
    scanner.position = start
    try refuseCell(&scanner, expected, into: &builder)
  }

  /// Throws what is wrong with a value, or notes it and passes over the value.
  @inline(never)
  private func refuseCell(
    _ scanner: inout PayloadScanner, _ expected: String, into builder: inout InputBuilder
  ) throws(PayloadFault) {
    let fault = scanner.unexpected(expected)
    try scanner.note(fault)
    try scanner.skipValue(depth: 3)
    builder.isBroken = true
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
