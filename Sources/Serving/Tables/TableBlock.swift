package import Tensors

/// Rows of a text file, read for a model.
package struct TableBlock: Sendable {
  /// Rows behind each other that the model can be given together. The rows of all runs are those that
  /// could be read, in their order.
  package struct Run: Sendable {
    /// The model's inputs, as `ModelExecutor.predict` takes them.
    package var inputs: [Tensor?]
    package var rowCount: Int

    package init(inputs: [Tensor?], rowCount: Int) {
      self.inputs = inputs
      self.rowCount = rowCount
    }
  }

  /// One as a rule. Where one ends says nothing of the rows: these are of another width, or have other
  /// inputs, than those before them.
  package var runs: [Run]
  /// Rows that the text has, those that could not be read among them.
  package var rowCount: Int
  /// The rows that could not be read, in their order.
  package var faults: [RowFault]

  /// Rows of the runs.
  package var readCount: Int { rowCount - faults.count }

  /// The places of the rows that could be read, counted in the text.
  package var readRows: [Int] {
    var rows: [Int] = []
    rows.reserveCapacity(readCount)
    var next = 0
    for row in 0..<rowCount {
      if next < faults.count, faults[next].row == row {
        next += 1
      } else {
        rows.append(row)
      }
    }
    return rows
  }
}

/// Why a row was left out.
package struct RowFault: Error, Sendable, Equatable {
  /// Counted from 0, in the block.
  package var row: Int
  package var reason: String
  /// What came, cut to `maxValueBytes`.
  package var value: String

  private static let maxValueBytes = 120

  package init(row: Int, reason: String, value: String) {
    self.row = row
    self.reason = reason
    self.value =
      value.utf8.count <= RowFault.maxValueBytes
      ? value
      : String(decoding: value.utf8.prefix(RowFault.maxValueBytes), as: UTF8.self) + "…"
  }
}
