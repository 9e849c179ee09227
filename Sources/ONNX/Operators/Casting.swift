import Executors
import Tensors

extension OperatorTable {
  static let casting: [OperatorDefinition] = [
    OperatorDefinition(
      "Cast", [6, 9, 13, 19, 21, 23, 24, 25, 28], numbers.union([.bool, .float16])
    ) { context throws(ModelFormatError) in
      guard let number = try context.integer("to") else {
        throw context.malformed("it has no 'to'")
      }
      // Both only concern 8-bit floats, which are refused below.
      _ = try context.integer("saturate")
      _ = try context.string("round_mode")
      let from = try context.type(0)
      guard let type = TensorReader.elementType(Int64(number)), type != .bfloat16, type != .string
      else { throw context.unsupported("a cast to element type \(number) is not run") }
      if type == from { return BuiltOperator(Reshaping { shape, _ in shape }, type) }
      return BuiltOperator(Cast(from: from, to: type), type)
    }
  ]
}

/// Casts as C does: floats to integers truncate, integers wrap, anything but 0 is true.
struct Cast: Operator {
  let from: ElementType
  let to: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    var output = try scratch.memory(0, input.shape)
    switch from {
    case .float32: cast(input.values(as: Float.self), to: &output)
    case .float64: cast(input.values(as: Double.self), to: &output)
    case .float16: cast(input.values(as: Float16.self), to: &output)
    case .int8: cast(input.values(as: Int8.self), to: &output)
    case .int16: cast(input.values(as: Int16.self), to: &output)
    case .int32: cast(input.values(as: Int32.self), to: &output)
    case .int64: cast(input.values(as: Int64.self), to: &output)
    case .uint16: cast(input.values(as: UInt16.self), to: &output)
    case .uint32: cast(input.values(as: UInt32.self), to: &output)
    case .uint64: cast(input.values(as: UInt64.self), to: &output)
    case .uint8, .bool: cast(input.values(as: UInt8.self), to: &output)
    case .string, .bfloat16: throw OperatorError("a cast from \(from.name) is not run")
    }
    scratch.give(0, output)
  }

  private func cast<Source: TensorElement & BinaryInteger>(
    _ source: Span<Source>, to output: inout Tensor
  ) {
    func integers<Target: TensorElement & FixedWidthInteger>(_: Target.Type) {
      var target = output.mutableValues(as: Target.self)
      for index in source.indices { target[index] = Target(truncatingIfNeeded: source[index]) }
    }
    func floats<Target: TensorElement & BinaryFloatingPoint>(_: Target.Type) {
      var target = output.mutableValues(as: Target.self)
      for index in source.indices { target[index] = Target(source[index]) }
    }
    switch to {
    case .float32: floats(Float.self)
    case .float64: floats(Double.self)
    case .float16: floats(Float16.self)
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
    case .string, .bfloat16: break
    }
  }

  private func cast<Source: TensorElement & BinaryFloatingPoint>(
    _ source: Span<Source>, to output: inout Tensor
  ) {
    // Through Int64, as ONNX Runtime does; out of range or NaN is the smallest, as x86 answers.
    func whole(_ value: Source) -> Int64 { Int64(exactly: value.rounded(.towardZero)) ?? .min }
    func integers<Target: TensorElement & FixedWidthInteger>(_: Target.Type) {
      var target = output.mutableValues(as: Target.self)
      for index in source.indices {
        target[index] = Target(truncatingIfNeeded: whole(source[index]))
      }
    }
    func floats<Target: TensorElement & BinaryFloatingPoint>(_: Target.Type) {
      var target = output.mutableValues(as: Target.self)
      for index in source.indices { target[index] = Target(source[index]) }
    }
    switch to {
    case .float32: floats(Float.self)
    case .float64: floats(Double.self)
    case .float16: floats(Float16.self)
    case .int8: integers(Int8.self)
    case .int16: integers(Int16.self)
    case .int32:
      var target = output.mutableValues(as: Int32.self)
      for index in source.indices {
        target[index] = Int32(exactly: source[index].rounded(.towardZero)) ?? .min
      }
    case .int64: integers(Int64.self)
    case .uint8: integers(UInt8.self)
    case .uint16: integers(UInt16.self)
    case .uint32: integers(UInt32.self)
    case .uint64:
      var target = output.mutableValues(as: UInt64.self)
      for index in source.indices {
        target[index] =
          UInt64(exactly: source[index].rounded(.towardZero))
          ?? UInt64(bitPattern: whole(source[index]))
      }
    case .bool:
      var target = output.mutableValues(as: UInt8.self)
      for index in source.indices { target[index] = source[index] == 0 ? 0 : 1 }
    case .string, .bfloat16: break
    }
  }
}
