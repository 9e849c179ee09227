#if canImport(Glibc)
  internal import Glibc
#endif

/// A number as a text gives it: correctly rounded as a double, and exact where it is an integer.
package struct ScannedNumber: Sendable {
  /// The nearest double; infinite where the decimal is beyond all doubles.
  package var double: Double
  /// The absolute value, where `isInteger`.
  package var magnitude: UInt64
  package var isNegative: Bool
  /// Written without fraction and exponent, and below 2^64.
  package var isInteger: Bool

  package init(double: Double, magnitude: UInt64, isNegative: Bool, isInteger: Bool) {
    self.double = double
    self.magnitude = magnitude
    self.isNegative = isNegative
    self.isInteger = isInteger
  }
}

/// Reads one JSON number out of a text. Allocates nothing.
///
/// A number of up to seven digits is read out of one word of eight bytes: most are so short.
/// Of others, up to 19 digits are gathered into an integer `w`. Where `w` and the power of ten are both
/// doubles, one multiplication is exact enough (Clinger). Else `w` times 128 bits of the power of
/// five gives the 53 bits and says how to round (Eisel and Lemire). Only numbers of more digits
/// whose end decides the rounding go to the C library, from a bounded copy.
package enum NumberScanner {
  /// The number that begins at `position`, which is moved behind it; nil, and `position` as it
  /// was, when none begins there. The byte behind the number is not looked at.
  @inline(__always)
  package static func scan(_ text: Span<UInt8>, at position: inout Int) -> ScannedNumber? {
    if let number = scanShort(text, at: &position) { return number }
    return scanAny(text, at: &position)
  }

  /// A number of at most seven digits without exponent, if that is what begins at `position` and
  /// eight bytes are there; nil is no answer.
  ///
  /// The digits are joined by shifts and made a number as in `eightDigits`: the only branches are
  /// those that leave.
  @inline(__always)
  package static func scanShort(
    _ text: Span<UInt8>, at position: inout Int
  ) -> ScannedNumber? {
    guard position >= 0, position < text.count else { return nil }
    let isNegative = unsafe text[unchecked: position] == UInt8(ascii: "-")
    let start = position &+ (isNegative ? 1 : 0)
    guard start &+ 8 <= text.count else { return nil }
    let bytes = unsafe UInt64(
      littleEndian: text.bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: start, as: UInt64.self))
    // Digits become 0...9; each other byte shows in its high bit.
    let values = bytes ^ 0x3030_3030_3030_3030
    var others =
      (values | ((values & 0x7F7F_7F7F_7F7F_7F7F) &+ 0x7676_7676_7676_7676))
      & 0x8080_8080_8080_8080
    guard others != 0 else { return nil }
    let wholeBits = others.trailingZeroBitCount & ~7
    var digits = values
    var bits = wholeBits
    var fractionCount = 0
    let isDecimal = (bytes &>> wholeBits) & 0xFF == UInt64(UInt8(ascii: "."))
    if isDecimal {
      others &= others &- 1
      guard others != 0 else { return nil }
      let endBits = others.trailingZeroBitCount & ~7
      // Without the point; what is behind the number is shifted out below.
      let whole = values & (1 &<< wholeBits &- 1)
      digits = whole | (values >> 8) & ~(1 &<< wholeBits &- 1)
      bits = endBits &- 8
      fractionCount = (bits &- wholeBits) >> 3
      guard fractionCount > 0 else { return nil }
    }
    // JSON knows no leading zeros.
    guard wholeBits == 8 || (wholeBits > 8 && values & 0xFF != 0) else { return nil }
    let end = bits &+ (isDecimal ? 8 : 0)
    guard (bytes &>> end) & 0xDF != UInt64(UInt8(ascii: "E")) else { return nil }
    let magnitude = joined(digits &<< (64 &- bits))
    let value = Double(Int64(truncatingIfNeeded: magnitude)) / exactPowersOfTen[fractionCount]
    position = start &+ end >> 3
    return ScannedNumber(
      double: isNegative ? -value : value, magnitude: magnitude, isNegative: isNegative,
      isInteger: !isDecimal)
  }

  private static func scanAny(_ text: Span<UInt8>, at position: inout Int) -> ScannedNumber? {
    let count = text.count
    var index = position
    guard index >= 0, index < count else { return nil }
    // Each `unchecked` access below stands behind a comparison with `count`.
    let isNegative = unsafe text[unchecked: index] == UInt8(ascii: "-")
    if isNegative { index += 1 }
    let wholeStart = index
    var digits: UInt64 = 0
    scanDigits(text, at: &index, into: &digits)
    let wholeCount = index - wholeStart
    // JSON knows no leading zeros.
    guard wholeCount > 0, wholeCount == 1 || text[wholeStart] != UInt8(ascii: "0") else {
      return nil
    }
    var exponent = 0
    var digitCount = wholeCount
    var isDecimal = false
    if index < count, unsafe text[unchecked: index] == UInt8(ascii: ".") {
      isDecimal = true
      index += 1
      let fractionStart = index
      // The fraction is what is long in a decimal: eight digits at once while there are eight.
      while let eight = eightDigits(text, at: index) {
        digits = digits &* 100_000_000 &+ eight
        index += 8
      }
      scanDigits(text, at: &index, into: &digits)
      exponent = fractionStart - index
      guard exponent < 0 else { return nil }
      digitCount -= exponent
    }
    let digitsEnd = index
    var written = 0
    if index < count, unsafe text[unchecked: index] | 0x20 == UInt8(ascii: "e") {
      isDecimal = true
      guard let end = scanExponent(text, from: index + 1, into: &written) else { return nil }
      index = end
      exponent += written
    }
    position = index
    if digitCount > 19 {
      return longNumber(
        text, digits: wholeStart..<digitsEnd, exponent: written, isDecimal: isDecimal,
        isNegative: isNegative)
    }
    let value = double(digits, exponent: exponent)
    return ScannedNumber(
      double: isNegative ? -value : value, magnitude: digits, isNegative: isNegative,
      isInteger: !isDecimal)
  }

  /// Takes digits as long as there are some; `digits` may wrap around, as for `longNumber`.
  @inline(__always)
  private static func scanDigits(
    _ text: Span<UInt8>, at index: inout Int, into digits: inout UInt64
  ) {
    while index < text.count {
      let digit = unsafe text[unchecked: index] &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      digits = digits &* 10 &+ UInt64(digit)
      index += 1
    }
  }

  /// The value of the eight digits that begin at `index`; nil where a byte is none.
  ///
  /// The bytes are joined to pairs, fours and one number by three multiplications.
  /// Source: fast_float, `is_made_of_eight_digits_fast`, `parse_eight_digits_unrolled`.
  @inline(__always)
  private static func eightDigits(_ text: Span<UInt8>, at index: Int) -> UInt64? {
    guard index &+ 8 <= text.count else { return nil }
    let bytes = unsafe UInt64(
      littleEndian: text.bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: index, as: UInt64.self))
    // Above "9" or below "0", a byte's high bit shows in one of the two sums.
    guard
      ((bytes &+ 0x4646_4646_4646_4646) | (bytes &- 0x3030_3030_3030_3030))
        & 0x8080_8080_8080_8080 == 0
    else { return nil }
    return joined(bytes &- 0x3030_3030_3030_3030)
  }

  /// Eight digits, the first in the lowest byte, as one number.
  @inline(__always)
  private static func joined(_ values: UInt64) -> UInt64 {
    let pairs = values &* 10 &+ (values >> 8)
    let evenFours = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let oddFours = ((pairs >> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return (evenFours &+ oddFours) >> 32
  }

  private static func scanExponent(
    _ text: Span<UInt8>, from start: Int, into exponent: inout Int
  ) -> Int? {
    var index = start
    guard index < text.count else { return nil }
    let isNegative = text[index] == UInt8(ascii: "-")
    if isNegative || text[index] == UInt8(ascii: "+") { index += 1 }
    let digitsStart = index
    var value = 0
    while index < text.count {
      let digit = text[index] &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      // Far beyond what a double or the digits of a body in memory can undo.
      if value < 1 << 40 { value = value * 10 + Int(digit) }
      index += 1
    }
    guard index > digitsStart else { return nil }
    exponent = isNegative ? -value : value
    return index
  }

  /// `digits` times ten to the `exponent`, rounded to nearest, ties to even.
  static func double(_ digits: UInt64, exponent: Int) -> Double {
    if exponent == 0, digits <= 1 << 53 { return Double(digits) }
    if digits <= 1 << 53, exponent >= -22, exponent <= 22 {
      let value = Double(digits)
      return exponent < 0 ? value / exactPower(-exponent) : value * exactPower(exponent)
    }
    return eiselLemire(digits, exponent: exponent)
  }

  private static func exactPower(_ exponent: Int) -> Double { exactPowersOfTen[exponent] }

  private static let exactPowersOfTen: InlineArray<23, Double> = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  /// Source: fast_float, `compute_float`; N. Mushtak and D. Lemire, "Fast Number Parsing Without
  /// Fallback" (2022), shows that the 128-bit product always decides.
  static func eiselLemire(_ digits: UInt64, exponent: Int) -> Double {
    if digits == 0 || exponent < -342 { return 0 }
    if exponent > 308 { return .infinity }
    let leadingZeros = digits.leadingZeroBitCount
    let normalized = digits << UInt64(leadingZeros)
    let entry = 2 * (exponent + 342)
    var product = normalized.multipliedFullWidth(by: powersOfFive[entry])
    if product.high & 0x1FF == 0x1FF {
      // The bits that decide the rounding could still change: the lower word as well.
      let second = normalized.multipliedFullWidth(by: powersOfFive[entry + 1])
      let (low, carries) = product.low.addingReportingOverflow(second.high)
      product.low = low
      if carries { product.high &+= 1 }
    }
    let upperBit = Int(product.high >> 63)
    let shift = UInt64(upperBit + 9)
    var mantissa = product.high >> shift
    var power = (217_706 * exponent) >> 16 + 63 + upperBit - leadingZeros + 1023
    if power <= 0 {
      // Subnormal, or nothing at all.
      if 1 - power >= 64 { return 0 }
      mantissa >>= UInt64(1 - power)
      mantissa = (mantissa + (mantissa & 1)) >> 1
      return Double(bitPattern: mantissa)
    }
    if product.low <= 1, exponent >= -4, exponent <= 23, mantissa & 3 == 1,
      mantissa << shift == product.high
    {
      // Exactly half way: down to the even neighbour.
      mantissa &= ~1
    }
    mantissa = (mantissa + (mantissa & 1)) >> 1
    if mantissa >= 1 << 53 {
      mantissa = 1 << 52
      power += 1
    }
    if power >= 2047 { return .infinity }
    return Double(bitPattern: mantissa & (1 << 52 - 1) | UInt64(power) << 52)
  }

  /// A number of more than 19 digits, leading zeros counted.
  private static func longNumber(
    _ text: Span<UInt8>, digits range: Range<Int>, exponent written: Int, isDecimal: Bool,
    isNegative: Bool
  ) -> ScannedNumber {
    // The first 19 digits that mean something, and what power of ten the last of them has.
    var leading: UInt64 = 0
    var taken = 0
    var fits = true
    var exponent = written
    var hasMore = false
    var isFraction = false
    var total: UInt64 = 0
    for index in range {
      let byte = text[index]
      if byte == UInt8(ascii: ".") {
        isFraction = true
        continue
      }
      let digit = UInt64(byte - UInt8(ascii: "0"))
      if fits {
        let (product, overflows) = total.multipliedReportingOverflow(by: 10)
        let (sum, carries) = product.addingReportingOverflow(digit)
        fits = !overflows && !carries
        total = sum
      }
      if taken == 0, digit == 0 {
        if isFraction { exponent -= 1 }
      } else if taken < 19 {
        leading = leading * 10 + digit
        taken += 1
        if isFraction { exponent -= 1 }
      } else {
        hasMore = hasMore || digit != 0
        if !isFraction { exponent += 1 }
      }
    }
    var value = eiselLemire(leading, exponent: exponent)
    if hasMore, eiselLemire(leading + 1, exponent: exponent) != value {
      value = slowDouble(text, digits: range, exponent: written)
    }
    return ScannedNumber(
      double: isNegative ? -value : value, magnitude: total, isNegative: isNegative,
      isInteger: !isDecimal && fits)
  }

  /// The C library's answer, from at most 800 digits and a last one that stands for the rest: no
  /// double and no half way between two has more than 768.
  private static func slowDouble(
    _ text: Span<UInt8>, digits range: Range<Int>, exponent written: Int
  ) -> Double {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 864) { copy in
      var count = 0
      var exponent = written
      var hasMore = false
      var isFraction = false
      for index in range {
        let byte = text[index]
        if byte == UInt8(ascii: ".") {
          isFraction = true
        } else if count == 0, byte == UInt8(ascii: "0") {
          if isFraction { exponent -= 1 }
        } else if count < 800 {
          unsafe copy[count] = CChar(byte)
          count += 1
          if isFraction { exponent -= 1 }
        } else {
          hasMore = hasMore || byte != UInt8(ascii: "0")
          if !isFraction { exponent += 1 }
        }
      }
      if hasMore {
        unsafe copy[count] = CChar(UInt8(ascii: "1"))
        count += 1
        exponent -= 1
      }
      // No decimal point, whose character depends on the locale.
      for byte in "e\(exponent)\0".utf8 {
        unsafe copy[count] = CChar(byte)
        count += 1
      }
      guard let start = copy.baseAddress else { return .nan }
      return unsafe strtod(start, nil)
    }
  }
}
