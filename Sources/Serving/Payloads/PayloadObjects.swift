internal import Documents
internal import Executors
internal import Tensors

/// Bodies that are an object of columns, or of tensors by the inputs' names.
extension PayloadDecoder {
  /// `{"a": […], "b": […]}`: columns by name, or tensors by the inputs' names.
  func readObject(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var tensors = [Tensor?](repeating: nil, count: signature.inputs.count)
    var rows = makeRows(scanner, hasNames: true)
    var seen: Set<String> = []
    var names: [String] = []
    var columnCount: Int?
    var hasTensor = false
    var isBroken = false
    var positions = [Int?](repeating: nil, count: signature.inputs.count)
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object") {
      repeat {
        _ = scanner.peek()
        let keyPosition = scanner.position
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        let position = scanner.position
        do throws(PayloadFault) {
          guard seen.insert(key).inserted else {
            throw scanner.fault("names '\(key)' twice", at: keyPosition)
          }
          if names.count < PayloadDecoder.maxNamesTold { names.append(key) }
          if let target = targets[key] {
            let count = try readColumn(&scanner, target, into: &rows)
            if let columnCount, columnCount != count {
              throw scanner.fault(
                "has \(count) values; expected \(columnCount), as the columns before it",
                at: position)
            }
            columnCount = count
          } else if let index = signature.inputIndex(named: key) {
            hasTensor = true
            positions[index] = position
            tensors[index] = try readNested(&scanner, for: signature.inputs[index])
          } else {
            try scanner.skipValue(depth: 2)
          }
        } catch {
          isBroken = true
          try scanner.pass(over: position, error, depth: 2)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    if isBroken { breakAll(&rows) }
    if hasTensor || columns == nil {
      let missing = signature.inputs.indices.filter {
        positions[$0] == nil && signature.inputs[$0].isRequired
      }.map { signature.inputs[$0].name }
      guard missing.isEmpty else {
        throw PayloadFault(offset: start, reason: missingInputsText(missing, among: names))
      }
      for fault in rowFaults(tensors, at: positions) { try scanner.note(fault) }
      return tensors
    }
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

  private func missingInputsText(_ missing: [String], among names: [String]) -> String {
    let known = signature.inputs.map(\.name)
    var text = "has no \(listed(missing))"
    if let first = missing.first,
      let near = NameDistance.nearest(to: first, in: names.filter { !known.contains($0) })
    {
      text += "; is '\(near.prefix(80))' meant as '\(first)'?"
    }
    return text + "; the model takes \(listed(known))"
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
}
