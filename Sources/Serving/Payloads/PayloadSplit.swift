internal import Documents
internal import Executors
internal import Tensors

/// Tables in the split form of pandas: columns, index and data.
extension PayloadDecoder {
  /// `{"columns": […], "index": […], "data": [[…], …]}`, members in any order.
  func readSplit(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var names: [String]?
    // Names that could not be read: told already.
    var hasColumns = false
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
          do throws(PayloadFault) {
            names = try readNames(&scanner)
          } catch {
            hasColumns = true
            try scanner.pass(over: columnsPosition, error, depth: 2)
          }
        case "data":
          dataPosition = scanner.position
          try scanner.skipValue(depth: 2)
        case "index":
          indexPosition = scanner.position
          indexCount = try readIndexCount(&scanner)
        default:
          try scanner.pass(
            over: scanner.position,
            scanner.fault(
              "'\(key.prefix(80))' is no member of a table; expected columns, index and data",
              at: keyPosition), depth: 2)
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
    } else if hasColumns {
      // What their rows must be cannot be said.
      scanner.position = end
      return []
    } else if let fault = namelessFault(at: start) {
      try scanner.note(fault)
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
  func namelessFault(at position: Int) -> PayloadFault? {
    guard signature.inputs.contains(where: { $0.columnRules != nil }), let columns else {
      return nil
    }
    return PayloadFault(
      offset: position,
      reason: "has no column names; the model's signature names \(listed(columns))")
  }

  func readNames(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [String] {
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
}
