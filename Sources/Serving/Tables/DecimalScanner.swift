/// Decimals as tables hold them, `-0.8692932`, out of words of eight bytes. What is written
/// otherwise is left to `NumberScanner`, which gives the same numbers.
///
/// The digits are joined to one integer. It and the power of ten are both doubles where it is below
/// 2^53: their quotient is then the nearest double (Clinger). How many digits a number has is
/// nothing to be guessed: the same steps are taken for 1 to 15 of them behind the point.
enum DecimalScanner {
  /// So many bytes from a number's first on are looked at.
  static let reach = 32

  /// The number that begins at `position`, which is moved behind it; nil, and `position` anywhere,
  /// for what is none of the common form. What stands behind it is for the caller to judge: an
  /// exponent, a further digit.
  ///
  /// - Precondition: `position + reach <= text.count`.
  @inline(__always)
  static func scan(_ text: Span<UInt8>, at position: inout Int) -> Double? {
    let sign: Int = unsafe text[unchecked: position] == UInt8(ascii: "-") ? 1 : 0
    let start = position &+ sign
    let first = word(text, start)
    let wholeBits = digitBits(first)
    guard wholeBits > 0, wholeBits < 64 else { return nil }
    var digits = wholeBits == 8 ? first & 0xF : joined((first ^ zeros) &<< (64 &- wholeBits))
    let whole = start &+ wholeBits >> 3
    var value: Double
    if (first &>> wholeBits) & 0xFF == UInt64(UInt8(ascii: ".")) {
      let second = word(text, whole &+ 1)
      let third = word(text, whole &+ 9)
      let bits = digitBits(second)
      // Of no consequence unless `bits` is 64: a branch would be foretold wrongly half the time.
      let moreBits = digitBits(third) & (0 &- bits >> 6)
      // `1.` is no number of JSON's, and rare. No product below wraps around.
      guard bits > 0, moreBits < 64, wholeBits &+ bits &+ moreBits <= 19 * 8 else { return nil }
      let (count, more) = (bits >> 3, moreBits >> 3)
      digits =
        digits &* (unsafe powers[unchecked: count])
        &+ joined((second ^ zeros) &<< (64 &- bits))
      // Of no digits nothing is left by the two shifts.
      digits =
        digits &* (unsafe powers[unchecked: more])
        &+ joined(((third ^ zeros) &<< (56 &- moreBits)) &<< 8)
      guard digits < 1 << 53 else { return nil }
      value =
        Double(Int64(truncatingIfNeeded: digits))
        / (unsafe divisors[unchecked: count &+ more])
      position = whole &+ 1 &+ count &+ more
    } else {
      value = Double(Int64(truncatingIfNeeded: digits))
      position = whole
    }
    return Double(bitPattern: value.bitPattern | UInt64(truncatingIfNeeded: sign) &<< 63)
  }

  private static let zeros: UInt64 = 0x3030_3030_3030_3030
  // Inline: the compiler lays them out. Of an `Array` each number would ask whether it is there yet,
  // and that call is as dear as the number.
  private static let powers: InlineArray<9, UInt64> = [
    1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
  ]
  private static let divisors: InlineArray<16, Double> = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  ]

  @inline(__always)
  private static func word(_ text: Span<UInt8>, _ position: Int) -> UInt64 {
    unsafe UInt64(
      littleEndian: text.bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: position, as: UInt64.self))
  }

  /// Bits of the digits that the word begins with; 64 where all are.
  @inline(__always)
  private static func digitBits(_ bytes: UInt64) -> Int {
    // Digits become 0...9; each other byte shows in its high bit.
    let values = bytes ^ zeros
    let others =
      (values | ((values & 0x7F7F_7F7F_7F7F_7F7F) &+ 0x7676_7676_7676_7676))
      & 0x8080_8080_8080_8080
    return others.trailingZeroBitCount & ~7
  }

  /// Eight digits, the first in the lowest byte, as one number.
  @inline(__always)
  private static func joined(_ values: UInt64) -> UInt64 {
    let pairs = values &* 10 &+ (values >> 8)
    let evenFours = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let oddFours = ((pairs >> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return (evenFours &+ oddFours) >> 32
  }
}
