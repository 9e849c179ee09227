import Tensors

/// Applies `body` to each pair of elements of inputs 0 and 1, stretched to one shape.
@inline(__always)
func broadcast<Left: TensorElement, Right: TensorElement, Result: TensorElement>(
  _ scratch: ONNXScratch, _ body: (Left, Right) -> Result
) throws(OperatorError) {
  let left = try scratch.input(0)
  let right = try scratch.input(1)
  let plan = try Broadcast(left.shape, right.shape)
  var output = try scratch.memory(0, plan.shape)
  combine(left, right, plan, into: &output, body)
  scratch.give(0, output)
}

/// Writes `body` of each pair to `output`, which has the plan's shape.
@inline(__always)
func combine<Left: TensorElement, Right: TensorElement, Result: TensorElement>(
  _ left: Tensor, _ right: Tensor, _ plan: Broadcast, into output: inout Tensor,
  _ body: (Left, Right) -> Result
) {
  let a = left.values(as: Left.self)
  let b = right.values(as: Right.self)
  var target = output.mutableValues(as: Result.self)
  precondition(target.count == plan.shape.elementCount, "an output of another shape")
  // Unchecked: `Broadcast` made the runs from the shapes of these very tensors. A loop for each
  // way of walking, so that each becomes vector instructions.
  plan.forEachRun { out, i, iStep, j, jStep, count in
    // Where neither side moves, the run has one element.
    if iStep == 1, jStep == 1 {
      for index in 0..<count {
        target[unchecked: out + index] = body(a[unchecked: i + index], b[unchecked: j + index])
      }
    } else if jStep == 0 {
      let other = b[unchecked: j]
      for index in 0..<count {
        target[unchecked: out + index] = body(a[unchecked: i + index], other)
      }
    } else {
      let other = a[unchecked: i]
      for index in 0..<count {
        target[unchecked: out + index] = body(other, b[unchecked: j + index])
      }
    }
  }
}

/// Applies `body` to each element of input 0.
@inline(__always)
func map<Element: TensorElement, Result: TensorElement>(
  _ scratch: ONNXScratch, _ body: (Element) -> Result
) throws(OperatorError) {
  let input = try scratch.input(0)
  var output = try scratch.memory(0, input.shape)
  do {
    let source = input.values(as: Element.self)
    var target = output.mutableValues(as: Result.self)
    precondition(source.count == target.count, "an output of another shape")
    for index in 0..<source.count { target[unchecked: index] = body(source[unchecked: index]) }
  }
  scratch.give(0, output)
}

/// The function of each element of input 0, which is of floats.
func map(
  _ scratch: ONNXScratch, _ function: VectorFunctions.Unary
) throws(OperatorError) {
  let input = try scratch.input(0)
  var output = try scratch.memory(0, input.shape)
  do {
    var target = output.mutableValues(as: Float.self)
    VectorFunctions.map(function, input.values(as: Float.self), to: &target)
  }
  scratch.give(0, output)
}

/// The operation of each pair of elements of inputs 0 and 1, which are of floats.
func broadcast(
  _ scratch: ONNXScratch, _ operation: VectorFunctions.Binary
) throws(OperatorError) {
  let left = try scratch.input(0)
  let right = try scratch.input(1)
  let plan = try Broadcast(left.shape, right.shape)
  var output = try scratch.memory(0, plan.shape)
  do {
    let a = left.values(as: Float.self)
    let b = right.values(as: Float.self)
    var target = output.mutableValues(as: Float.self)
    plan.forEachRun { out, i, iStep, j, jStep, count in
      var part = target._mutatingExtracting(out..<(out + count))
      VectorFunctions.combine(
        operation, a.extracting(i..<(i + (iStep == 1 ? count : 1))),
        b.extracting(j..<(j + (jStep == 1 ? count : 1))), to: &part)
    }
  }
  scratch.give(0, output)
}

/// How two shapes stretch to one (NumPy's rule), as runs along the last axes.
struct Broadcast {
  let shape: Shape
  /// Both sides are the result's shape: one run.
  private let isOneRun: Bool
  private let leftStrides: [8 of Int]
  private let rightStrides: [8 of Int]

  init(_ left: Shape, _ right: Shape) throws(OperatorError) {
    if left == right {
      shape = left
      isOneRun = true
      leftStrides = .init(repeating: 0)
      rightStrides = .init(repeating: 0)
      return
    }
    let rank = max(left.rank, right.rank)
    var dimensions = [Int](repeating: 1, count: rank)
    var leftStrides = [8 of Int](repeating: 0)
    var rightStrides = leftStrides
    var leftStride = 1
    var rightStride = 1
    for back in 1..<(rank + 1) {
      let axis = rank - back
      let a = back <= left.rank ? left[left.rank - back] : 1
      let b = back <= right.rank ? right[right.rank - back] : 1
      guard a == b || a == 1 || b == 1 else {
        throw OperatorError("shapes \(left) and \(right) do not broadcast")
      }
      dimensions[axis] = a == 1 ? b : a
      leftStrides[axis] = a == 1 ? 0 : leftStride
      rightStrides[axis] = b == 1 ? 0 : rightStride
      leftStride *= a
      rightStride *= b
    }
    shape = try checkedShape(dimensions)
    isOneRun = false
    self.leftStrides = leftStrides
    self.rightStrides = rightStrides
  }

  /// Calls `body(output, left, leftStep, right, rightStep, count)` for each run.
  @inline(__always)
  func forEachRun<Failure: Error>(
    _ body: (Int, Int, Int, Int, Int, Int) throws(Failure) -> Void
  ) throws(Failure) {
    let total = shape.elementCount
    if total == 0 { return }
    if isOneRun {
      try body(0, 0, 1, 0, 1, total)
      return
    }
    // Trailing axes that both sides walk in the same way are one run.
    var axis = shape.rank - 1
    while axis > 0, shape[axis] == 1 { axis -= 1 }
    let leftStep = leftStrides[axis] == 0 ? 0 : 1
    let rightStep = rightStrides[axis] == 0 ? 0 : 1
    var count = shape[axis]
    while axis > 0, leftStrides[axis - 1] == leftStep * count,
      rightStrides[axis - 1] == rightStep * count
    {
      axis -= 1
      count *= shape[axis]
    }
    var index = [8 of Int](repeating: 0)
    var left = 0
    var right = 0
    for out in stride(from: 0, to: total, by: count) {
      try body(out, left, leftStep, right, rightStep, count)
      var outer = axis - 1
      while outer >= 0 {
        index[outer] += 1
        left += leftStrides[outer]
        right += rightStrides[outer]
        if index[outer] < shape[outer] { break }
        left -= leftStrides[outer] * shape[outer]
        right -= rightStrides[outer] * shape[outer]
        index[outer] = 0
        outer -= 1
      }
    }
  }
}

/// The strides that walk a tensor of shape `from` while the result walks `shape`: 0 where it is
/// stretched. Nil where it does not stretch to `shape`.
func stretchedStrides(from: Shape, to shape: Shape) -> [Int]? {
  guard from.rank <= shape.rank else { return nil }
  var strides = [Int](repeating: 0, count: shape.rank)
  var stride = 1
  for back in 1..<(from.rank + 1) {
    let size = from[from.rank - back]
    if size != 1 {
      guard size == shape[shape.rank - back] else { return nil }
      strides[shape.rank - back] = stride
    }
    stride *= size
  }
  return strides
}
