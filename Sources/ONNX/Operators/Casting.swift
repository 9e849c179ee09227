import Executors
import Tensors

extension OperatorTable {
  static let casting: [OperatorDefinition] = [
    OperatorDefinition("Cast", [6, 9, 13, 19, 21, 23, 24, 25, 28], all) {
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
      "CastLike", [15, 19, 21, 23, 24, 25], all, others: [.any], minInputs: 2, maxInputs: 2
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(1)
      return try cast(&context, to: type)
    },
  ]

  private static func cast(
    _ context: inout NodeContext, to type: ElementType
  ) throws(ModelFormatError) -> BuiltOperator {
    // Both only concern 8-bit floats, which are not read at all.
    _ = try context.integer("saturate")
    _ = try context.string("round_mode")
    let from = try context.type(0)
    if type == from { return BuiltOperator(Reshaping { shape, _ in shape }, type) }
    return BuiltOperator(Cast(to: type), type)
  }
}

/// Casts as C does: floats to integers truncate, integers wrap, anything but 0 is true.
struct Cast: Operator {
  let to: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    if to == .string || input.elementType == .string {
      scratch.give(0, try converted(input, to: to))
      return
    }
    var output = try scratch.memory(0, input.shape)
    try convert(input, into: &output)
    scratch.give(0, output)
  }
}

/// `tensor` with elements of type `to`.
func converted(_ tensor: Tensor, to type: ElementType) throws(OperatorError) -> Tensor {
  if tensor.elementType == type { return tensor }
  if type == .string { return try asText(tensor) }
  if tensor.elementType == .string { return try parsed(tensor, as: type) }
  var output = Tensor(type, shape: tensor.shape)
  try convert(tensor, into: &output)
  return output
}

private func convert(_ input: Tensor, into output: inout Tensor) throws(OperatorError) {
  switch input.elementType {
  case .float32: convertFloats(input.values(as: Float.self), into: &output)
  case .float64: convertFloats(input.values(as: Double.self), into: &output)
  case .float16: convertFloats(input.values(as: Float16.self), into: &output)
  case .int8: convertIntegers(input.values(as: Int8.self), into: &output)
  case .int16: convertIntegers(input.values(as: Int16.self), into: &output)
  case .int32: convertIntegers(input.values(as: Int32.self), into: &output)
  case .int64: convertIntegers(input.values(as: Int64.self), into: &output)
  case .uint16: convertIntegers(input.values(as: UInt16.self), into: &output)
  case .uint32: convertIntegers(input.values(as: UInt32.self), into: &output)
  case .uint64: convertIntegers(input.values(as: UInt64.self), into: &output)
  case .uint8, .bool: convertIntegers(input.values(as: UInt8.self), into: &output)
  case .bfloat16:
    let floats = widened(input)
    if output.elementType == .float32 {
      output = floats
    } else {
      convertFloats(floats.values(as: Float.self), into: &output)
    }
  case .string: throw OperatorError("a cast from string is not run here")
  }
}

private func convertIntegers<Source: TensorElement & FixedWidthInteger>(
  _ source: Span<Source>, into output: inout Tensor
) {
  func integers<Target: TensorElement & FixedWidthInteger>(_: Target.Type) {
    var target = output.mutableValues(as: Target.self)
    for index in source.indices { target[index] = Target(truncatingIfNeeded: source[index]) }
  }
  func floats<Target: TensorElement & BinaryFloatingPoint>(_: Target.Type) {
    var target = output.mutableValues(as: Target.self)
    for index in source.indices { target[index] = Target(source[index]) }
  }
  switch output.elementType {
  case .float32: floats(Float.self)
  case .float64: floats(Double.self)
  // Through float, as ONNX Runtime does.
  case .float16:
    var target = output.mutableValues(as: Float16.self)
    for index in source.indices { target[index] = Float16(Float(source[index])) }
  case .bfloat16:
    var target = output.mutableValues(as: UInt16.self)
    for index in source.indices { target[index] = narrowed(Float(source[index])) }
  case .int8: integers(Int8.self)
  case .int16: integers(Int16.self)
  case .int32: integers(Int32.self)
  case .int64: integers(Int64.self)
  case .uint8: integers(UInt8.self)
  case .uint16: integers(UInt16.self)
  case .uint32: integers(UInt32.self)
  case .uint64: integers(UInt64.self)
  case .bool:
    var target = output.mutableValues(as: UInt8.self)
    for index in source.indices { target[index] = source[index] == 0 ? 0 : 1 }
  case .string: break
  }
}

private func convertFloats<Source: TensorElement & BinaryFloatingPoint>(
  _ source: Span<Source>, into output: inout Tensor
) {
  // Out of range or NaN is the smallest, as x86 answers. Small types go through `Int32`.
  func whole(_ value: Source) -> Int64 {
    value >= -0x1p63 && value < 0x1p63 ? Int64(value) : .min
  }
  func whole32(_ value: Source) -> Int32 {
    value > -2_147_483_649 && value < 2_147_483_648 ? Int32(value) : .min
  }
  func small<Target: TensorElement & FixedWidthInteger>(_: Target.Type) {
    var target = output.mutableValues(as: Target.self)
    for index in source.indices {
      target[index] = Target(truncatingIfNeeded: whole32(source[index]))
    }
  }
  func floats<Target: TensorElement & BinaryFloatingPoint>(_: Target.Type) {
    var target = output.mutableValues(as: Target.self)
    for index in source.indices { target[index] = Target(source[index]) }
  }
  switch output.elementType {
  case .float32: floats(Float.self)
  case .float64: floats(Double.self)
  // Through float, as ONNX Runtime does.
  case .float16:
    var target = output.mutableValues(as: Float16.self)
    for index in source.indices { target[index] = Float16(Float(source[index])) }
  case .bfloat16:
    var target = output.mutableValues(as: UInt16.self)
    for index in source.indices { target[index] = narrowed(Float(source[index])) }
  case .int8: small(Int8.self)
  case .int16: small(Int16.self)
  case .int32: small(Int32.self)
  case .uint8: small(UInt8.self)
  case .uint16: small(UInt16.self)
  case .int64:
    var target = output.mutableValues(as: Int64.self)
    for index in source.indices { target[index] = whole(source[index]) }
  case .uint32:
    var target = output.mutableValues(as: UInt32.self)
    for index in source.indices { target[index] = UInt32(truncatingIfNeeded: whole(source[index])) }
  case .uint64:
    var target = output.mutableValues(as: UInt64.self)
    for index in source.indices {
      let value = source[index]
      target[index] =
        value >= 0x1p63
        ? (value < 0x1p64 ? UInt64(value) : 0) : UInt64(bitPattern: whole(value))
    }
  case .bool:
    var target = output.mutableValues(as: UInt8.self)
    for index in source.indices { target[index] = source[index] == 0 ? 0 : 1 }
  case .string: break
  }
}

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
