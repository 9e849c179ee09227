import Executors
import Tensors

extension OperatorTable {
  static let integerProducts: [OperatorDefinition] = [
    OperatorDefinition(
      "MatMulInteger", [10], bytes, others: [.one(of: bytes)], minInputs: 2, maxInputs: 4
    ) { context throws(ModelFormatError) in
      try refuseOtherZeroPoints(context, [(2, 0), (3, 1)])
      return BuiltOperator(MatMulInteger(), .int32)
    },
    OperatorDefinition(
      "QLinearMatMul", [10, 21], bytes,
      others: [
        halfScale, .one(of: bytes), .one(of: bytes), halfScale, .one(of: bytes), halfScale,
        .one(of: bytes),
      ],
      minInputs: 8, maxInputs: 8
    ) { context throws(ModelFormatError) in
      try refuseOtherZeroPoints(context, [(2, 0), (5, 3)])
      let type = try context.type(7)
      return BuiltOperator(QLinearMatMul(type: type), type)
    },
  ]

  static let bytes: Set<ElementType> = [.uint8, .int8]
  static let scale = TypeRule.one(of: [.float32])
  private static let halfScale = TypeRule.one(of: [.float32, .float16])

  /// A zero point has the type of what it moves.
  static func refuseOtherZeroPoints(
    _ context: NodeContext, _ pairs: [(zeroPoint: Int, values: Int)]
  ) throws(ModelFormatError) {
    for (zeroPoint, values) in pairs where context.has(zeroPoint) {
      let expected = try context.type(values)
      let found = try context.type(zeroPoint)
      guard found == expected else {
        throw context.malformed(
          "input \(zeroPoint) is \(found.name); \(expected.name) was expected")
      }
    }
  }
}

/// The numbers of a tensor of bytes as `Int16`.
func integers(ofBytes tensor: Tensor) -> [Int16] {
  var result = [Int16](repeating: 0, count: tensor.shape.elementCount)
  if tensor.elementType == .int8 {
    let values = tensor.values(as: Int8.self)
    for index in values.indices { result[index] = Int16(values[index]) }
  } else {
    let values = tensor.values(as: UInt8.self)
    for index in values.indices { result[index] = Int16(values[index]) }
  }
  return result
}

/// The one zero point of `tensor`; 0 where there is none.
func zeroPoint(_ tensor: Tensor?) throws(OperatorError) -> Int16 {
  guard let tensor else { return 0 }
  guard tensor.shape.elementCount == 1 else {
    throw OperatorError("a zero point of shape \(tensor.shape); one for all was expected")
  }
  return integers(ofBytes: tensor)[0]
}

/// Adds `left` · `right` to `output`. Integers are exact in any order; the sum wraps.
///
/// - Parameters:
///   - left: Shape `(rows, inner)`, within ±255 as bytes less a zero point are.
///   - right: Shape `(inner, columns)`.
func addIntegerProduct(
  _ left: Span<Int16>, _ right: Span<Int16>, rows: Int, inner: Int, columns: Int,
  to output: inout MutableSpan<Int32>, _ scratch: ONNXScratch
) throws(OperatorError) {
  precondition(
    left.count == rows * inner && right.count == inner * columns
      && output.count == rows * columns)
  // Unchecked: the line above.
  let rowsBetweenLooks = max((1 << 26) / max(inner * columns, 1), 1)
  for row in 0..<rows {
    if row % rowsBetweenLooks == rowsBetweenLooks - 1 { try scratch.stopAtDeadline() }
    for step in 0..<inner {
      let factor = Int32(left[unchecked: row * inner + step])
      if factor == 0 { continue }
      for column in 0..<columns {
        output[unchecked: row * columns + column] &+=
          factor &* Int32(right[unchecked: step * columns + column])
      }
    }
  }
}

/// The sizes of a product of stacks of matrices, as NumPy's matmul has them.
struct StackedProduct {
  let rows: Int
  let inner: Int
  let columns: Int
  let batches: Broadcast
  let shape: Shape

  init(_ left: Shape, _ right: Shape) throws(OperatorError) {
    guard left.rank > 0, right.rank > 0 else {
      throw OperatorError("a scalar is no matrix: \(left) · \(right)")
    }
    let leftShape = left.rank == 1 ? [1] + left.array : left.array
    let rightShape = right.rank == 1 ? right.array + [1] : right.array
    rows = leftShape[leftShape.count - 2]
    inner = leftShape[leftShape.count - 1]
    columns = rightShape[rightShape.count - 1]
    guard rightShape[rightShape.count - 2] == inner else {
      throw OperatorError("shapes \(left) and \(right) do not multiply")
    }
    batches = try Broadcast(
      try checkedShape(Array(leftShape.dropLast(2))),
      try checkedShape(Array(rightShape.dropLast(2))))
    var dimensions = batches.shape.array
    if left.rank > 1 { dimensions.append(rows) }
    if right.rank > 1 { dimensions.append(columns) }
    shape = try checkedShape(dimensions)
  }

  /// The exact sums. `right` has one zero point, or one for each column.
  func sums(
    _ left: Tensor, _ leftZero: Tensor?, _ right: Tensor, _ rightZero: Tensor?,
    _ scratch: ONNXScratch
  ) throws(OperatorError) -> [Int32] {
    var a = integers(ofBytes: left)
    let leftZero = try zeroPoint(leftZero)
    if leftZero != 0 { for index in a.indices { a[index] -= leftZero } }
    var b = integers(ofBytes: right)
    if let rightZero {
      let points = integers(ofBytes: rightZero)
      guard points.count == 1 || points.count == columns else {
        throw OperatorError("zero points of \(rightZero.shape) for \(columns) columns")
      }
      if points.count == 1 {
        if points[0] != 0 { for index in b.indices { b[index] -= points[0] } }
      } else {
        for index in b.indices { b[index] -= points[index % columns] }
      }
    }
    var sums = [Int32](repeating: 0, count: shape.elementCount)
    // There may be ever so many products of nothing.
    if sums.isEmpty { return sums }
    var target = sums.mutableSpan
    let (left, right) = (a.span, b.span)
    try batches.forEachRun {
      (out, i, iStep, j, jStep, count) throws(OperatorError) in
      for index in 0..<count {
        if index & 63 == 0 { try scratch.stopAtDeadline() }
        let leftStart = (i + index * iStep) * rows * inner
        let rightStart = (j + index * jStep) * inner * columns
        let start = (out + index) * rows * columns
        var part = target._mutatingExtracting(start..<(start + rows * columns))
        try addIntegerProduct(
          left.extracting(leftStart..<(leftStart + rows * inner)),
          right.extracting(rightStart..<(rightStart + inner * columns)),
          rows: rows, inner: inner, columns: columns, to: &part, scratch)
      }
    }
    return sums
  }
}

/// Matrices of bytes, multiplied exactly.
struct MatMulInteger: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let left = try scratch.input(0)
    let right = try scratch.input(1)
    let product = try StackedProduct(left.shape, right.shape)
    var output = try scratch.memory(0, product.shape)
    let sums = try product.sums(
      left, scratch.optionalInput(2), right, scratch.optionalInput(3), scratch)
    do {
      var target = output.mutableValues(as: Int32.self)
      for index in sums.indices { target[index] = sums[index] }
    }
    scratch.give(0, output)
  }
}

/// The exact product, scaled and quantized again.
struct QLinearMatMul: Operator {
  let type: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let left = try scratch.input(0)
    let right = try scratch.input(3)
    let product = try StackedProduct(left.shape, right.shape)
    var output = try scratch.memory(0, product.shape)
    let sums = try product.sums(
      left, try scratch.input(2), right, try scratch.input(5), scratch)
    let scales = try multipliers(
      try scratch.input(1), try scratch.input(4), try scratch.input(6), count: product.columns)
    let zeroPoint = try zeroPoint(try scratch.input(7))
    requantize(sums, zeroPoint, into: &output) { scales[scales.count == 1 ? 0 : $0 % scales.count] }
    scratch.give(0, output)
  }
}

/// left scale · right scale / output scale; one, or one for each of `count`.
func multipliers(
  _ left: Tensor, _ right: Tensor, _ output: Tensor, count: Int
) throws(OperatorError) -> [Float] {
  guard left.shape.elementCount == 1, output.shape.elementCount == 1,
    right.shape.elementCount == 1 || right.shape.elementCount == count
  else {
    throw OperatorError("scales of \(left.shape), \(right.shape) and \(output.shape) for \(count)")
  }
  let floats = (
    try converted(left, to: .float32), try converted(right, to: .float32),
    try converted(output, to: .float32)
  )
  let leftScale = floats.0.values(as: Float.self)[0]
  let outputScale = floats.2.values(as: Float.self)[0]
  let rightScales = floats.1.values(as: Float.self)
  return rightScales.indices.map { leftScale * rightScales[$0] / outputScale }
}

@inline(__always)
func requantize(
  _ sums: [Int32], _ zeroPoint: Int16, into output: inout Tensor, _ multiplier: (Int) -> Float
) {
  if output.elementType == .int8 {
    let zeroPoint = Int8(truncatingIfNeeded: zeroPoint)
    var target = output.mutableValues(as: Int8.self)
    for index in sums.indices {
      target[index] = quantized(Float(sums[index]) * multiplier(index), zeroPoint)
    }
  } else {
    let zeroPoint = UInt8(truncatingIfNeeded: zeroPoint)
    var target = output.mutableValues(as: UInt8.self)
    for index in sums.indices {
      target[index] = quantized(Float(sums[index]) * multiplier(index), zeroPoint)
    }
  }
}
