internal import Executors
internal import Tensors

/// Bodies that are lists of rows: `[[…], …]` and `[{…}, …]`.
extension PayloadDecoder {
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
    if !isRecords, let fault = namelessFault(at: start) { try scanner.note(fault) }
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

  /// One row, or all plain ones up to the next that is not.
  func readRows(
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
  func readRow(
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

  private func expectedWidth(_ rows: Rows) -> Int? {
    layout == .columnPerInput ? signature.inputs.count : rows.width
  }

  /// Throws what is wrong with a row's length, or notes it; the scanner is then behind the row.
  func refuseRow(
    _ scanner: inout PayloadScanner, start: Int, expected: Int, _ rows: inout Rows
  ) throws(PayloadFault) {
    try scanner.note(try wrongWidth(&scanner, start: start, expected: expected))
    breakAll(&rows)
  }

  func breakAll(_ rows: inout Rows) {
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
}
