/// The floating-point formats of one byte.
///
/// `fn`: no infinity, one NaN of each sign. `fnuz`: no infinity, no negative zero, whose place is
/// NaN's. `e8m0`: a power of two without sign, used for scales.
///
/// Source: ONNX, "Float stored in 8 bits". Where that leaves a choice, or ONNX Runtime 1.31 does
/// not follow it, this is what ONNX Runtime does; `Float8Tests` holds them together.
package struct Float8: Sendable {
  /// What becomes of a value between two of a format that has no sign and no mantissa.
  package enum Rounding: String, Sendable {
    case up, down, nearest
  }

  private let type: ElementType
  private let mantissaBits: Int
  private let bias: Int
  private let isUnsignedZero: Bool
  /// The largest finite value without its sign.
  private let largest: UInt8

  /// The value of each byte.
  package let values: [Float]

  package static let e4m3fn = Float8(.float8e4m3fn, mantissaBits: 3, bias: 7, largest: 0x7E)
  package static let e4m3fnuz = Float8(.float8e4m3fnuz, mantissaBits: 3, bias: 8, largest: 0x7F)
  package static let e5m2 = Float8(.float8e5m2, mantissaBits: 2, bias: 15, largest: 0x7B)
  package static let e5m2fnuz = Float8(.float8e5m2fnuz, mantissaBits: 2, bias: 16, largest: 0x7F)
  package static let e8m0 = Float8(.float8e8m0, mantissaBits: 0, bias: 127, largest: 0xFE)

  /// The format of `type`; nil where that is no float of one byte.
  package static func format(_ type: ElementType) -> Float8? {
    switch type {
    case .float8e4m3fn: e4m3fn
    case .float8e4m3fnuz: e4m3fnuz
    case .float8e5m2: e5m2
    case .float8e5m2fnuz: e5m2fnuz
    case .float8e8m0: e8m0
    default: nil
    }
  }

  private init(_ type: ElementType, mantissaBits: Int, bias: Int, largest: UInt8) {
    self.type = type
    self.mantissaBits = mantissaBits
    self.bias = bias
    self.largest = largest
    let isUnsignedZero = type == .float8e4m3fnuz || type == .float8e5m2fnuz
    self.isUnsignedZero = isUnsignedZero
    values = (UInt8.min...UInt8.max).map { byte in
      if type == .float8e8m0 {
        return byte == 0xFF ? .nan : Float(sign: .plus, exponent: Int(byte) - bias, significand: 1)
      }
      let magnitude = byte & 0x7F
      let isNegative = byte & 0x80 != 0
      if isUnsignedZero, byte == 0x80 { return -.nan }
      if magnitude > largest {
        if type == .float8e5m2, magnitude == largest + 1 {
          return isNegative ? -.infinity : .infinity
        }
        return isNegative ? -.nan : .nan
      }
      let field = Int(magnitude >> UInt8(mantissaBits))
      let mantissa = Int(magnitude) & ((1 << mantissaBits) - 1)
      // Without the leading one where the exponent's field is 0.
      let digits = field == 0 ? mantissa : mantissa | (1 << mantissaBits)
      let value = Float(
        sign: .plus, exponent: max(field, 1) - bias - mantissaBits, significand: Float(digits))
      return isNegative ? -value : value
    }
  }

  /// The byte nearest to `value`, ties to even.
  ///
  /// - Parameters:
  ///   - saturates: What is too large becomes the largest value; else infinity or NaN.
  ///   - rounding: Of `e8m0` alone.
  package func byte(
    nearest value: Float, saturates: Bool, rounding: Rounding = .up
  ) -> UInt8 {
    if type == .float8e8m0 { return power(value, saturates: saturates, rounding) }
    let bits = value.bitPattern
    let sign = UInt8(truncatingIfNeeded: bits >> 24) & 0x80
    if value.isNaN { return isUnsignedZero ? 0x80 : sign | 0x7F }
    let magnitude = Int(bits & 0x7FFF_FFFF)
    let field = magnitude >> 23
    let digits = field == 0 ? magnitude : magnitude & 0x7F_FFFF | 0x80_0000
    let target = max(field, 1) - 127 + bias
    // Far below the smallest value, any shift gives 0.
    let shift = min(23 - mantissaBits + (target >= 1 ? 0 : 1 - target), 40)
    let rest = digits & ((1 << shift) - 1)
    let half = 1 << (shift - 1)
    var quotient = digits >> shift
    if rest > half || (rest == half && quotient & 1 == 1) { quotient += 1 }
    // A mantissa that rounds up to two carries into the exponent by itself.
    let code = target >= 1 ? ((target - 1) << mantissaBits) + quotient : quotient
    if code > Int(largest) || value.isInfinite {
      return overflow(code: code, sign: sign, value: value, saturates: saturates)
    }
    return isUnsignedZero && code == 0 ? 0 : sign | UInt8(code)
  }

  private func overflow(code: Int, sign: UInt8, value: Float, saturates: Bool) -> UInt8 {
    if saturates { return sign | largest }
    if isUnsignedZero { return 0x80 }
    // Two values of ONNX Runtime's own, where rounding alone leads over the edge: the first that
    // rounds to a NaN's place in e4m3fn stays finite, the one that rounds to infinity is a NaN.
    if type == .float8e4m3fn {
      return sign | (abs(value) >= 480 && abs(value) < 496 ? largest : 0x7F)
    }
    return sign | (abs(value) >= 61_440 && abs(value) < 65_536 ? 0x7F : 0x7C)
  }

  private func power(_ value: Float, saturates: Bool, _ rounding: Rounding) -> UInt8 {
    if value.isNaN { return 0xFF }
    // 2⁻¹²⁷, the smallest, has no exponent of its own as a float.
    if value < 0x1p-127 { return saturates ? 0 : 0xFF }
    if value > 0x1p127, !saturates { return 0xFF }
    if value.isInfinite { return largest }
    let digits = value.significand
    let isRaised =
      switch rounding {
      case .up: digits > 1
      case .down: false
      case .nearest: digits >= 1.5
      }
    return UInt8(min(Int(value.exponent) + bias + (isRaised ? 1 : 0), Int(largest)))
  }
}
