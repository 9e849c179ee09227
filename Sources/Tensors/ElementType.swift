/// The type of a tensor's elements.
package enum ElementType: UInt8, Sendable, CaseIterable {
  case bool
  case uint8, uint16, uint32, uint64
  case int8, int16, int32, int64
  case float16, bfloat16, float32, float64
  case string
  /// Floating point of one byte; `Float8` says what each means.
  case float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, float8e8m0
  /// Smaller than a byte in a file; each has a byte of its own in memory.
  case int4, uint4, int2, uint2

  /// Bytes of one element in memory; 0 for strings, which have no fixed size.
  package var byteSize: Int {
    switch self {
    case .bool, .uint8, .int8: 1
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 1
    case .int4, .uint4, .int2, .uint2: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string: 0
    }
  }

  /// Bits of one element where elements are packed, as in a model file.
  package var packedBits: Int {
    switch self {
    case .int4, .uint4: 4
    case .int2, .uint2: 2
    default: byteSize * 8
    }
  }

  /// The type whose Swift values an element's memory holds.
  package var storage: ElementType {
    switch self {
    case .bool, .uint4, .uint2: .uint8
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: .uint8
    case .int4, .int2: .int8
    case .bfloat16: .uint16
    case .uint8, .uint16, .uint32, .uint64, .int8, .int16, .int32, .int64: self
    case .float16, .float32, .float64, .string: self
    }
  }

  /// The name in the Open Inference Protocol: `FP32`, `INT64`, `BYTES`. It has none for the types
  /// behind those; theirs follow its way.
  package var wireName: String {
    switch self {
    case .bool: "BOOL"
    case .uint8: "UINT8"
    case .uint16: "UINT16"
    case .uint32: "UINT32"
    case .uint64: "UINT64"
    case .int8: "INT8"
    case .int16: "INT16"
    case .int32: "INT32"
    case .int64: "INT64"
    case .float16: "FP16"
    case .bfloat16: "BF16"
    case .float32: "FP32"
    case .float64: "FP64"
    case .string: "BYTES"
    case .float8e4m3fn: "FP8E4M3FN"
    case .float8e4m3fnuz: "FP8E4M3FNUZ"
    case .float8e5m2: "FP8E5M2"
    case .float8e5m2fnuz: "FP8E5M2FNUZ"
    case .float8e8m0: "FP8E8M0"
    case .int4: "INT4"
    case .uint4: "UINT4"
    case .int2: "INT2"
    case .uint2: "UINT2"
    }
  }

  /// The type that the Open Inference Protocol calls `wireName`; nil for an unknown name.
  package init?(wireName: String) {
    guard let type = ElementType.allCases.first(where: { $0.wireName == wireName }) else {
      return nil
    }
    self = type
  }

  /// The name in NumPy, as error texts and `show` print it: `float32`, `int64`, `string`.
  package var name: String {
    switch self {
    case .float8e4m3fn: "float8_e4m3fn"
    case .float8e4m3fnuz: "float8_e4m3fnuz"
    case .float8e5m2: "float8_e5m2"
    case .float8e5m2fnuz: "float8_e5m2fnuz"
    case .float8e8m0: "float8_e8m0fnu"
    default: "\(self)"
    }
  }
}

/// A Swift type whose values lie in a tensor's memory as they are.
///
/// `Bool` is not among them: a foreign byte of 2 would be no valid `Bool`. A `bool` tensor is
/// read as `UInt8`, 0 or 1.
package protocol TensorElement: BitwiseCopyable, Sendable {
  static var elementType: ElementType { get }
}

extension UInt8: TensorElement { package static var elementType: ElementType { .uint8 } }
extension UInt16: TensorElement { package static var elementType: ElementType { .uint16 } }
extension UInt32: TensorElement { package static var elementType: ElementType { .uint32 } }
extension UInt64: TensorElement { package static var elementType: ElementType { .uint64 } }
extension Int8: TensorElement { package static var elementType: ElementType { .int8 } }
extension Int16: TensorElement { package static var elementType: ElementType { .int16 } }
extension Int32: TensorElement { package static var elementType: ElementType { .int32 } }
extension Int64: TensorElement { package static var elementType: ElementType { .int64 } }
extension Float16: TensorElement { package static var elementType: ElementType { .float16 } }
extension Float: TensorElement { package static var elementType: ElementType { .float32 } }
extension Double: TensorElement { package static var elementType: ElementType { .float64 } }
