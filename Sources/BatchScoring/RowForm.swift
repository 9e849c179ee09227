/// How wide a row and its line of output are: all rows of an output are like the first that was scored.
///
/// A model that takes tables of any width takes the next width as willingly, and where its answer follows
/// it, a file of CSV would have lines of more cells than its header names.
struct RowForm: Sendable, Equatable {
  /// Columns of the row; nil for a model that says how many it takes.
  var inputWidth: Int?
  /// Cells of each output in a line; empty for lines that each name what they hold.
  var widths: [Int]

  /// What of a row is not as in the first one, as a reason for that row to fail; nil for nothing.
  ///
  /// - Parameter names: The outputs'.
  func difference(to first: RowForm, _ names: [String]) -> String? {
    if let inputWidth, let expected = first.inputWidth, inputWidth != expected {
      return "has \(RowForm.values(inputWidth)); the first row that was scored has \(expected)"
    }
    for (index, (width, expected)) in zip(widths, first.widths).enumerated()
    where width != expected {
      let name = index < names.count ? "'\(names[index])'" : "output \(index)"
      return "the model gives \(RowForm.values(width)) of \(name) for it; "
        + "for the first row that was scored it gives \(expected)"
    }
    return nil
  }

  private static func values(_ count: Int) -> String { "\(count) value\(count == 1 ? "" : "s")" }
}

// A job's progress keeps it: a job that is gone on with goes on with the same form.

extension RowForm: CustomStringConvertible {
  /// `2:1,3`; without a width of the row, `:1,3`.
  var description: String {
    (inputWidth.map(String.init) ?? "") + ":" + widths.map(String.init).joined(separator: ",")
  }

  /// nil for what is no `description`.
  init?(_ description: String) {
    let parts = description.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    inputWidth = Int(parts[0])
    widths = parts[1].split(separator: ",").compactMap { Int($0) }
  }
}
