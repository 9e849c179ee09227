import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Floating point with the C library's functions: the same bits whatever the vector width.
protocol FloatElement: NumberElement, ProductElement, BinaryFloatingPoint {
  /// A product with weights on the left, used where they lie in a mapped file, at any byte.
  static func addProduct(
    weights: RawSpan, _ right: Span<Self>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Self>)
  /// Windows over the lines of an image: `BLAS.addWindows`.
  static func addWindows(
    weights: RawSpan, image: Span<Self>, steps: Span<Int>, lines: Span<Int>, rows: Int, width: Int,
    rowStep: Int, to output: inout MutableSpan<Self>)
  static func exp(_ x: Self) -> Self
  static func expm1(_ x: Self) -> Self
  static func log(_ x: Self) -> Self
  static func log1p(_ x: Self) -> Self
  static func pow(_ x: Self, _ y: Self) -> Self
  static func erf(_ x: Self) -> Self
  static func sin(_ x: Self) -> Self
  static func cos(_ x: Self) -> Self
  static func tan(_ x: Self) -> Self
  static func asin(_ x: Self) -> Self
  static func acos(_ x: Self) -> Self
  static func atan(_ x: Self) -> Self
  static func sinh(_ x: Self) -> Self
  static func cosh(_ x: Self) -> Self
  static func tanh(_ x: Self) -> Self
  static func asinh(_ x: Self) -> Self
  static func acosh(_ x: Self) -> Self
  static func atanh(_ x: Self) -> Self
}

extension Float: FloatElement {
  static func addWindows(
    weights: RawSpan, image: Span<Float>, steps: Span<Int>, lines: Span<Int>, rows: Int, width: Int,
    rowStep: Int, to output: inout MutableSpan<Float>
  ) {
    BLAS.addWindows(
      weights: weights, image: image, steps: steps, lines: lines, rows: rows, width: width,
      rowStep: rowStep, to: &output)
  }
  static func exp(_ x: Float) -> Float { expf(x) }
  static func expm1(_ x: Float) -> Float { expm1f(x) }
  static func log(_ x: Float) -> Float { logf(x) }
  static func log1p(_ x: Float) -> Float { log1pf(x) }
  static func pow(_ x: Float, _ y: Float) -> Float { powf(x, y) }
  static func erf(_ x: Float) -> Float { erff(x) }
  static func sin(_ x: Float) -> Float { sinf(x) }
  static func cos(_ x: Float) -> Float { cosf(x) }
  static func tan(_ x: Float) -> Float { tanf(x) }
  static func asin(_ x: Float) -> Float { asinf(x) }
  static func acos(_ x: Float) -> Float { acosf(x) }
  static func atan(_ x: Float) -> Float { atanf(x) }
  static func sinh(_ x: Float) -> Float { sinhf(x) }
  static func cosh(_ x: Float) -> Float { coshf(x) }
  static func tanh(_ x: Float) -> Float { tanhf(x) }
  static func asinh(_ x: Float) -> Float { asinhf(x) }
  static func acosh(_ x: Float) -> Float { acoshf(x) }
  static func atanh(_ x: Float) -> Float { atanhf(x) }
}

extension Double: FloatElement {
  static func addWindows(
    weights: RawSpan, image: Span<Double>, steps: Span<Int>, lines: Span<Int>, rows: Int,
    width: Int,
    rowStep: Int, to output: inout MutableSpan<Double>
  ) {
    BLAS.addWindows(
      weights: weights, image: image, steps: steps, lines: lines, rows: rows, width: width,
      rowStep: rowStep, to: &output)
  }
  static func exp(_ x: Double) -> Double { Glibc.exp(x) }
  static func expm1(_ x: Double) -> Double { Glibc.expm1(x) }
  static func log(_ x: Double) -> Double { Glibc.log(x) }
  static func log1p(_ x: Double) -> Double { Glibc.log1p(x) }
  static func pow(_ x: Double, _ y: Double) -> Double { Glibc.pow(x, y) }
  static func erf(_ x: Double) -> Double { Glibc.erf(x) }
  static func sin(_ x: Double) -> Double { Glibc.sin(x) }
  static func cos(_ x: Double) -> Double { Glibc.cos(x) }
  static func tan(_ x: Double) -> Double { Glibc.tan(x) }
  static func asin(_ x: Double) -> Double { Glibc.asin(x) }
  static func acos(_ x: Double) -> Double { Glibc.acos(x) }
  static func atan(_ x: Double) -> Double { Glibc.atan(x) }
  static func sinh(_ x: Double) -> Double { Glibc.sinh(x) }
  static func cosh(_ x: Double) -> Double { Glibc.cosh(x) }
  static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
  static func asinh(_ x: Double) -> Double { Glibc.asinh(x) }
  static func acosh(_ x: Double) -> Double { Glibc.acosh(x) }
  static func atanh(_ x: Double) -> Double { Glibc.atanh(x) }
}
