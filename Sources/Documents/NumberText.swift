/// Number printing into memory of the caller: the fewest digits that a reader of doubles needs.
///
/// Digits are made eight at a time, one in each byte of a word, and stored as words: bytes behind
/// a text's end are written too, within `maxBytes`.
enum NumberText {
  /// The room that each call needs. No text has more than 24 bytes.
  static let maxBytes = 40

  /// Writes `value` so that JSON readers give it back exactly; `5.0` keeps its point, as in
  /// Python, so that a reader sees that it is no integer. NaN and infinities are bare.
  ///
  /// - Returns: Where the text ends.
  @inline(__always) @unsafe
  static func write(
    _ value: Double, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    unsafe start.storeBytes(of: UInt8(ascii: "-"), as: UInt8.self)
    let text = unsafe start + (value.sign == .minus ? 1 : 0)
    let magnitude = value.magnitude
    if magnitude < 0x1p53 {
      let whole = UInt64(magnitude)
      if Double(whole) == magnitude {
        let end = unsafe write(whole, at: text)
        unsafe end.storeBytes(of: pointAndZero, as: UInt16.self)
        return unsafe end + 2
      }
    } else if !magnitude.isFinite {
      // No sign before NaN.
      return unsafe write(magnitude.isNaN ? "NaN" : "Infinity", at: magnitude.isNaN ? start : text)
    }
    return unsafe writeDecimal(magnitude, at: text)
  }

  @inline(__always) @unsafe
  static func write(
    _ value: Int64, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    unsafe start.storeBytes(of: UInt8(ascii: "-"), as: UInt8.self)
    return unsafe write(value.magnitude, at: start + (value < 0 ? 1 : 0))
  }

  @inline(__always) @unsafe
  static func write(
    _ value: UInt64, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    if value < 10 {
      unsafe start.storeBytes(
        of: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: value), as: UInt8.self)
      return unsafe start + 1
    }
    return unsafe writeDigits(value, at: start)
  }

  private static func writeDigits(
    _ value: UInt64, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    if value < 100_000_000 {
      let digits = eightDigits(value)
      // The leading zeros are the lowest bytes; 0 keeps its last.
      let skippedBits = (digits | 1 << 56).trailingZeroBitCount & ~7
      unsafe start.storeBytes(of: (digits | zeros) >> UInt64(skippedBits), as: UInt64.self)
      return unsafe start + (8 - skippedBits / 8)
    }
    let (upper, lower) = value.quotientAndRemainder(dividingBy: 100_000_000)
    let middle = unsafe writeDigits(upper, at: start)
    unsafe middle.storeBytes(of: eightDigits(lower) | zeros, as: UInt64.self)
    return unsafe middle + 8
  }

  /// `magnitude` is finite, above zero, and no integer below 2^53.
  private static func writeDecimal(
    _ magnitude: Double, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    let decimal = ShortestDecimal(magnitude)
    var digits = decimal.digits
    // 17 digits always. Normal numbers have 16 or 17.
    let isShort = digits < 10_000_000_000_000_000
    var exponent = decimal.exponent &+ (isShort ? 15 : 16)
    digits = isShort ? digits &* 10 : digits
    while digits < 10_000_000_000_000_000 {
      digits &*= 10
      exponent &-= 1
    }
    // The value is first.rest × 10^exponent.
    let (upper, lower) = digits.quotientAndRemainder(dividingBy: 100_000_000)
    let (first, middle) = upper.quotientAndRemainder(dividingBy: 100_000_000)
    let text = Digits(first: first, middle: eightDigits(middle), last: eightDigits(lower))
    if exponent < -4 || magnitude > 0x1p53 {
      return unsafe writeExponential(text, exponent, at: start)
    }
    if exponent < 0 {
      // 0.000ddd
      unsafe start.storeBytes(of: zeros, as: UInt64.self)
      unsafe start.storeBytes(of: UInt8(ascii: "."), toByteOffset: 1, as: UInt8.self)
      let digitsStart = unsafe start + (1 &- exponent)
      unsafe text.write(at: digitsStart)
      return unsafe digitsStart + text.count
    }
    // ddd.ddd: the fraction stands a place further than its digits.
    let end = unsafe start + max(text.count &+ 1, exponent &+ 3)
    if exponent < 7 {
      unsafe text.write(at: start + 1)
      // The first eight bytes in one word. Nothing is read back: that would wait for the stores.
      let leading = (text.middle << 8 | text.first) | zeros
      let bits = 8 &* (exponent &+ 1)
      let whole: UInt64 = 1 &<< bits &- 1
      let fraction = (leading << 8) & ~(whole << 8 | 0xFF)
      let word = leading & whole | UInt64(UInt8(ascii: ".")) &<< bits | fraction
      unsafe start.storeBytes(of: word, as: UInt64.self)
      return unsafe end
    }
    unsafe text.write(at: start)
    unsafe start.storeBytes(of: zeros, toByteOffset: 17, as: UInt64.self)
    unsafe start.storeBytes(of: zeros, toByteOffset: 25, as: UInt64.self)
    let point = unsafe start + (exponent &+ 1)
    let fraction = unsafe point.loadUnaligned(as: UInt64.self)
    let fractionEnd = unsafe point.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    unsafe point.storeBytes(of: UInt8(ascii: "."), as: UInt8.self)
    unsafe point.storeBytes(of: fraction, toByteOffset: 1, as: UInt64.self)
    unsafe point.storeBytes(of: fractionEnd, toByteOffset: 9, as: UInt64.self)
    return unsafe end
  }

  /// `d.ddde-07`, `1e+300`: a sign, and two or three digits.
  @inline(never)
  private static func writeExponential(
    _ digits: Digits, _ exponent: Int, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    unsafe digits.write(at: start + 1)
    unsafe start.storeBytes(
      of: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: digits.first), as: UInt8.self)
    unsafe start.storeBytes(of: UInt8(ascii: "."), toByteOffset: 1, as: UInt8.self)
    var end = unsafe start + (digits.count == 1 ? 1 : digits.count &+ 1)
    unsafe end.storeBytes(of: UInt8(ascii: "e"), as: UInt8.self)
    unsafe end.storeBytes(
      of: UInt8(ascii: exponent < 0 ? "-" : "+"), toByteOffset: 1, as: UInt8.self)
    unsafe end += 2
    let size = exponent.magnitude
    if size < 10 {
      unsafe end.storeBytes(of: UInt8(ascii: "0"), as: UInt8.self)
      unsafe end += 1
    }
    return unsafe write(UInt64(size), at: end)
  }

  /// The 17 digits of a decimal, the last ones perhaps zeros.
  private struct Digits {
    var first: UInt64
    /// As `eightDigits` gives them.
    var middle: UInt64
    var last: UInt64

    /// Without zeros at the end.
    var count: Int {
      last == 0
        ? 9 &- middle.leadingZeroBitCount / 8 : 17 &- last.leadingZeroBitCount / 8
    }

    @inline(__always) @unsafe
    func write(at start: UnsafeMutableRawPointer) {
      unsafe start.storeBytes(
        of: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: first), as: UInt8.self)
      unsafe start.storeBytes(of: middle | zeros, toByteOffset: 1, as: UInt64.self)
      unsafe start.storeBytes(of: last | zeros, toByteOffset: 9, as: UInt64.self)
    }
  }

  private static func write(
    _ word: StaticString, at start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    let count = word.utf8CodeUnitCount
    unsafe start.copyMemory(from: word.utf8Start, byteCount: count)
    return unsafe start + count
  }

  /// Eight times "0".
  private static var zeros: UInt64 { 0x3030_3030_3030_3030 }
  /// ".0" in memory, as all machines that we run on are little endian.
  private static var pointAndZero: UInt16 { 0x302E }

  /// The digits of `value`, below 10^8, as bytes 0...9; the first is the lowest byte.
  ///
  /// Divides all parts of a word at once: into two fours, four pairs, eight digits.
  @inline(__always)
  private static func eightDigits(_ value: UInt64) -> UInt64 {
    let upper = value / 10_000
    let fours = upper | (value &- upper &* 10_000) << 32
    // x / 100 is x × 10486 >> 20 below 10^4; x / 10 is x × 103 >> 10 below 100.
    let hundreds = ((fours &* 10_486) >> 20) & 0x0000_007F_0000_007F
    let pairs = hundreds | (fours &- hundreds &* 100) << 16
    let tens = ((pairs &* 103) >> 10) & 0x000F_000F_000F_000F
    return tens | (pairs &- tens &* 10) << 8
  }
}
