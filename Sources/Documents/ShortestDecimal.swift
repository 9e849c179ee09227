/// The shortest decimal that reads as one double and no other; of several as short, the nearest.
///
/// Schubfach: all decimals that round to a double lie between the middles to its two neighbours.
/// Among the multiples of 10^k, where k is the largest with 10^k no wider than that interval, at
/// least one lies in it, and of the multiples of 10^(k+1) at most one. So two candidates beside
/// the double are tried on the coarse grid, then two on the fine one. Scaled by 4 × 10^-k, the
/// double and both ends are integers once what is lost is kept as a last odd bit.
///
/// Source: R. Giulietti, "The Schubfach way to render doubles" (2020), with 128 bits of 10^-k.
struct ShortestDecimal {
  /// At most 10^17, perhaps with zeros at its end.
  let digits: UInt64
  /// The value is `digits` × 10^`exponent`.
  let exponent: Int

  /// - Precondition: `value` is finite and above zero.
  @inline(__always)
  init(_ value: Double) {
    let bits = value.bitPattern
    let fraction = bits & (1 << 52 - 1)
    let field = Int(truncatingIfNeeded: bits >> 52)
    let isNormal = field != 0
    // value = significand × 2^power
    let significand = isNormal ? fraction | 1 << 52 : fraction
    let power = (isNormal ? field : 1) &- 1075
    // Below a power of two the doubles lie twice as close.
    let isCloserBelow = fraction == 0 && field > 1
    let scale = ShortestDecimal.scale(power: power, isCloserBelow: isCloserBelow)
    let factor = ShortestDecimal.powerOfTen(0 &- scale)
    // From 1 to 4: the products below have 64 bits before the point.
    let shift = power &+ ((0 &- scale) &* 1_741_647) >> 19 &+ 1

    let center = significand << 2
    let below = center &- (isCloserBelow ? 1 : 2)
    let scaled = ShortestDecimal.product(factor, center &<< shift)
    // An end itself rounds to the even one of its two doubles.
    let odd = significand & 1
    let lower = ShortestDecimal.product(factor, below &<< shift) &+ odd
    let upper = ShortestDecimal.product(factor, (center &+ 2) &<< shift) &- odd

    // Both grids are tried and one is chosen: which, no branch could foretell.
    let fine = scaled >> 2
    let coarse = fine / 10
    let isCoarseLowerInside = lower <= 40 &* coarse
    let isCoarseUpperInside = 40 &* coarse &+ 40 <= upper
    let isLowerInside = lower <= 4 &* fine
    let isUpperInside = 4 &* fine &+ 4 <= upper
    let middle = 4 &* fine &+ 2
    let isUpperNearer = scaled > middle || (scaled == middle && fine & 1 == 1)
    let takesUpper = isLowerInside != isUpperInside ? isUpperInside : isUpperNearer
    exponent = scale
    digits =
      isCoarseLowerInside != isCoarseUpperInside
      ? (coarse &+ (isCoarseUpperInside ? 1 : 0)) &* 10 : fine &+ (takesUpper ? 1 : 0)
  }

  /// The largest k with 10^k no wider than the interval: ⌊log10(2^power)⌋, or of three quarters
  /// of it, by 22-bit fixed point. Exact for every power a double has.
  @inline(__always)
  private static func scale(power: Int, isCloserBelow: Bool) -> Int {
    (power &* 1_262_611 &- (isCloserBelow ? 524_031 : 0)) >> 22
  }

  /// 128 bits of 10^exponent, rounded up unless exact.
  @inline(__always)
  private static func powerOfTen(_ exponent: Int) -> (high: UInt64, low: UInt64) {
    let entry = 2 &* (exponent &+ 342)
    let high = powersOfFive[entry]
    let low = powersOfFive[entry &+ 1]
    // The table has -27...-1 rounded up and 0...55 exact; no low word is all ones.
    let isCutOff = exponent < -27 || exponent > 55
    return (high, low &+ (isCutOff ? 1 : 0))
  }

  /// The upper 64 bits of `factor` × `value` / 2^64, with the last bit set where more follows.
  @inline(__always)
  private static func product(
    _ factor: (high: UInt64, low: UInt64), _ value: UInt64
  ) -> UInt64 {
    let below = factor.low.multipliedFullWidth(by: value).high
    var above = factor.high.multipliedFullWidth(by: value)
    let (low, carries) = above.low.addingReportingOverflow(below)
    if carries { above.high &+= 1 }
    return above.high | (low > 1 ? 1 : 0)
  }
}
