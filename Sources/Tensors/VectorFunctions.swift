internal import COpenBLAS

/// Functions of many floats at once, with the same bits in every place and on every CPU.
package enum VectorFunctions {
  package enum Unary: Sendable {
    /// Within one unit in the last place of the true value.
    case exp
    /// 1 / (1 + e⁻ˣ).
    case sigmoid
    /// Within two units in the last place.
    case tanh
    /// Within two units in the last place.
    case erf
    case relu
    /// min(high, max(low, x)); a NaN stays one.
    case clip(low: Float, high: Float)
    /// x · factor + offset, rounded twice.
    case scale(factor: Float, offset: Float)
    /// The exponential of x less this number.
    case exponential(less: Float)
    case quotient(by: Float)
  }

  package enum Binary: Sendable { case sum, difference, product, quotient }

  /// Writes the function of each element to `target`.
  ///
  /// - Precondition: as many elements.
  package static func map(
    _ function: Unary, _ source: Span<Float>, to target: inout MutableSpan<Float>
  ) {
    precondition(source.count == target.count, "\(source.count) for \(target.count) elements")
    unsafe source.withUnsafeBufferPointer { source in
      unsafe target.withUnsafeMutableBufferPointer { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        unsafe run(function, from, to, target.count)
      }
    }
  }

  /// The same in place.
  package static func map(_ function: Unary, _ values: inout MutableSpan<Float>) {
    unsafe values.withUnsafeMutableBufferPointer { values in
      guard let place = values.baseAddress else { return }
      unsafe run(function, place, place, values.count)
    }
  }

  /// Writes the operation of each pair to `target`; a side of one element goes with all.
  ///
  /// - Precondition: each side has as many elements as `target`, or one.
  package static func combine(
    _ operation: Binary, _ left: Span<Float>, _ right: Span<Float>,
    to target: inout MutableSpan<Float>
  ) {
    let count = target.count
    precondition(
      (left.count == count || left.count == 1) && (right.count == count || right.count == 1),
      "\(left.count) and \(right.count) for \(count) elements")
    let leftStep: Int32 = left.count == count ? 1 : 0
    let rightStep: Int32 = right.count == count ? 1 : 0
    let number: Int32 =
      switch operation {
      case .sum: 0
      case .difference: 1
      case .product: 2
      case .quotient: 3
      }
    unsafe left.withUnsafeBufferPointer { left in
      unsafe right.withUnsafeBufferPointer { right in
        unsafe target.withUnsafeMutableBufferPointer { target in
          guard let a = left.baseAddress, let b = right.baseAddress, let to = target.baseAddress
          else { return }
          unsafe swerve_float_combine(
            BLAS.productLevel, number, a, leftStep, b, rightStep, to, count)
        }
      }
    }
  }

  /// eˣ / Σ eˣ over each run of `columns` values, the largest subtracted first.
  package static func softmax(rowsOf columns: Int, _ values: inout MutableSpan<Float>) {
    guard columns > 0 else { return }
    var start = 0
    while start + columns <= values.count {
      var row = values._mutatingExtracting(start..<(start + columns))
      var largest = -Float.infinity
      for index in row.indices { largest = Float.maximum(largest, row[index]) }
      map(.exponential(less: largest), &row)
      var sum: Float = 0
      for index in row.indices { sum += row[index] }
      map(.quotient(by: sum), &row)
      start += columns
    }
  }

  private static func run(
    _ function: Unary, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>,
    _ count: Int
  ) {
    let (number, low, high): (Int, Float, Float) =
      switch function {
      case .exp: (SWERVE_EXP, 0, 0)
      case .sigmoid: (SWERVE_SIGMOID, 0, 0)
      case .tanh: (SWERVE_TANH, 0, 0)
      case .erf: (SWERVE_ERF, 0, 0)
      case .relu: (SWERVE_RELU, 0, 0)
      case .clip(let low, let high): (SWERVE_CLIP, low, high)
      case .scale(let factor, let offset): (SWERVE_SCALE, factor, offset)
      case .exponential(let subtrahend): (SWERVE_SHIFTED_EXP, subtrahend, 0)
      case .quotient(let divisor): (SWERVE_QUOTIENT, divisor, 0)
      }
    unsafe swerve_float_map(BLAS.productLevel, Int32(number), from, to, count, low, high)
  }
}
