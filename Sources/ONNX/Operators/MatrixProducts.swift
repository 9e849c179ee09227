import Executors
import Tensors

extension OperatorTable {
  static let matrixProducts: [OperatorDefinition] = [
    OperatorDefinition(
      "MatMul", [1, 9, 13], floats.union([.int32, .int64, .uint32, .uint64]),
      others: [.same], minInputs: 2, maxInputs: 2
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      return BuiltOperator(MatMul(type: type), type)
    },
    OperatorDefinition("Gemm", [7, 9, 11, 13], floats, others: [.same], minInputs: 2, maxInputs: 3)
    {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let alpha = try context.float("alpha") ?? 1
      let beta = try context.float("beta") ?? 1
      let transposesLeft = try context.integer("transA") ?? 0 != 0
      let transposesRight = try context.integer("transB") ?? 0 != 0
      var packed: Tensor?
      if transposesRight, let weights = context.constant(1), weights.shape.rank == 2,
        weights.shape.elementCount > 0, context.tensors.budget.pack(weights.byteCount)
      {
        packed =
          type == .float64 ? transposed(weights, Double.self) : transposed(weights, Float.self)
      }
      var built = BuiltOperator(
        Gemm(
          alpha: alpha, beta: beta, transposesLeft: transposesLeft,
          transposesRight: transposesRight, packed: packed, type: type), type)
      if packed != nil { built.unreadInputs = [1] }
      return built
    },
  ]
}

/// The types that have a product.
protocol ProductElement: NumberElement {
  /// Multiplications that take a tenth of a second or so.
  static var productsBetweenLooks: Int { get }

  static func addProduct(
    _ left: Span<Self>, _ right: Span<Self>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Self>)

  /// The same with weights used where they lie in a mapped file, at any byte.
  ///
  /// - Parameter isTransposed: They stand as `(columns, inner)`. Never for integers.
  static func addProduct(
    _ left: Span<Self>, weights: RawSpan, isTransposed: Bool, rows: Int, inner: Int,
    columns: Int, to output: inout MutableSpan<Self>)
}

extension ProductElement {
  static var productsBetweenLooks: Int { 1 << 31 }

  /// The same, so many rows at a time that the deadline is kept. A row's bits do not depend on how
  /// many go together.
  static func addProduct(
    _ left: Span<Self>, weights: RawSpan, isTransposed: Bool, rows: Int, inner: Int,
    columns: Int, to output: inout MutableSpan<Self>, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    try inParts(rows, inner * columns, scratch) { part in
      var target = output._mutatingExtracting(
        (part.lowerBound * columns)..<(part.upperBound * columns))
      addProduct(
        left.extracting((part.lowerBound * inner)..<(part.upperBound * inner)), weights: weights,
        isTransposed: isTransposed, rows: part.count, inner: inner, columns: columns, to: &target)
    }
  }

  /// The same of two that were computed.
  static func addProduct(
    _ left: Span<Self>, _ right: Span<Self>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Self>, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    try inParts(rows, inner * columns, scratch) { part in
      var target = output._mutatingExtracting(
        (part.lowerBound * columns)..<(part.upperBound * columns))
      addProduct(
        left.extracting((part.lowerBound * inner)..<(part.upperBound * inner)), right,
        rows: part.count, inner: inner, columns: columns, to: &target)
    }
  }

  /// - Parameter size: Multiplications of a row.
  @inline(__always)
  private static func inParts(
    _ rows: Int, _ size: Int, _ scratch: ONNXScratch, _ body: (Range<Int>) -> Void
  ) throws(OperatorError) {
    let most = scratch.pause == nil ? productsBetweenLooks : min(productsBetweenLooks, 1 << 24)
    // No fewer than the weights are worth reading again for.
    let count = max(most / max(size, 1), 16)
    if rows <= count { return body(0..<rows) }
    for first in stride(from: 0, to: rows, by: count) {
      try scratch.stopAtDeadline()
      body(first..<min(first + count, rows))
    }
  }
}

extension Float: ProductElement {
  static func addProduct(
    _ left: Span<Float>, _ right: Span<Float>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Float>
  ) {
    BLAS.addProduct(left, right, rows: rows, inner: inner, columns: columns, to: &output)
  }

  static func addProduct(
    _ left: Span<Float>, weights: RawSpan, isTransposed: Bool, rows: Int, inner: Int,
    columns: Int, to output: inout MutableSpan<Float>
  ) {
    BLAS.addProduct(
      left, weights: weights, isTransposed: isTransposed, rows: rows, inner: inner,
      columns: columns, to: &output)
  }

  static func addProduct(
    weights: RawSpan, _ right: Span<Float>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Float>
  ) {
    BLAS.addProduct(
      weights: weights, right, rows: rows, inner: inner, columns: columns, to: &output)
  }
}

extension Double: ProductElement {
  static func addProduct(
    _ left: Span<Double>, _ right: Span<Double>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Double>
  ) {
    BLAS.addProduct(left, right, rows: rows, inner: inner, columns: columns, to: &output)
  }

  static func addProduct(
    _ left: Span<Double>, weights: RawSpan, isTransposed: Bool, rows: Int, inner: Int,
    columns: Int, to output: inout MutableSpan<Double>
  ) {
    BLAS.addProduct(
      left, weights: weights, isTransposed: isTransposed, rows: rows, inner: inner,
      columns: columns, to: &output)
  }

  static func addProduct(
    weights: RawSpan, _ right: Span<Double>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Double>
  ) {
    BLAS.addProduct(
      weights: weights, right, rows: rows, inner: inner, columns: columns, to: &output)
  }
}

extension ProductElement where Self: FixedWidthInteger {
  static var productsBetweenLooks: Int { 1 << 25 }

  static func addProduct(
    _ left: Span<Self>, _ right: Span<Self>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Self>
  ) {
    addProduct(
      left, weights: right.bytes, isTransposed: false, rows: rows, inner: inner, columns: columns,
      to: &output)
  }

  /// Integers are exact in any order, and wrap.
  static func addProduct(
    _ left: Span<Self>, weights: RawSpan, isTransposed: Bool, rows: Int, inner: Int,
    columns: Int, to output: inout MutableSpan<Self>
  ) {
    precondition(!isTransposed, "integers have no Gemm")
    let size = MemoryLayout<Self>.size
    precondition(
      left.count == rows * inner && weights.byteCount == inner * columns * size
        && output.count == rows * columns)
    // Unchecked: the line above.
    for row in 0..<rows {
      for step in 0..<inner {
        let factor = left[unchecked: row * inner + step]
        for column in 0..<columns {
          let weight = weights.unsafeLoadUnaligned(
            fromByteOffset: (step * columns + column) * size, as: Self.self)
          output[unchecked: row * columns + column] &+= factor &* weight
        }
      }
    }
  }
}

extension Int32: ProductElement {}
extension Int64: ProductElement {}
extension UInt32: ProductElement {}
extension UInt64: ProductElement {}

/// `(rows, columns)` → `(columns, rows)`. Precondition: rank 2.
func transposed<Element: TensorElement>(_ tensor: Tensor, _: Element.Type) -> Tensor {
  let rows = tensor.shape[0]
  let columns = tensor.shape[1]
  var result = Tensor(tensor.elementType, shape: Shape(columns, rows))
  transpose(
    tensor.unalignedBytes(as: Element.self), rows: rows, columns: columns,
    to: &result, as: Element.self)
  return result
}

/// `source` of shape `(rows, columns)`, at any byte, as `(columns, rows)`.
func transpose<Element: TensorElement>(
  _ source: RawSpan, rows: Int, columns: Int, to result: inout Tensor, as _: Element.Type
) {
  let size = MemoryLayout<Element>.size
  var target = result.mutableValues(as: Element.self)
  precondition(source.byteCount == rows * columns * size && target.count == rows * columns)
  // Without an element either side may be of any length.
  if target.count == 0 { return }
  // Unchecked: the precondition. Square by square, so that neither side leaves the caches.
  let side = 16
  for firstRow in stride(from: 0, to: rows, by: side) {
    for firstColumn in stride(from: 0, to: columns, by: side) {
      for column in firstColumn..<min(firstColumn + side, columns) {
        for row in firstRow..<min(firstRow + side, rows) {
          target[unchecked: column * rows + row] = source.unsafeLoadUnaligned(
            fromByteOffset: (row * columns + column) * size, as: Element.self)
        }
      }
    }
  }
}

/// NumPy's matmul: the last two axes multiply, the others broadcast.
struct MatMul: Operator {
  let type: ElementType

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool {
    input == 1 && tensor.shape.array.dropLast(2).allSatisfy { $0 == 1 }
  }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch type {
    case .float64: try multiply(scratch, Double.self)
    case .int32: try multiply(scratch, Int32.self)
    case .int64: try multiply(scratch, Int64.self)
    case .uint32: try multiply(scratch, UInt32.self)
    case .uint64: try multiply(scratch, UInt64.self)
    default: try multiply(scratch, Float.self)
    }
  }

  private func multiply<Element: ProductElement>(
    _ scratch: ONNXScratch, _: Element.Type
  ) throws(OperatorError) {
    let left = try scratch.input(0)
    let right = try scratch.input(1)
    guard left.shape.rank > 0, right.shape.rank > 0 else {
      throw OperatorError("a scalar is no matrix: \(left.shape) · \(right.shape)")
    }
    let leftShape = left.shape.rank == 1 ? [1] + left.shape.array : left.shape.array
    let rightShape = right.shape.rank == 1 ? right.shape.array + [1] : right.shape.array
    var rows = leftShape[leftShape.count - 2]
    let inner = leftShape[leftShape.count - 1]
    let columns = rightShape[rightShape.count - 1]
    guard rightShape[rightShape.count - 2] == inner else {
      throw OperatorError("shapes \(left.shape) and \(right.shape) do not multiply")
    }
    let leftBatch = try checkedShape(Array(leftShape.dropLast(2)))
    let rightBatch = try checkedShape(Array(rightShape.dropLast(2)))
    let batches = try Broadcast(leftBatch, rightBatch)
    var dimensions = batches.shape.array
    if left.shape.rank > 1 { dimensions.append(rows) }
    if right.shape.rank > 1 { dimensions.append(columns) }
    var output = try scratch.memory(0, try checkedShape(dimensions))
    do {
      let a = left.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for index in 0..<target.count { target[unchecked: index] = Element.nothing }
      // One right side for all: the batches are rows of one product.
      if target.count == 0 {
        // There may be ever so many products of nothing.
      } else if rightBatch.elementCount == 1, leftBatch.elementCount == batches.shape.elementCount {
        rows *= leftBatch.elementCount
        try Element.addProduct(
          a, weights: right.unalignedBytes(as: Element.self), isTransposed: false, rows: rows,
          inner: inner, columns: columns, to: &target, scratch)
      } else {
        let b = right.values(as: Element.self)
        try batches.forEachRun {
          (out, i, iStep, j, jStep, count) throws(OperatorError) in
          for index in 0..<count {
            if index & 63 == 0 { try scratch.stopAtDeadline() }
            let leftStart = (i + index * iStep) * rows * inner
            let rightStart = (j + index * jStep) * inner * columns
            let start = (out + index) * rows * columns
            var part = target._mutatingExtracting(start..<(start + rows * columns))
            try Element.addProduct(
              a.extracting(leftStart..<(leftStart + rows * inner)),
              b.extracting(rightStart..<(rightStart + inner * columns)),
              rows: rows, inner: inner, columns: columns, to: &part, scratch)
          }
        }
      }
    }
    scratch.give(0, output)
  }
}

/// alpha · A · B + beta · C. The bias is laid into the output before the product is added.
struct Gemm: FloatOperator {
  let alpha: Float
  let beta: Float
  let transposesLeft: Bool
  let transposesRight: Bool
  /// Constant weights of a small model, already transposed. Others stay where they lie in the file.
  let packed: Tensor?
  let type: ElementType

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 1 }

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let left = try matrix(try scratch.input(0), transposes: transposesLeft, Element.self)
    let right = try weights(scratch)
    guard right.shape.rank == 2 else { throw OperatorError("shape \(right.shape) is no matrix") }
    let isTransposed = transposesRight && packed == nil
    let rows = left.shape[0]
    let inner = left.shape[1]
    let columns = right.shape[isTransposed ? 0 : 1]
    guard right.shape[isTransposed ? 1 : 0] == inner else {
      throw OperatorError("shapes \(left.shape) and \(right.shape) do not multiply")
    }
    let shape = try checkedShape([rows, columns])
    var output = try scratch.memory(0, shape)
    var bias = scratch.optionalInput(2)
    if beta == 0, let unread = bias {
      // As ONNX Runtime: not even a NaN of it is read, but it must have a shape that stretches.
      try checkBias(unread, shape)
      bias = nil
    }
    do {
      var target = output.mutableValues(as: Element.self)
      let a = left.values(as: Element.self)
      if alpha == 1, let bias {
        try addBias(bias, shape, to: &target, replacing: true)
      } else {
        for index in 0..<target.count { target[unchecked: index] = Element.nothing }
      }
      try Element.addProduct(
        a, weights: right.unalignedBytes(as: Element.self), isTransposed: isTransposed, rows: rows,
        inner: inner, columns: columns, to: &target, scratch)
      if alpha != 1 {
        let alpha = Element(alpha)
        for index in 0..<target.count { target[unchecked: index] *= alpha }
        if let bias { try addBias(bias, shape, to: &target, replacing: false) }
      }
    }
    scratch.give(0, output)
  }

  private func weights(_ scratch: ONNXScratch) throws(OperatorError) -> Tensor {
    if let packed { return packed }
    return try scratch.input(1)
  }

  private func matrix<Element: FloatElement>(
    _ tensor: Tensor, transposes: Bool, _: Element.Type
  ) throws(OperatorError) -> Tensor {
    guard tensor.shape.rank == 2 else { throw OperatorError("shape \(tensor.shape) is no matrix") }
    return transposes ? transposed(tensor, Element.self) : tensor
  }

  private func checkBias(_ bias: Tensor, _ shape: Shape) throws(OperatorError) {
    let stretch = try Broadcast(shape, bias.shape)
    guard stretch.shape == shape else {
      throw OperatorError("a bias of shape \(bias.shape) does not stretch to \(shape)")
    }
  }

  private func addBias<Element: FloatElement>(
    _ bias: Tensor, _ shape: Shape, to target: inout MutableSpan<Element>, replacing: Bool
  ) throws(OperatorError) {
    try checkBias(bias, shape)
    let values = bias.values(as: Element.self)
    let beta = Element(beta)
    var offset = 0
    let columns = shape[1]
    if shape.elementCount == 0 { return }
    let rowStep = bias.shape.rank == 2 && bias.shape[0] > 1 ? bias.shape[1] : 0
    let columnStep = bias.shape.rank > 0 && bias.shape[bias.shape.rank - 1] > 1 ? 1 : 0
    if replacing, beta == 1, columnStep == 1 {
      for row in 0..<shape[0] {
        var part = target._mutatingExtracting((row * columns)..<((row + 1) * columns))
        let given = values.extracting((row * rowStep)..<(row * rowStep + columns))
        // Unchecked: both have so many.
        for column in 0..<columns { part[unchecked: column] = given[unchecked: column] }
      }
      return
    }
    for row in 0..<shape[0] {
      for column in 0..<columns {
        let value = beta * values[row * rowStep + column * columnStep]
        target[offset] = replacing ? value : target[offset] + value
        offset += 1
      }
    }
  }
}
