internal import Documents
internal import Executors
internal import Tensors

/// Reads the bodies that most callers send: a few rows of plain numbers for a model that takes
/// one table, as rows alone or with the columns' names in the model's order.
///
/// Whatever else such a body holds is left to `PayloadDecoder`, which reads it from its start:
/// it knows what to do, or tells what is wrong. So only small bodies are tried.
struct PlainTable: Sendable {
  private static let maxBodyBytes = 4096

  private let elementType: ElementType
  private let width: Int
  /// Empty where the model has no names.
  private let columns: [[UInt8]]

  /// Nil for a model that takes something else, or that looks closer at its values.
  init?(_ signature: ModelSignature, layout: PayloadDecoder.Layout, columns: [[UInt8]]) {
    guard case .table(let width?) = layout, width > 0, let input = signature.inputs.first,
      input.elementType == .float32 || input.elementType == .float64, input.shape[0] == nil,
      input.isRequired, input.categories.isEmpty, input.columnRules == nil,
      columns.isEmpty || columns.count == width,
      // A model that calls a column so reads an object of columns differently.
      !["columns", "index", "data"].contains(where: { name in
        input.name == name || columns.contains { $0.elementsEqual(name.utf8) }
      })
    else { return nil }
    elementType = input.elementType
    self.width = width
    self.columns = columns
  }

  /// Reads a body into `inputs`, of which there is one; the memory of the tensor that is there
  /// is used again.
  ///
  /// - Returns: Whether the rows came with names, as a data frame does; nil when the body is
  ///   another one.
  func read(_ body: Span<UInt8>, into inputs: inout [Tensor?]) -> Bool? {
    guard body.count <= PlainTable.maxBodyBytes, width <= body.count / 2 else { return nil }
    var scanner = PayloadScanner(body)
    var indexCount: Int?
    guard let isFrame = takeHead(&scanner, &indexCount) else { return nil }
    // A value takes two bytes at least.
    let maxRows = body.count / (2 * width) + 1
    guard let shape = try? Shape(rows: maxRows, columns: width) else { return nil }
    if inputs.isEmpty { inputs.append(nil) }
    var table = inputs[0].take() ?? Tensor(elementType, shape: Shape(0))
    table.reuse(shape: shape)
    let rows =
      elementType == .float32
      ? takeRows(&scanner, Float.self, &table) : takeRows(&scanner, Double.self, &table)
    guard let rows, indexCount == nil || indexCount == rows,
      takesEnd(&scanner, isFrame: isFrame),
      let shape = try? Shape(rows: rows, columns: width)
    else { return nil }
    table.reuse(shape: shape)
    inputs[0] = table
    return isFrame
  }

  /// Up to the first row.
  @_lifetime(scanner: copy scanner)
  private func takeHead(_ scanner: inout PayloadScanner, _ indexCount: inout Int?) -> Bool? {
    guard takes(UInt8(ascii: "{"), &scanner), let key = takeString(&scanner),
      let form = PayloadDecoder.Form(scanner, key), form != .records,
      takes(UInt8(ascii: ":"), &scanner)
    else { return nil }
    let isFrame = takes(UInt8(ascii: "{"), &scanner)
    if isFrame {
      guard form == .inputData || form == .split, !columns.isEmpty,
        takesColumns(&scanner, &indexCount)
      else { return nil }
    } else if form == .split {
      return nil
    }
    return takes(UInt8(ascii: "["), &scanner) ? isFrame : nil
  }

  /// `"columns": ["a", "b"], "index": [0], "data":`; the index may be missing.
  @_lifetime(scanner: copy scanner)
  private func takesColumns(_ scanner: inout PayloadScanner, _ indexCount: inout Int?) -> Bool {
    guard takesKey("columns", &scanner), takes(UInt8(ascii: "["), &scanner) else { return false }
    for index in columns.indices {
      guard let name = takeString(&scanner), scanner.equals(name, columns[index]) else {
        return false
      }
      let isLast = index == columns.count - 1
      guard takes(isLast ? UInt8(ascii: "]") : UInt8(ascii: ","), &scanner) else { return false }
    }
    guard takes(UInt8(ascii: ","), &scanner) else { return false }
    let start = scanner.position
    if takesKey("index", &scanner) {
      guard takes(UInt8(ascii: "["), &scanner) else { return false }
      var count = 0
      defer { indexCount = count == 0 ? nil : count }
      while scanner.peek() != UInt8(ascii: "]") {
        guard NumberScanner.scan(scanner.text, at: &scanner.position) != nil else { return false }
        count += 1
        guard takes(UInt8(ascii: ","), &scanner) else { break }
        guard scanner.peek() != UInt8(ascii: "]") else { return false }
      }
      guard takes(UInt8(ascii: "]"), &scanner), takes(UInt8(ascii: ","), &scanner) else {
        return false
      }
    } else {
      scanner.position = start
    }
    return takesKey("data", &scanner)
  }

  /// - Returns: How many rows; nil when one is not of plain numbers, or of another width.
  @_lifetime(scanner: copy scanner)
  @inline(__always)
  private func takeRows<Element: BinaryFloatingPoint & TensorElement>(
    _ scanner: inout PayloadScanner, _: Element.Type, _ table: inout Tensor
  ) -> Int? {
    var values = table.mutableValues(as: Element.self)
    var index = 0
    var rows = 0
    while true {
      guard takes(UInt8(ascii: "["), &scanner) else { return nil }
      let end = index + width
      guard end <= values.count else { return nil }
      while index < end {
        _ = scanner.peek()
        guard let number = NumberScanner.scan(scanner.text, at: &scanner.position) else {
          return nil
        }
        values[index] = Element(number.double)
        index += 1
        guard takes(index < end ? UInt8(ascii: ",") : UInt8(ascii: "]"), &scanner) else {
          return nil
        }
      }
      rows += 1
      switch scanner.peek() {
      case UInt8(ascii: ","): scanner.position += 1
      case UInt8(ascii: "]"):
        scanner.position += 1
        return rows
      default: return nil
      }
    }
  }

  @_lifetime(scanner: copy scanner)
  private func takesEnd(_ scanner: inout PayloadScanner, isFrame: Bool) -> Bool {
    if isFrame, !takes(UInt8(ascii: "}"), &scanner) { return false }
    return takes(UInt8(ascii: "}"), &scanner) && scanner.peek() == nil
  }

  // MARK: Steps

  @_lifetime(scanner: copy scanner)
  @inline(__always)
  private func takes(_ byte: UInt8, _ scanner: inout PayloadScanner) -> Bool {
    guard scanner.peek() == byte else { return false }
    scanner.position += 1
    return true
  }

  @_lifetime(scanner: copy scanner)
  private func takesKey(_ name: StaticString, _ scanner: inout PayloadScanner) -> Bool {
    guard let key = takeString(&scanner), scanner.equals(key, name) else { return false }
    return takes(UInt8(ascii: ":"), &scanner)
  }

  /// A string without escapes, as the range of its bytes.
  @_lifetime(scanner: copy scanner)
  private func takeString(_ scanner: inout PayloadScanner) -> Range<Int>? {
    guard takes(UInt8(ascii: "\""), &scanner) else { return nil }
    let start = scanner.position
    while scanner.position < scanner.text.count {
      let byte = scanner.text[scanner.position]
      if byte == UInt8(ascii: "\\") || byte < 0x20 { return nil }
      scanner.position += 1
      if byte == UInt8(ascii: "\"") { return start..<(scanner.position - 1) }
    }
    return nil
  }
}
