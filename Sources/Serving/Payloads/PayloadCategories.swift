internal import Executors
internal import Tensors

// Categories by name: `"red"` in a categorical column becomes the code that the model was trained
// with. Text is always a name. A number is a code in a body without column names, as in an array; in
// one that names its columns, as a data frame does, it is a name. Cells are then read as doubles and
// become codes when the table is complete, so that nothing of this lies in the path of plain numbers.
// A truth value is a name in any body. CSV cannot tell text from numbers: where a name looks like
// one, as a ZIP code's, each cell is a name.

/// What an `InputBuilder` knows of its table's categorical columns.
struct CategoryColumns: Sendable {
  let input: ModelInput
  let width: Int
  /// Whether numbers are names, to become codes at the end.
  let numbersAreNames: Bool

  /// nil for an input that has none: a table of a fixed width has them, or no input.
  init?(_ input: ModelInput, hasNames: Bool) {
    guard !input.categories.isEmpty, input.shape.count == 2, let width = input.shape[1], width > 0,
      input.elementType == .float32 || input.elementType == .float64
    else { return nil }
    self.input = input
    self.width = width
    numbersAreNames = hasNames && input.categories.values.contains(where: \.takesNames)
  }

  /// Whether a cell of CSV is a name whatever it looks like.
  func takesNamesAlone(at index: Int) -> Bool {
    input.categories[index % width]?.hasNumerals == true
  }

  /// What a truth value is in a column of categories; nil in another one.
  func cell(_ value: Bool, at index: Int) -> Cell? {
    let column = index % width
    guard let categories = input.categories[column] else { return nil }
    let number = value ? 1.0 : 0.0
    if let code = categories.code(of: .number(number)) {
      return .value(numbersAreNames ? number : Double(code))
    }
    return categories.unknownIsMissing ? .missing : .refused(expected: expected(column))
  }

  enum Cell {
    case value(Double)
    case missing
    /// What was expected instead.
    case refused(expected: String)
  }

  /// What the cell at `index` of the table holds when a body has this text there.
  func cell(_ text: String, at index: Int) -> Cell {
    let column = index % width
    guard let categories = input.categories[column] else {
      return .refused(
        expected: "a number (\(input.elementType.name)): column '\(name(of: column))' is numeric")
    }
    if let code = categories.code(ofText: text) {
      // `coded` sees later what a text was, beside numbers that are names.
      return .value(numbersAreNames ? Self.text(code: code) : Double(code))
    }
    return categories.unknownIsMissing ? .missing : .refused(expected: expected(column))
  }

  /// Among numbers the code of a text: a NaN that says it.
  private static func text(code: Int) -> Double {
    Double(nan: UInt64(code) + 1, signaling: false)
  }

  /// nil for a number, and for a missing value.
  private static func textCode(_ value: Double) -> Int? {
    guard value.isNaN else { return nil }
    let payload = value.bitPattern & (1 << 50 - 1)
    return payload == 0 ? nil : Int(payload) - 1
  }

  /// The table with codes where it has names, in the model's type.
  ///
  /// - Parameter table: float64, shape `(rows, width)`.
  func coded(_ table: Tensor, at start: Int) throws(PayloadFault) -> Tensor {
    let cells = table.values(as: Double.self)
    var coded: [Double] = []
    coded.reserveCapacity(cells.count)
    for index in 0..<cells.count {
      let value = cells[index]
      if let code = Self.textCode(value) {
        coded.append(Double(code))
        continue
      }
      switch cell(named: value, column: index % width) {
      case nil: coded.append(value)
      case .value(let code): coded.append(code)
      case .missing: coded.append(.nan)
      case .refused(let expected):
        throw PayloadFault(
          offset: start,
          reason:
            "has \(ColumnCategories.Name.number(value)) in row \(index / width); expected \(expected)"
        )
      }
    }
    return input.elementType == .float64
      ? Tensor(coded, shape: table.shape)
      : Tensor(coded.map { Float($0) }, shape: table.shape)
  }

  /// The code of a number that is a name; nil for one that is none.
  private func cell(named value: Double, column: Int) -> Cell? {
    guard let categories = input.categories[column], categories.takesNames, !value.isNaN else {
      return nil
    }
    if let code = categories.code(of: .number(value)) { return .value(Double(code)) }
    return categories.unknownIsMissing ? .missing : .refused(expected: expected(column))
  }

  /// Puts the code of each name of a row into its place, for a table whose rows are judged one by one.
  ///
  /// - Parameter columns: Those of which numbers may be names.
  /// - Returns: The first cell that names no category; nil as a rule.
  func code(_ builder: inout InputBuilder, rowAt start: Int, columns: [Int]) -> Unknown? {
    guard numbersAreNames else { return nil }
    for column in columns {
      guard let value = builder.double(at: start + column) else { continue }
      switch cell(named: value, column: column) {
      case nil: continue
      case .value(let code):
        builder.replace(at: start + column, with: Self.text(code: Int(code)))
      case .missing: builder.replace(at: start + column, with: .nan)
      case .refused(let expected):
        return Unknown(
          column: column, value: ColumnCategories.Name.number(value).description,
          expected: expected)
      }
    }
    return nil
  }

  struct Unknown {
    var column: Int
    var value: String
    var expected: String
  }

  private func expected(_ column: Int) -> String {
    if let problem = input.categories[column]?.problem {
      return "a code in a body that does not name its columns: of column '\(name(of: column))' "
        + problem
    }
    let names = input.categories[column]?.names.map(\.description) ?? []
    return "a category of column '\(name(of: column))': \(listed(names))"
  }

  private func name(of column: Int) -> String {
    guard let columns = input.columns, column < columns.count else { return "\(column)" }
    return columns[column]
  }
}

extension InputBuilder {
  /// A string in a column of numbers: a category's name, or no value of this input.
  ///
  /// - Returns: What was expected instead.
  mutating func setCategory(_ bytes: [UInt8], at index: Int) -> String? {
    guard let categories else { return "a number (\(typeName))" }
    return set(categories.cell(String(decoding: bytes, as: UTF8.self), at: index), at: index)
  }

  mutating func set(_ cell: CategoryColumns.Cell, at index: Int) -> String? {
    switch cell {
    case .value(let value): return setSpecial(value, at: index)
    case .missing: return setSpecial(.nan, at: index)
    case .refused(let expected): return expected
    }
  }
}
