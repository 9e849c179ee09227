import Executors
import Tensors

extension OperatorTable {
  static let casting: [OperatorDefinition] = [
    OperatorDefinition("Cast", [6, 9, 13, 19, 21, 23, 24, 25, 28], stored) {
      context throws(ModelFormatError) in
      guard let number = try context.integer("to") else {
        throw context.malformed("it has no 'to'")
      }
      guard let type = TensorReader.elementType(Int64(number)) else {
        throw context.unsupported("a cast to element type \(number) is not run")
      }
      return try cast(&context, to: type)
    },
    OperatorDefinition(
      "CastLike", [15, 19, 21, 23, 24, 25], stored, others: [.any], minInputs: 2, maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(1)
      return try cast(&context, to: type)
    },
  ]

  private static func cast(
    _ context: inout NodeContext, to type: ElementType
  ) throws(ModelFormatError) -> BuiltOperator {
    let saturates = try context.integer("saturate") ?? 1
    let word = try context.string("round_mode") ?? "up"
    guard let rounding = Float8.Rounding(rawValue: word) else {
      throw context.malformed("round_mode is '\(word)'")
    }
    let from = try context.type(0)
    if type == from { return BuiltOperator(Reshaping { shape, _ in shape }, type) }
    return BuiltOperator(Cast(to: type, saturates: saturates != 0, rounding: rounding), type)
  }
}

/// Casts as C does: floats to integers truncate, integers wrap, anything but 0 is true.
struct Cast: Operator {
  let to: ElementType
  var saturates = true
  var rounding = Float8.Rounding.up

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    var input = try scratch.input(0)
    if input.elementType == .string, OperatorTable.packed.contains(to) {
      // Read as a float, and rounded as one.
      input = try converted(input, to: .float32)
    } else if to == .string || input.elementType == .string {
      scratch.give(0, try converted(input, to: to))
      return
    }
    var output = try scratch.memory(0, input.shape)
    try convert(input, into: &output)
    scratch.give(0, output)
  }

  /// Writes the elements of `input` as `output`'s type; neither is string.
  func convert(_ input: Tensor, into output: inout Tensor) throws(OperatorError) {
    if let format = Float8.format(input.elementType) {
      let bytes = input.values(as: UInt8.self)
      // A byte is true when a bit of it is set: the zero with a sign, too.
      if output.elementType == .bool {
        fill(&output, bytes.count) { bytes[$0] }
      } else {
        fill(&output, bytes.count) { format.values[Int(bytes[$0])] }
      }
      return
    }
    switch input.elementType {
    case .float32: copy(input.values(as: Float.self), to: &output)
    case .float64: copy(input.values(as: Double.self), to: &output)
    case .float16: copy(input.values(as: Float16.self), to: &output)
    case .bfloat16:
      let words = input.values(as: UInt16.self)
      fill(&output, words.count) { Float(bitPattern: UInt32(words[$0]) << 16) }
    case .int8, .int4, .int2: copy(input.values(as: Int8.self), to: &output)
    case .int16: copy(input.values(as: Int16.self), to: &output)
    case .int32: copy(input.values(as: Int32.self), to: &output)
    case .int64: copy(input.values(as: Int64.self), to: &output)
    case .uint8, .bool, .uint4, .uint2: copy(input.values(as: UInt8.self), to: &output)
    case .uint16: copy(input.values(as: UInt16.self), to: &output)
    case .uint32: copy(input.values(as: UInt32.self), to: &output)
    case .uint64: copy(input.values(as: UInt64.self), to: &output)
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .string:
      throw OperatorError("a cast from \(input.elementType.name) is not run here")
    }
  }

  private func copy<Number: CastNumber & TensorElement>(
    _ source: Span<Number>, to output: inout Tensor
  ) {
    fill(&output, source.count) { source[$0] }
  }

  /// Writes `count` numbers to `output` as its type.
  private func fill<Number: CastNumber>(
    _ output: inout Tensor, _ count: Int, _ read: (Int) -> Number
  ) {
    @inline(__always)
    func write<Target: TensorElement>(_: Target.Type, _ convert: (Number) -> Target) {
      var target = output.mutableValues(as: Target.self)
      for index in 0..<count { target[index] = convert(read(index)) }
    }
    switch output.elementType {
    case .float32: write(Float.self) { $0.toFloat }
    case .float64: write(Double.self) { $0.toDouble }
    // Through float, as ONNX Runtime does.
    case .float16: write(Float16.self) { Float16($0.toFloat) }
    case .bfloat16: write(UInt16.self) { narrowed($0.toFloat) }
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      guard let format = Float8.format(output.elementType) else { return }
      write(UInt8.self) {
        format.byte(nearest: $0.toFloat, saturates: saturates, rounding: rounding)
      }
    case .int8: write(Int8.self) { $0.whole() }
    case .int16: write(Int16.self) { $0.whole() }
    case .int32: write(Int32.self) { $0.whole() }
    case .int64: write(Int64.self) { $0.whole() }
    case .uint8: write(UInt8.self) { $0.whole() }
    case .uint16: write(UInt16.self) { $0.whole() }
    case .uint32: write(UInt32.self) { $0.whole() }
    case .uint64: write(UInt64.self) { $0.whole() }
    // The lowest bits; those of a signed type are sign and value.
    case .int4: write(Int8.self) { (($0.nearest() as Int8) << 4) >> 4 }
    case .int2: write(Int8.self) { (($0.nearest() as Int8) << 6) >> 6 }
    case .uint4: write(UInt8.self) { $0.nearest() & 0xF }
    case .uint2: write(UInt8.self) { $0.nearest() & 0x3 }
    case .bool: write(UInt8.self) { $0.isZero ? 0 : 1 }
    case .string: break
    }
  }
}

/// `tensor` with elements of type `to`.
func converted(_ tensor: Tensor, to type: ElementType) throws(OperatorError) -> Tensor {
  if tensor.elementType == type { return tensor }
  if type == .string { return try asText(tensor) }
  if tensor.elementType == .string { return try parsed(tensor, as: type) }
  var output = Tensor(type, shape: tensor.shape)
  try Cast(to: type).convert(tensor, into: &output)
  return output
}

/// A number that is cast.
private protocol CastNumber {
  var toFloat: Float { get }
  var toDouble: Double { get }
  var isZero: Bool { get }
  /// Truncated, and wrapped to the type.
  func whole<Target: FixedWidthInteger>() -> Target
  /// Rounded, ties away from zero, and wrapped: what types of less than a byte ask for.
  func nearest<Target: FixedWidthInteger>() -> Target
}

extension CastNumber where Self: FixedWidthInteger {
  fileprivate var toFloat: Float { Float(self) }
  fileprivate var toDouble: Double { Double(self) }
  fileprivate var isZero: Bool { self == 0 }
  @inline(__always)
  fileprivate func whole<Target: FixedWidthInteger>() -> Target { Target(truncatingIfNeeded: self) }
  @inline(__always)
  fileprivate func nearest<Target: FixedWidthInteger>() -> Target { whole() }
}

extension CastNumber where Self: BinaryFloatingPoint {
  fileprivate var toFloat: Float { Float(self) }
  fileprivate var toDouble: Double { Double(self) }

  /// Out of range or NaN is the smallest, as x86 answers; small types go through 32 bits.
  @inline(__always)
  fileprivate func whole<Target: FixedWidthInteger>() -> Target {
    // As a double: the limits are infinite in half precision.
    let value = Double(self)
    if Target.bitWidth < 32 || Target.self == Int32.self {
      let fits = value > -2_147_483_649 && value < 2_147_483_648
      return Target(truncatingIfNeeded: fits ? Int32(value) : .min)
    }
    // The upper half of `UInt64`.
    if Target.self == UInt64.self, value >= 0x1p63 {
      return value < 0x1p64 ? Target(truncatingIfNeeded: UInt64(value)) : 0
    }
    let fits = value >= -0x1p63 && value < 0x1p63
    return Target(truncatingIfNeeded: fits ? Int64(value) : .min)
  }

  @inline(__always)
  fileprivate func nearest<Target: FixedWidthInteger>() -> Target {
    rounded(.toNearestOrAwayFromZero).whole()
  }
}

extension Float: CastNumber {}
extension Double: CastNumber {}
extension Float16: CastNumber {}
extension Int8: CastNumber {}
extension Int16: CastNumber {}
extension Int32: CastNumber {}
extension Int64: CastNumber {}
extension UInt8: CastNumber {}
extension UInt16: CastNumber {}
extension UInt32: CastNumber {}
extension UInt64: CastNumber {}

/// The nearest bfloat16, ties to even; NaN stays one.
func narrowed(_ value: Float) -> UInt16 {
  if value.isNaN { return 0x7FC1 }
  let bits = value.bitPattern
  return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
}

/// bfloat16 as float.
func widened(_ tensor: Tensor) -> Tensor {
  var output = Tensor(.float32, shape: tensor.shape)
  let source = tensor.values(as: UInt16.self)
  var target = output.mutableValues(as: Float.self)
  for index in source.indices { target[index] = Float(bitPattern: UInt32(source[index]) << 16) }
  return output
}
