internal import Documents

/// Numbers that pandas reads and JSON does not know: `+1`, `.5`, `1.`, `007`, `-inf`, with spaces
/// around them. Hexadecimal and whatever else `strtod` takes is text to it, and here.
enum CSVNumber {
  case number(ScannedNumber)
  case infinity(isNegative: Bool)

  init?(_ cell: [UInt8]) {
    var rest = cell[...]
    while rest.first == UInt8(ascii: " ") || rest.first == 0x09 { rest.removeFirst() }
    while rest.last == UInt8(ascii: " ") || rest.last == 0x09 { rest.removeLast() }
    let isNegative = rest.first == UInt8(ascii: "-")
    if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
    let word = rest.prefix(9).map { $0 | 0x20 }
    if rest.count <= 8, word == Array("inf".utf8) || word == Array("infinity".utf8) {
      self = .infinity(isNegative: isNegative)
      return
    }
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let point = UInt8(ascii: ".")
    guard let first = rest.first, digits.contains(first) || first == point else { return nil }
    // As JSON has it: one digit at least on each side of the point, and no zeros before others.
    while rest.count > 1, rest.first == UInt8(ascii: "0"),
      digits.contains(rest[rest.startIndex + 1])
    { rest.removeFirst() }
    var text: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
    if first == point {
      guard rest.count > 1, digits.contains(rest[rest.startIndex + 1]) else { return nil }
      text.append(UInt8(ascii: "0"))
    }
    for (offset, byte) in zip(rest.indices, rest) {
      text.append(byte)
      let next = offset + 1 < rest.endIndex ? rest[offset + 1] : 0
      if byte == point, !digits.contains(next) { text.append(UInt8(ascii: "0")) }
    }
    var position = 0
    guard let number = NumberScanner.scan(text.span, at: &position), position == text.count else {
      return nil
    }
    self = .number(number)
  }
}

extension CSVNumber {
  /// A cell of a column of numbers: not a number for a missing value, 1 and 0 for truth values; nil
  /// for what is no number.
  static func value(of cell: CSVCell) -> Double? {
    if cell.isMissing { return .nan }
    var text = Substring(cell.text)
    while text.first == " " || text.first == "\t" { text.removeFirst() }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    switch text {
    case "True", "TRUE", "true": return 1
    case "False", "FALSE", "false": return 0
    default: break
    }
    switch CSVNumber(Array(text.utf8)) {
    case .number(let number): return number.double
    case .infinity(let isNegative): return isNegative ? -.infinity : .infinity
    case nil: return nil
    }
  }
}
