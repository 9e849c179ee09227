import Executors
import Tensors

extension OperatorTable {
  static let reducing: [OperatorDefinition] =
    ([
      ("ReduceSum", [1, 11, 13], Reduction.sum, reducible),
      ("ReduceMean", [1, 11, 13, 18], .mean, reducible),
      ("ReduceProd", [1, 11, 13, 18], .product, reducible),
      ("ReduceMax", [1, 11, 12, 13, 18, 20], .largest, numbers.union([.bool])),
      ("ReduceMin", [1, 11, 12, 13, 18, 20], .smallest, numbers.union([.bool])),
      ("ReduceSumSquare", [1, 11, 13, 18], .sumOfSquares, reducible),
      ("ReduceL1", [1, 11, 13, 18], .sumOfMagnitudes, reducible),
      ("ReduceL2", [1, 11, 13, 18], .length, reducible),
      ("ReduceLogSum", [1, 11, 13, 18, 28], .logSum, reducible),
      ("ReduceLogSumExp", [1, 11, 13, 18, 28], .logSumExp, floats),
    ] as [(String, [Int], Reduction, Set<ElementType>)]).map { name, versions, kind, types in
      OperatorDefinition(name, versions, types, others: [.int64], maxInputs: 2) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        let takesInput = context.version >= (name == "ReduceSum" ? 13 : 18)
        return BuiltOperator(
          Reduce(
            kind: kind, axes: takesInput ? nil : try context.integers("axes") ?? [],
            keepsAxes: try context.integer("keepdims") ?? 1 != 0,
            keepsAllWithoutAxes: takesInput
              ? try context.integer("noop_with_empty_axes") ?? 0 != 0 : false, type: type), type)
      }
    }
    + ["ArgMax", "ArgMin"].map { name in
      OperatorDefinition(name, [1, 11, 12, 13], numbers) { context throws(ModelFormatError) in
        BuiltOperator(
          ArgExtreme(
            axis: try context.integer("axis") ?? 0,
            keepsAxis: try context.integer("keepdims") ?? 1 != 0,
            picksLast: context.version >= 12
              ? try context.integer("select_last_index") ?? 0 != 0 : false,
            wantsLargest: name == "ArgMax", type: try context.type(0)), .int64)
      }
    }

  private static let reducible = floats.union([.int32, .int64, .uint32, .uint64])
}

enum Reduction: Sendable {
  case sum, mean, product, largest, smallest
  case sumOfSquares, sumOfMagnitudes, length, logSum, logSumExp
}

/// One value for all elements along some axes.
///
/// The order of a sum follows from the axes alone, never from a size: a row of a batch has the
/// same bits in every batch.
struct Reduce: NumberOperator {
  let kind: Reduction
  /// Nil: they are input 1.
  let axes: [Int]?
  let keepsAxes: Bool
  let keepsAllWithoutAxes: Bool
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    var given = axes ?? []
    if axes == nil { given = try scratch.integers(1) ?? [] }
    var isReduced = [Bool](repeating: given.isEmpty && !keepsAllWithoutAxes, count: rank)
    for axis in given { isReduced[try checkedAxis(axis, rank: rank)] = true }
    var dimensions: [Int] = []
    for axis in 0..<rank {
      if !isReduced[axis] {
        dimensions.append(input.shape[axis])
      } else if keepsAxes {
        dimensions.append(1)
      }
    }
    let source = try arranged(input, isReduced, scratch)
    var output = try scratch.memory(0, try checkedShape(dimensions))
    if Element.isInteger, rounds(isReduced) {
      guard input.shape.elementCount <= scratch.maxBytes / 16 else {
        throw OperatorError("\(input.shape) as doubles takes too much memory")
      }
      var wide = source
      wide.tensor = try converted(source.tensor, to: .float64)
      var results = Tensor(.float64, shape: output.shape)
      reduce(wide, into: &results, Double.self)
      saturate(results, to: &output, Element.self)
    } else {
      reduce(source, into: &output, Element.self)
    }
    scratch.give(0, output)
  }

  /// Whether ONNX Runtime computes integers in double, and so do we.
  ///
  /// Beyond 2⁵³ it adds in an order that depends on the sizes; ours does not, and may round
  /// differently there.
  private func rounds(_ isReduced: [Bool]) -> Bool {
    switch kind {
    case .largest, .smallest: false
    // Along no axis these are copies; a tensor without an axis is reduced all the same.
    case .sum, .mean, .product: isReduced.isEmpty || isReduced.contains(true)
    case .sumOfSquares, .sumOfMagnitudes, .length, .logSum, .logSumExp: true
    }
  }

  /// Casts to integers: what is too large is the largest there is, NaN the smallest.
  private func saturate<Element: NumberElement>(
    _ results: Tensor, to output: inout Tensor, _: Element.Type
  ) {
    let values = results.values(as: Double.self)
    var target = output.mutableValues(as: Element.self)
    for index in target.indices {
      // The largest of 64 bits is rounded up to a number that is itself too large.
      target[index] =
        values[index] >= Element.highest.asDouble
        ? Element.highest : Element(truncating: values[index])
    }
  }

  /// Elements as `(outer, length, inner)`, the middle to be reduced.
  private struct Arranged {
    var tensor: Tensor
    var outer: Int
    var length: Int
    var inner: Int
    /// No axis follows the reduced ones. An axis of size 1 is not "none": sizes decide nothing.
    var isLast: Bool
  }

  private func arranged(
    _ input: Tensor, _ isReduced: [Bool], _ scratch: ONNXScratch
  ) throws(OperatorError) -> Arranged {
    let shape = input.shape.array
    let first = isReduced.firstIndex(of: true) ?? shape.count
    let end = isReduced[first...].firstIndex(of: false) ?? shape.count
    func product(_ sizes: some Sequence<Int>) throws(OperatorError) -> Int {
      try checkedShape(Array(sizes)).elementCount
    }
    if !isReduced[end...].contains(true) {
      return Arranged(
        tensor: input, outer: try product(shape[..<first]), length: try product(shape[first..<end]),
        inner: try product(shape[end...]), isLast: end == shape.count)
    }
    // Several groups of axes: the reduced ones go to the end.
    let order = shape.indices.filter { !isReduced[$0] } + shape.indices.filter { isReduced[$0] }
    let strides = rowMajorStrides(input.shape)
    let writer = ElementWriter(
      reusing: Tensor(input.elementType, shape: Shape(0)),
      shape: try checkedShape(order.map { shape[$0] }))
    let moved = strided(
      input, 0, order.map { strides[$0] }, try checkedShape(order.map { shape[$0] }), writer)
    return Arranged(
      tensor: moved, outer: try product(shape.indices.filter { !isReduced[$0] }.map { shape[$0] }),
      length: try product(shape.indices.filter { isReduced[$0] }.map { shape[$0] }), inner: 1,
      isLast: true)
  }

  private func reduce<Element: NumberElement>(
    _ source: Arranged, into output: inout Tensor, _: Element.Type
  ) {
    let nothing = Element.nothing
    switch kind {
    case .sum, .mean, .logSum:
      fold(source, &output, nothing) { (sum: Element, x: Element) in Element.sum(sum, x) }
    case .product:
      fold(source, &output, Element.one, lanes: false) { (product: Element, x: Element) in
        Element.product(product, x)
      }
    case .sumOfSquares, .length:
      fold(source, &output, nothing) { (sum: Element, x: Element) in
        Element.sum(sum, Element.product(x, x))
      }
    case .sumOfMagnitudes:
      fold(source, &output, nothing) { (sum: Element, x: Element) in
        Element.sum(sum, x < nothing ? Element.negated(x) : x)
      }
    // A comparison with NaN is false, so only a leading NaN stays. ONNX Runtime does the same along
    // a first axis; along the last it depends on the lane of a vector where the NaN falls.
    case .largest: pick(source, &output, Element.lowest) { (x: Element, best: Element) in x > best }
    case .smallest:
      pick(source, &output, Element.highest) { (x: Element, best: Element) in x < best }
    case .logSumExp: logSumExp(source, &output, Element.self)
    }
    var target = output.mutableValues(as: Element.self)
    switch kind {
    case .mean:
      // The mean of nothing is 0 in ONNX Runtime.
      if source.length == 0 { return }
      let count = Element(count: source.length)
      for index in target.indices { target[index] = Element.quotient(target[index], count) }
    case .length:
      for index in target.indices {
        target[index] = Element(truncating: target[index].asDouble.squareRoot())
      }
    case .logSum:
      for index in target.indices {
        target[index] = Element(truncating: Double.log(target[index].asDouble))
      }
    case .sum, .product, .largest, .smallest, .sumOfSquares, .sumOfMagnitudes, .logSumExp: return
    }
  }

  @inline(__always)
  private func fold<Element: NumberElement>(
    _ source: Arranged, _ output: inout Tensor, _ start: Element, lanes: Bool = true,
    _ body: (Element, Element) -> Element
  ) {
    let tensor = source.tensor
    let values = tensor.values(as: Element.self)
    var target = output.mutableValues(as: Element.self)
    precondition(values.count == source.outer * source.length * source.inner)
    precondition(target.count == source.outer * source.inner)
    // Unchecked: the two lines above.
    if source.isLast {
      for row in 0..<source.outer {
        let first = row * source.length
        var (a, b, c, d) = (start, start, start, start)
        var (e, f, g, h) = (start, start, start, start)
        var step = 0
        if lanes {
          while step + 8 <= source.length {
            let place = first + step
            a = body(a, values[unchecked: place])
            b = body(b, values[unchecked: place + 1])
            c = body(c, values[unchecked: place + 2])
            d = body(d, values[unchecked: place + 3])
            e = body(e, values[unchecked: place + 4])
            f = body(f, values[unchecked: place + 5])
            g = body(g, values[unchecked: place + 6])
            h = body(h, values[unchecked: place + 7])
            step += 8
          }
          a = Element.sum(
            Element.sum(Element.sum(a, e), Element.sum(c, g)),
            Element.sum(Element.sum(b, f), Element.sum(d, h)))
        }
        while step < source.length {
          a = body(a, values[unchecked: first + step])
          step += 1
        }
        target[unchecked: row] = a
      }
      return
    }
    for index in 0..<target.count { target[unchecked: index] = start }
    for outer in 0..<(source.inner == 0 ? 0 : source.outer) {
      for step in 0..<source.length {
        let first = (outer * source.length + step) * source.inner
        let place = outer * source.inner
        for column in 0..<source.inner {
          target[unchecked: place + column] = body(
            target[unchecked: place + column], values[unchecked: first + column])
        }
      }
    }
  }

  /// The first of the best; no elements give `none`.
  @inline(__always)
  private func pick<Element: NumberElement>(
    _ source: Arranged, _ output: inout Tensor, _ none: Element,
    isBetter: (Element, Element) -> Bool
  ) {
    let tensor = source.tensor
    let values = tensor.values(as: Element.self)
    var target = output.mutableValues(as: Element.self)
    for outer in 0..<(source.inner == 0 ? 0 : source.outer) {
      let place = outer * source.inner
      for column in 0..<source.inner {
        target[place + column] =
          source.length == 0 ? none : values[outer * source.length * source.inner + column]
      }
      for step in 0..<source.length {
        let first = (outer * source.length + step) * source.inner
        for column in 0..<source.inner {
          let value = values[first + column]
          if isBetter(value, target[place + column]) { target[place + column] = value }
        }
      }
    }
  }

  /// log Σ eˣ, the largest x taken out first unless it is infinite.
  private func logSumExp<Element: NumberElement>(
    _ source: Arranged, _ output: inout Tensor, _: Element.Type
  ) {
    let tensor = source.tensor
    let values = tensor.values(as: Element.self)
    var target = output.mutableValues(as: Element.self)
    for outer in 0..<(source.inner == 0 ? 0 : source.outer) {
      for column in 0..<source.inner {
        let first = outer * source.length * source.inner + column
        var largest = -Double.infinity
        for step in 0..<source.length {
          largest = max(largest, values[first + step * source.inner].asDouble)
        }
        if !largest.isFinite { largest = 0 }
        var sum = 0.0
        for step in 0..<source.length {
          sum += Double.exp(values[first + step * source.inner].asDouble - largest)
        }
        target[outer * source.inner + column] = Element(truncating: Double.log(sum) + largest)
      }
    }
  }
}

/// Where the largest or smallest value stands along an axis. A comparison with NaN is false: a
/// later NaN never wins, and a leading one stays.
struct ArgExtreme: NumberOperator {
  let axis: Int
  let keepsAxis: Bool
  let picksLast: Bool
  let wantsLargest: Bool
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let axis = try checkedAxis(axis, rank: input.shape.rank)
    var dimensions = input.shape.array
    let length = dimensions[axis]
    guard length > 0 else { throw OperatorError("axis \(axis) of \(input.shape) is empty") }
    let inner = try checkedShape(Array(dimensions[(axis + 1)...])).elementCount
    if keepsAxis { dimensions[axis] = 1 } else { dimensions.remove(at: axis) }
    var output = try scratch.memory(0, try checkedShape(dimensions))
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Int64.self)
      for place in target.indices {
        let start = place / inner * length * inner + place % inner
        var best = source[start]
        var found = 0
        for step in 1..<max(length, 1) {
          let value = source[start + step * inner]
          let isBetter =
            wantsLargest
            ? (picksLast ? value >= best : value > best)
            : (picksLast ? value <= best : value < best)
          if isBetter {
            best = value
            found = step
          }
        }
        target[place] = Int64(found)
      }
    }
    scratch.give(0, output)
  }
}
