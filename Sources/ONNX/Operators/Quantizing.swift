import Executors
import Tensors

extension OperatorTable {
  static let quantizing: [OperatorDefinition] = [
    OperatorDefinition(
      "QuantizeLinear", [10, 13, 19, 21, 23, 24, 25, 28], scales,
      others: [.same, .one(of: quantized)], minInputs: 2, maxInputs: 3
    ) { context throws(ModelFormatError) in
      let isHalf = try isHalf(context, 0)
      let layout = try scaleLayout(&context)
      let saturates = context.version >= 19 ? try context.integer("saturate") ?? 1 : 1
      if context.version >= 23, let precision = try context.integer("precision"),
        precision != 0, precision != 1
      {
        throw context.unsupported("precision \(precision) is not run")
      }
      var type = context.has(2) ? try context.type(2) : .uint8
      if let stated = try outputType(&context) {
        guard !context.has(2) || stated == type else {
          throw context.malformed("output_dtype is \(stated.name), the zero point \(type.name)")
        }
        type = stated
      }
      guard quantized.contains(type) else {
        throw context.unsupported("an output of \(type.name) is not run")
      }
      return BuiltOperator(
        QuantizeLinear(layout: layout, type: type, saturates: saturates != 0, isHalf: isHalf), type)
    },
    OperatorDefinition(
      "DequantizeLinear", [10, 13, 19, 21, 23, 24, 25, 28], quantized.union([.int32]),
      others: [.one(of: scales), .same], minInputs: 2, maxInputs: 3
    ) { context throws(ModelFormatError) in
      let isHalf = try isHalf(context, 1)
      let layout = try scaleLayout(&context)
      let output = try context.type(1)
      if context.version >= 23, let stated = try outputType(&context), stated != output {
        throw context.unsupported("an output of \(stated.name) is not run")
      }
      let type = try context.type(0)
      return BuiltOperator(DequantizeLinear(layout: layout, type: type, isHalf: isHalf), output)
    },
    OperatorDefinition(
      "DynamicQuantizeLinear", [11], [.float32],
      mixesRows: "always: one scale is computed for the whole batch"
    ) { _ throws(ModelFormatError) in
      var built = BuiltOperator(DynamicQuantizeLinear(), .uint8, .float32, .uint8)
      built.mixesRows = true
      return built
    },
  ]

  private static let quantized: Set<ElementType> = [
    .uint8, .int8, .uint16, .int16, .int4, .uint4, .int2, .uint2,
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
  ]

  private static let scales: Set<ElementType> = [.float32, .float16]

  private static func isHalf(_ context: NodeContext, _ input: Int) throws(ModelFormatError) -> Bool
  {
    guard try context.type(input) == .float16 else { return false }
    guard context.version >= 19 else {
      throw context.malformed("version \(context.version) takes no float16")
    }
    return true
  }

  private static func scaleLayout(
    _ context: inout NodeContext
  ) throws(ModelFormatError) -> ScaleLayout {
    let axis = context.version >= 13 ? try context.integer("axis") ?? 1 : 1
    let block = context.version >= 21 ? try context.integer("block_size") ?? 0 : 0
    guard block >= 0 else { throw context.malformed("block_size is \(block)") }
    return ScaleLayout(axis: axis, blockSize: block)
  }

  private static func outputType(
    _ context: inout NodeContext
  ) throws(ModelFormatError) -> ElementType? {
    guard context.version >= 21, let number = try context.integer("output_dtype"), number != 0
    else { return nil }
    guard let type = TensorReader.elementType(Int64(number)) else {
      throw context.unsupported("an output of element type \(number) is not run")
    }
    return type
  }
}

/// Which scale an element has: one for all, one for each place of an axis, or one for each
/// block of places.
struct ScaleLayout: Sendable {
  let axis: Int
  /// 0: not in blocks.
  let blockSize: Int

  /// Runs of elements with one scale: `body(first, count, scale)`, or with a scale each when
  /// `scaleStep` is 1.
  @inline(__always)
  func visit(
    _ shape: Shape, scale: Shape, _ body: (Int, Int, Int, Int) -> Void
  ) throws(OperatorError) {
    if scale.elementCount == 1, blockSize == 0, scale.rank <= 1 {
      body(0, shape.elementCount, 0, 0)
      return
    }
    let axis = try checkedAxis(axis, rank: shape.rank)
    let length = shape[axis]
    let inner = try checkedShape(Array(shape.array[(axis + 1)...])).elementCount
    let lines = shape.elementCount == 0 ? 0 : shape.elementCount / inner
    if blockSize == 0 {
      guard scale.rank == 1, scale[0] == length else {
        throw OperatorError("scales of \(scale) for axis \(axis) of \(shape)")
      }
      for line in 0..<lines { body(line * inner, inner, line % length, 0) }
      return
    }
    var expected = shape.array
    expected[axis] = length / blockSize + (length % blockSize == 0 ? 0 : 1)
    guard scale == (try checkedShape(expected)) else {
      throw OperatorError("scales of \(scale) for \(shape) in blocks of \(blockSize)")
    }
    for line in 0..<lines {
      let block = line / length * expected[axis] + line % length / blockSize
      body(line * inner, inner, block * inner, 1)
    }
  }
}

/// What is quantized, and what scales are.
protocol ScaledFloat: TensorElement {
  var wide: Float { get }
}
extension Float: ScaledFloat { var wide: Float { self } }
extension Float16: ScaledFloat { var wide: Float { Float(self) } }

/// Integers that numbers are quantized to.
protocol QuantizedElement: NumberElement, FixedWidthInteger {}
extension UInt8: QuantizedElement {}
extension Int8: QuantizedElement {}
extension UInt16: QuantizedElement {}
extension Int16: QuantizedElement {}

/// The nearest integer, ties to even, moved to the zero point and kept between `low` and `high`.
/// NaN becomes the smallest, as in ONNX Runtime.
@inline(__always)
func quantized<Element: QuantizedElement>(
  _ value: Float, _ zeroPoint: Element, low: Element = .min, high: Element = .max
) -> Element {
  let low = Float(low) - Float(zeroPoint)
  let high = Float(high) - Float(zeroPoint)
  let raised = value > low ? value : low
  let limited = raised < high ? raised : high
  return Element(
    truncatingIfNeeded: Int32(limited.rounded(.toNearestOrEven)) &+ Int32(zeroPoint))
}

/// The same of what was a float16 and its scale, as ONNX Runtime rounds it: first to an integer of
/// 32 bits, where infinity and all that does not fit are the smallest there is.
@inline(__always)
func quantizedHalf<Element: QuantizedElement>(
  _ value: Float, _ zeroPoint: Element, low: Element, high: Element
) -> Element {
  let rounded = value.rounded(.toNearestOrEven)
  let integer = rounded.magnitude < 0x1p31 ? Int32(rounded) : .min
  let moved = integer &+ Int32(zeroPoint)
  return Element(truncatingIfNeeded: min(max(moved, Int32(low)), Int32(high)))
}

/// round(x / scale) + zero point.
struct QuantizeLinear: Operator {
  let layout: ScaleLayout
  let type: ElementType
  let saturates: Bool
  let isHalf: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    if let format = Float8.format(type) {
      func nearest(_ value: Float, _: UInt8) -> UInt8 {
        // A float's zero point is 0.
        format.byte(nearest: value, saturates: saturates)
      }
      if isHalf {
        try quantize(scratch, Float16.self, UInt8.self, nearest)
      } else {
        try quantize(scratch, Float.self, UInt8.self, nearest)
      }
      return
    }
    switch type {
    case .int8: try quantize(scratch, low: Int8.min, high: .max)
    case .uint16: try quantize(scratch, low: UInt16.min, high: .max)
    case .int16: try quantize(scratch, low: Int16.min, high: .max)
    case .int4: try quantize(scratch, low: Int8(-8), high: 7)
    case .int2: try quantize(scratch, low: Int8(-2), high: 1)
    case .uint4: try quantize(scratch, low: UInt8(0), high: 15)
    case .uint2: try quantize(scratch, low: UInt8(0), high: 3)
    default: try quantize(scratch, low: UInt8.min, high: .max)
    }
  }

  private func quantize<Element: QuantizedElement>(
    _ scratch: ONNXScratch, low: Element, high: Element
  ) throws(OperatorError) {
    if isHalf {
      try quantize(scratch, Float16.self, Element.self) {
        quantizedHalf($0, $1, low: low, high: high)
      }
    } else {
      try quantize(scratch, Float.self, Element.self) { quantized($0, $1, low: low, high: high) }
    }
  }

  private func quantize<Source: ScaledFloat, Element: TensorElement>(
    _ scratch: ONNXScratch, _: Source.Type, _: Element.Type,
    _ nearest: (Float, Element) -> Element
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let scale = try scratch.input(1)
    let zeroPoint = scratch.optionalInput(2) ?? Tensor(type, shape: scale.shape)
    guard zeroPoint.shape.elementCount == scale.shape.elementCount else {
      throw OperatorError("zero points of \(zeroPoint.shape) for scales of \(scale.shape)")
    }
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Source.self)
      let scales = scale.values(as: Source.self)
      let zeroPoints = zeroPoint.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      try layout.visit(input.shape, scale: scale.shape) { first, count, place, step in
        for index in 0..<count {
          target[first + index] = nearest(
            source[first + index].wide / scales[place + index * step].wide,
            zeroPoints[place + index * step])
        }
      }
    }
    scratch.give(0, output)
  }
}

/// (x − zero point) · scale.
struct DequantizeLinear: Operator {
  let layout: ScaleLayout
  let type: ElementType
  let isHalf: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    if let format = Float8.format(type) {
      try dequantize(scratch, UInt8.self) { value, _ in format.values[Int(value)] }
      return
    }
    switch type.storage {
    case .int8: try dequantizeIntegers(scratch, Int8.self)
    case .uint16: try dequantizeIntegers(scratch, UInt16.self)
    case .int16: try dequantizeIntegers(scratch, Int16.self)
    case .int32: try dequantizeIntegers(scratch, Int32.self)
    default: try dequantizeIntegers(scratch, UInt8.self)
    }
  }

  private func dequantizeIntegers<Element: NumberElement & FixedWidthInteger>(
    _ scratch: ONNXScratch, _: Element.Type
  ) throws(OperatorError) {
    try dequantize(scratch, Element.self) { value, zeroPoint in
      Float(Int32(truncatingIfNeeded: value) &- Int32(truncatingIfNeeded: zeroPoint))
    }
  }

  private func dequantize<Element: TensorElement>(
    _ scratch: ONNXScratch, _: Element.Type, _ moved: (Element, Element) -> Float
  ) throws(OperatorError) {
    if isHalf {
      try dequantize(scratch, Element.self, moved) { (value: Float) in Float16(value) }
    } else {
      try dequantize(scratch, Element.self, moved) { (value: Float) in value }
    }
  }

  private func dequantize<Element: TensorElement, Target: ScaledFloat>(
    _ scratch: ONNXScratch, _: Element.Type, _ moved: (Element, Element) -> Float,
    _ narrowed: (Float) -> Target
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let scale = try scratch.input(1)
    let zeroPoint = scratch.optionalInput(2) ?? Tensor(type, shape: scale.shape)
    guard zeroPoint.shape.elementCount == scale.shape.elementCount else {
      throw OperatorError("zero points of \(zeroPoint.shape) for scales of \(scale.shape)")
    }
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      let scales = scale.values(as: Target.self)
      let zeroPoints = zeroPoint.values(as: Element.self)
      var target = output.mutableValues(as: Target.self)
      try layout.visit(input.shape, scale: scale.shape) { first, count, place, step in
        for index in 0..<count {
          target[first + index] = narrowed(
            moved(source[first + index], zeroPoints[place + index * step])
              * scales[place + index * step].wide)
        }
      }
    }
    scratch.give(0, output)
  }
}

/// Quantizes to uint8 with the scale that the values themselves ask for: a row's answer depends
/// on its batch by definition.
struct DynamicQuantizeLinear: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    var output = try scratch.memory(0, input.shape)
    var low: Float = 0
    var high: Float = 0
    var scale: Float = 1
    var zeroPoint: UInt8 = 0
    do {
      let source = input.values(as: Float.self)
      for index in source.indices {
        let value = source[index]
        if value < low { low = value }
        if value > high { high = value }
      }
      if high != low { scale = (high - low) / 255 }
      zeroPoint = quantized(-low / scale, UInt8(0))
      var target = output.mutableValues(as: UInt8.self)
      for index in source.indices { target[index] = quantized(source[index] / scale, zeroPoint) }
    }
    scratch.give(0, output)
    scratch.give(1, Tensor([scale], shape: Shape()))
    scratch.give(2, Tensor([zeroPoint], shape: Shape()))
  }
}
