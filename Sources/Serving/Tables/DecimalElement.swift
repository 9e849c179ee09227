internal import CDecimals

/// What of this CPU's the cells are read with.
enum DecimalVectors: Int, CaseIterable {
  case none, sse41, avx512

  /// All that this CPU has.
  static let best = DecimalVectors(rawValue: Int(swerve_decimal_vectors())) ?? .none
}

/// Floats whose cells C reads.
protocol DecimalElement: BinaryFloatingPoint, BitwiseCopyable {
  /// - Returns: The first column that was not read.
  static func readDecimals(
    _ text: UnsafePointer<UInt8>, _ byteCount: Int, _ position: inout Int,
    _ places: UnsafePointer<Int>?, from column: Int, to columnCount: Int,
    into values: UnsafeMutablePointer<Self>, _ vectors: DecimalVectors
  ) -> Int

  /// The same of a list of JSON, whose last number stands before a bracket.
  static func readNumbers(
    _ text: UnsafePointer<UInt8>, _ byteCount: Int, _ position: inout Int, from column: Int,
    to columnCount: Int, into values: UnsafeMutablePointer<Self>, _ vectors: DecimalVectors
  ) -> Int
}

extension Double: DecimalElement {
  @inline(__always)
  static func readDecimals(
    _ text: UnsafePointer<UInt8>, _ byteCount: Int, _ position: inout Int,
    _ places: UnsafePointer<Int>?, from column: Int, to columnCount: Int,
    into values: UnsafeMutablePointer<Double>, _ vectors: DecimalVectors
  ) -> Int {
    unsafe vectors == .avx512
      ? swerve_read_doubles_avx512(text, byteCount, &position, places, column, columnCount, values)
      : swerve_read_doubles_sse41(text, byteCount, &position, places, column, columnCount, values)
  }

  @inline(__always)
  static func readNumbers(
    _ text: UnsafePointer<UInt8>, _ byteCount: Int, _ position: inout Int, from column: Int,
    to columnCount: Int, into values: UnsafeMutablePointer<Double>, _ vectors: DecimalVectors
  ) -> Int {
    unsafe vectors == .avx512
      ? swerve_read_json_doubles_avx512(text, byteCount, &position, column, columnCount, values)
      : swerve_read_json_doubles_sse41(text, byteCount, &position, column, columnCount, values)
  }
}

extension Float: DecimalElement {
  @inline(__always)
  static func readDecimals(
    _ text: UnsafePointer<UInt8>, _ byteCount: Int, _ position: inout Int,
    _ places: UnsafePointer<Int>?, from column: Int, to columnCount: Int,
    into values: UnsafeMutablePointer<Float>, _ vectors: DecimalVectors
  ) -> Int {
    unsafe vectors == .avx512
      ? swerve_read_floats_avx512(text, byteCount, &position, places, column, columnCount, values)
      : swerve_read_floats_sse41(text, byteCount, &position, places, column, columnCount, values)
  }

  @inline(__always)
  static func readNumbers(
    _ text: UnsafePointer<UInt8>, _ byteCount: Int, _ position: inout Int, from column: Int,
    to columnCount: Int, into values: UnsafeMutablePointer<Float>, _ vectors: DecimalVectors
  ) -> Int {
    unsafe vectors == .avx512
      ? swerve_read_json_floats_avx512(text, byteCount, &position, column, columnCount, values)
      : swerve_read_json_floats_sse41(text, byteCount, &position, column, columnCount, values)
  }
}
