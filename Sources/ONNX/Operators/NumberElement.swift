import Tensors

/// The numbers that operators compute with, doing what C does: integers wrap, division
/// truncates.
protocol NumberElement: TensorElement, Comparable {
  static var nothing: Self { get }
  static var one: Self { get }
  /// The smallest value there is, −∞ for floating point: the largest of no values.
  static var lowest: Self { get }
  static var highest: Self { get }
  static var lowestFinite: Self { get }
  static var highestFinite: Self { get }
  static func sum(_ left: Self, _ right: Self) -> Self
  static func difference(_ left: Self, _ right: Self) -> Self
  static func product(_ left: Self, _ right: Self) -> Self
  static func negated(_ value: Self) -> Self
  /// Integers: precondition `right != 0`.
  static func quotient(_ left: Self, _ right: Self) -> Self
  /// With the dividend's sign, as C's `fmod` and `%`. Integers: precondition `right != 0`.
  static func remainder(_ left: Self, _ right: Self) -> Self
  /// A count of elements.
  init(count: Int)
  var asDouble: Double { get }
  /// As C casts a double that fits.
  init(truncating value: Double)
  var isNotANumber: Bool { get }
  static var isInteger: Bool { get }
}

extension NumberElement where Self: FixedWidthInteger {
  static var nothing: Self { 0 }
  static var one: Self { 1 }
  static var lowest: Self { .min }
  static var highest: Self { .max }
  static var lowestFinite: Self { .min }
  static var highestFinite: Self { .max }
  @inline(__always) static func sum(_ left: Self, _ right: Self) -> Self { left &+ right }
  @inline(__always) static func difference(_ left: Self, _ right: Self) -> Self { left &- right }
  @inline(__always) static func product(_ left: Self, _ right: Self) -> Self { left &* right }
  @inline(__always) static func negated(_ value: Self) -> Self { 0 &- value }
  @inline(__always) static func quotient(_ left: Self, _ right: Self) -> Self {
    left.dividedReportingOverflow(by: right).partialValue
  }
  @inline(__always) static func remainder(_ left: Self, _ right: Self) -> Self {
    left.remainderReportingOverflow(dividingBy: right).partialValue
  }
  init(count: Int) { self.init(truncatingIfNeeded: count) }
  var asDouble: Double { Double(self) }
  init(truncating value: Double) {
    self = Self(exactly: value.rounded(.towardZero)) ?? Self.min
  }
  var isNotANumber: Bool { false }
  static var isInteger: Bool { true }
}

extension NumberElement where Self: BinaryFloatingPoint {
  static var nothing: Self { 0 }
  static var one: Self { 1 }
  static var lowest: Self { -.infinity }
  static var highest: Self { .infinity }
  static var lowestFinite: Self { -.greatestFiniteMagnitude }
  static var highestFinite: Self { .greatestFiniteMagnitude }
  @inline(__always) static func sum(_ left: Self, _ right: Self) -> Self { left + right }
  @inline(__always) static func difference(_ left: Self, _ right: Self) -> Self { left - right }
  @inline(__always) static func product(_ left: Self, _ right: Self) -> Self { left * right }
  @inline(__always) static func negated(_ value: Self) -> Self { -value }
  @inline(__always) static func quotient(_ left: Self, _ right: Self) -> Self { left / right }
  @inline(__always) static func remainder(_ left: Self, _ right: Self) -> Self {
    left.truncatingRemainder(dividingBy: right)
  }
  init(count: Int) { self.init(count) }
  var asDouble: Double { Double(self) }
  init(truncating value: Double) { self.init(value) }
  var isNotANumber: Bool { isNaN }
  static var isInteger: Bool { false }
}

extension Float: NumberElement {}
extension Double: NumberElement {}
extension Float16: NumberElement {}
extension Int8: NumberElement {}
extension Int16: NumberElement {}
extension Int32: NumberElement {}
extension Int64: NumberElement {}
extension UInt8: NumberElement {}
extension UInt16: NumberElement {}
extension UInt32: NumberElement {}
extension UInt64: NumberElement {}

/// An operator whose work is written once for all types of numbers.
///
/// Its own type is concrete: the compiler then makes the loops of each element type. A generic
/// operator called through `any Operator` would run them unspecialised, ten times slower.
protocol NumberOperator: Operator {
  var type: ElementType { get }
  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError)
}

extension NumberOperator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) { try runNumbers(scratch) }

  /// For those that run other types in their own way.
  func runNumbers(_ scratch: ONNXScratch) throws(OperatorError) {
    switch type {
    case .float32: try run(scratch, as: Float.self)
    case .float64: try run(scratch, as: Double.self)
    case .float16: try run(scratch, as: Float16.self)
    case .int8: try run(scratch, as: Int8.self)
    case .int16: try run(scratch, as: Int16.self)
    case .int32: try run(scratch, as: Int32.self)
    case .int64: try run(scratch, as: Int64.self)
    case .uint8, .bool: try run(scratch, as: UInt8.self)
    case .uint16: try run(scratch, as: UInt16.self)
    case .uint32: try run(scratch, as: UInt32.self)
    case .uint64: try run(scratch, as: UInt64.self)
    case .bfloat16, .string, .int4, .uint4, .int2, .uint2, .float8e4m3fn, .float8e4m3fnuz,
      .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      throw OperatorError("element type \(type.name) is not run")
    }
  }
}

/// The same for integers alone.
protocol IntegerOperator: Operator {
  var type: ElementType { get }
  func run<Element: NumberElement & FixedWidthInteger>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError)
}

extension IntegerOperator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch type {
    case .int8: try run(scratch, as: Int8.self)
    case .int16: try run(scratch, as: Int16.self)
    case .int32: try run(scratch, as: Int32.self)
    case .int64: try run(scratch, as: Int64.self)
    case .uint8, .bool: try run(scratch, as: UInt8.self)
    case .uint16: try run(scratch, as: UInt16.self)
    case .uint32: try run(scratch, as: UInt32.self)
    case .uint64: try run(scratch, as: UInt64.self)
    case .float16, .bfloat16, .float32, .float64, .string, .int4, .uint4, .int2, .uint2,
      .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      throw OperatorError("element type \(type.name) is not run")
    }
  }
}

/// The same for `float` and `double`.
protocol FloatOperator: Operator {
  var type: ElementType { get }
  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError)
}

extension FloatOperator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    if type == .float64 {
      try run(scratch, as: Double.self)
    } else {
      try run(scratch, as: Float.self)
    }
  }
}
