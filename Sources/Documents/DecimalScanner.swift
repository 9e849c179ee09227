/// Decimals as tables hold them, `-0.8692932`, out of words of eight bytes. What is written
/// otherwise is left to `NumberScanner`, which gives the same numbers.
///
/// Up to 15 digits behind the point are joined to one integer `w`. It and the power of ten are both
/// doubles where `w` is below 2^53: their quotient is then the nearest double (Clinger).
package enum DecimalScanner {
  /// So many bytes from a number's first on are looked at.
  package static let reach = 32

  /// The number that begins at `position`, which is moved behind it; nil, and `position` anywhere,
  /// for what is none of the common form. What stands behind it is for the caller to judge: an
  /// exponent, a further digit.
  ///
  /// - Precondition: `position + reach <= text.count`.
  @inline(__always)
  package static func scan(_ text: Span<UInt8>, at position: inout Int) -> Double? {
    let isNegative = unsafe text[unchecked: position] == UInt8(ascii: "-")
    position &+= isNegative ? 1 : 0
    let first = unsafe word(text, position)
    let wholeBits = digitBits(first)
    guard wholeBits > 0, wholeBits < 64 else { return nil }
    var digits =
      wholeBits == 8 ? first & 0xF : NumberScanner.joined((first ^ zeros) &<< (64 &- wholeBits))
    position &+= wholeBits >> 3
    var value: Double
    if (first &>> wholeBits) & 0xFF == UInt64(UInt8(ascii: ".")) {
      position &+= 1
      let second = unsafe word(text, position)
      let bits = digitBits(second)
      // `1.` is no number of JSON's, and rare.
      guard bits > 0 else { return nil }
      var count = bits >> 3
      digits =
        digits &* wholePowers[count] &+ NumberScanner.joined((second ^ zeros) &<< (64 &- bits))
      position &+= count
      if bits == 64 {
        let third = unsafe word(text, position)
        let moreBits = digitBits(third)
        guard moreBits < 64 else { return nil }
        if moreBits > 0 {
          let more = moreBits >> 3
          // More than 16 digits are beyond 2^53, whatever their product wraps around to.
          guard digits < wholePowers[8] &* wholePowers[8 &- more] else { return nil }
          digits =
            digits &* wholePowers[more]
            &+ NumberScanner.joined((third ^ zeros) &<< (64 &- moreBits))
          count &+= more
          position &+= more
        }
      }
      guard digits < 1 << 53 else { return nil }
      value = Double(Int64(truncatingIfNeeded: digits)) / NumberScanner.exactPowersOfTen[count]
    } else {
      value = Double(Int64(truncatingIfNeeded: digits))
    }
    return Double(bitPattern: value.bitPattern | (isNegative ? 1 << 63 : 0))
  }

  private static let zeros: UInt64 = 0x3030_3030_3030_3030
  private static let wholePowers: [UInt64] = [
    1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
  ]

  @inline(__always) @unsafe
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
}
