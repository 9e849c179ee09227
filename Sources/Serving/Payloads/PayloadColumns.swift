internal import Documents
internal import Executors

/// Which column of a body is which of the model's, and which may be missing.
extension PayloadDecoder {
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
      // What nobody reads may be named as often as one likes.
      guard seen.insert(name).inserted || targets[name] == nil else {
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

  func missingText(_ missing: [String], among names: [String]) -> String {
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

  func isOptional(_ column: Int) -> Bool {
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
      let name = columns?[column] ?? "\(column)"
      switch rows.builders[0].setMissing(at: rows.count * width + column) {
      case nil: break
      case .type:
        throw PayloadFault(
          offset: position,
          reason: "has no column '\(name)', and \(rows.builders[0].typeName) has no missing values"
        )
      case .noRoom(let maxBytes):
        throw PayloadFault(
          offset: position,
          reason: "has no column '\(name)', and with missing values for what it leaves out, its "
            + "values would take more than \(maxBytes) bytes; send fewer rows, or all columns")
      }
    }
  }
}
