internal import Documents
internal import Tensors

/// Values of a row, each into its place.
extension PayloadDecoder {
  func readCell(
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
}
