#if canImport(Glibc)
  import Glibc
#endif

/// Reads decimal numbers out of bytes, correctly rounded to double.
///
/// A number of up to 2^53 with a power of ten of up to 10^22 is one exact division or
/// multiplication away from its double (Clinger 1990); all others go through `strtod`.
enum DecimalScanner {
  /// Reads the number that begins at `position` and moves behind it; nil, and no move, when none
  /// does. Takes `inf`, `infinity` and `nan` in any letter case too.
  static func scan(_ bytes: RawSpan, _ position: inout Int) -> Double? {
    var index = position
    let end = bytes.byteCount
    var isNegative = false
    if index < end,
      bytes.byte(at: index) == UInt8(ascii: "-") || bytes.byte(at: index) == UInt8(ascii: "+")
    {
      isNegative = bytes.byte(at: index) == UInt8(ascii: "-")
      index += 1
    }
    // Digits and the point lie below all letters.
    if index < end, bytes.byte(at: index) >= UInt8(ascii: "A") {
      guard let word = scanWord(bytes, &index) else { return nil }
      position = index
      return isNegative ? -word : word
    }

    var mantissa: UInt64 = 0
    var fitsMantissa = true
    var exponent = 0
    var digitCount = 0
    var hasPoint = false
    while index < end {
      let byte = bytes.byte(at: index)
      if byte == UInt8(ascii: "."), !hasPoint {
        hasPoint = true
      } else if let digit = digitValue(byte) {
        digitCount += 1
        if mantissa <= (1 << 53) / 10 - 1 {
          mantissa = mantissa * 10 + UInt64(digit)
          if hasPoint { exponent -= 1 }
        } else {
          fitsMantissa = false
        }
      } else {
        break
      }
      index += 1
    }
    guard digitCount > 0 else { return nil }
    if let written = scanExponent(bytes, &index) { exponent += written }

    let start = position
    position = index
    if fitsMantissa, abs(exponent) < powersOfTen.count {
      let power = powersOfTen[abs(exponent)]
      let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
      return isNegative ? -value : value
    }
    return convert(bytes, start..<index)
  }

  private static let powersOfTen: InlineArray<23, Double> = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  /// `e-12` and its kind; nil, and no move, when the digits are missing.
  private static func scanExponent(_ bytes: RawSpan, _ position: inout Int) -> Int? {
    var index = position
    let end = bytes.byteCount
    guard index < end, bytes.byte(at: index) | 0x20 == UInt8(ascii: "e") else { return nil }
    index += 1
    var isNegative = false
    if index < end,
      bytes.byte(at: index) == UInt8(ascii: "-") || bytes.byte(at: index) == UInt8(ascii: "+")
    {
      isNegative = bytes.byte(at: index) == UInt8(ascii: "-")
      index += 1
    }
    var exponent = 0
    let firstDigit = index
    while index < end, let digit = digitValue(bytes.byte(at: index)) {
      // `strtod` reads a large one again; here it only has to stay large.
      if exponent < 100_000 { exponent = exponent * 10 + digit }
      index += 1
    }
    guard index > firstDigit else { return nil }
    position = index
    return isNegative ? -exponent : exponent
  }

  private static func scanWord(_ bytes: RawSpan, _ position: inout Int) -> Double? {
    for (word, value) in words where bytes.hasWord(word, at: position) {
      position += word.utf8CodeUnitCount
      return value
    }
    return nil
  }

  // The longer word first: `inf` begins `infinity`.
  private static let words: [(StaticString, Double)] = [
    ("infinity", .infinity), ("inf", .infinity), ("nan", .nan),
  ]

  private static func convert(_ bytes: RawSpan, _ range: Range<Int>) -> Double? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: range.count + 1) { text in
      for (offset, index) in range.enumerated() {
        text[offset] = CChar(bitPattern: bytes.byte(at: index))
      }
      text[range.count] = 0
      return text.baseAddress.map { strtod($0, nil) }
    }
  }

  private static func digitValue(_ byte: UInt8) -> Int? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? Int(byte - UInt8(ascii: "0")) : nil
  }
}

extension RawSpan {
  /// The byte at `index`, checked.
  func byte(at index: Int) -> UInt8 {
    precondition(index >= 0 && index < byteCount, "byte \(index) of \(byteCount)")
    return unsafeLoad(fromByteOffset: index, as: UInt8.self)
  }

  /// The bytes of `range` as text; what is no UTF-8 becomes U+FFFD.
  func text(_ range: Range<Int>) -> String {
    String(decoding: range.map { byte(at: $0) }, as: UTF8.self)
  }

  /// Whether the bytes from `start` on are exactly those of `word`.
  func hasBytes(_ word: StaticString, at start: Int) -> Bool {
    let count = word.utf8CodeUnitCount
    guard start >= 0, start <= byteCount, byteCount - start >= count else { return false }
    for offset in 0..<count where byte(at: start + offset) != word.utf8Start[offset] {
      return false
    }
    return true
  }

  /// Whether the bytes from `start` on are `word`, given in small letters, in any letter case.
  func hasWord(_ word: StaticString, at start: Int) -> Bool {
    let count = word.utf8CodeUnitCount
    guard start >= 0, start <= byteCount, byteCount - start >= count else { return false }
    for offset in 0..<count where byte(at: start + offset) | 0x20 != word.utf8Start[offset] {
      return false
    }
    return true
  }
}
