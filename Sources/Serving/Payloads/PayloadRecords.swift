/// Rows that name their columns: a record each.
extension PayloadDecoder {
  /// One row as an object from column name to value.
  func readRecord(
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
            _ = scanner.peek()
            try scanner.pass(
              over: scanner.position,
              scanner.fault("names column '\(columns[column])' twice", at: keyPosition), depth: 3)
            breakAll(&rows)
            continue
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
}
