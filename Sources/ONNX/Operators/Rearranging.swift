import Executors
import Tensors

extension OperatorTable {
  static let rearranging: [OperatorDefinition] = [
    OperatorDefinition("DepthToSpace", [1, 11, 13], all) { context throws(ModelFormatError) in
      let mode = context.version >= 11 ? try context.string("mode") ?? "DCR" : "DCR"
      guard mode == "DCR" || mode == "CRD" else { throw context.malformed("mode is '\(mode)'") }
      return BuiltOperator(
        DepthToSpace(block: try block(&context), isDepthFirst: mode == "DCR"),
        try context.type(0))
    },
    OperatorDefinition("SpaceToDepth", [1, 13], all) { context throws(ModelFormatError) in
      BuiltOperator(SpaceToDepth(block: try block(&context)), try context.type(0))
    },
    OperatorDefinition(
      "Trilu", [14], numbers.union([.bool]), others: [.int64], maxInputs: 2
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      return BuiltOperator(
        Trilu(keepsUpper: try context.integer("upper") ?? 1 != 0, type: type), type)
    },
    OperatorDefinition("EyeLike", [9, 22], numbers.union([.bool])) {
      context throws(ModelFormatError) in
      var type = try context.type(0)
      if let number = try context.integer("dtype") {
        guard let known = TensorReader.elementType(Int64(number)),
          numbers.union([.bool, .float16]).contains(known)
        else { throw context.unsupported("dtype \(number) is not run") }
        type = known
      }
      return BuiltOperator(EyeLike(diagonal: try context.integer("k") ?? 0, type: type), type)
    },
    OperatorDefinition(
      "CumSum", [11, 14], numbers, others: [.index], minInputs: 2, maxInputs: 2
    ) { context throws(ModelFormatError) in try cumulation(&context, multiplies: false) },
    OperatorDefinition(
      "CumProd", [26], numbers, others: [.index], minInputs: 2, maxInputs: 2
    ) { context throws(ModelFormatError) in try cumulation(&context, multiplies: true) },
    OperatorDefinition("IsNaN", [9, 13, 20], testable) {
      context throws(ModelFormatError) in
      BuiltOperator(FloatTest(type: try context.type(0), test: .isNaN), .bool)
    },
    OperatorDefinition("IsInf", [10, 20], testable) {
      context throws(ModelFormatError) in
      let negative = try context.integer("detect_negative") ?? 1 != 0
      let positive = try context.integer("detect_positive") ?? 1 != 0
      return BuiltOperator(
        FloatTest(
          type: try context.type(0), test: .isInfinite(negative: negative, positive: positive)),
        .bool)
    },
    OperatorDefinition("Det", [11, 22], floats) { context throws(ModelFormatError) in
      let type = try context.type(0)
      return BuiltOperator(Determinant(type: type), type)
    },
  ]

  private static let testable = floats.union([
    .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
  ])

  private static func block(_ context: inout NodeContext) throws(ModelFormatError) -> Int {
    let size = try context.integer("blocksize") ?? 0
    guard size > 0, size <= 1 << 15 else { throw context.malformed("blocksize is \(size)") }
    return size
  }

  private static func cumulation(
    _ context: inout NodeContext, multiplies: Bool
  ) throws(ModelFormatError) -> BuiltOperator {
    let type = try context.type(0)
    return BuiltOperator(
      Cumulation(
        multiplies: multiplies, isExclusive: try context.integer("exclusive") ?? 0 != 0,
        runsBack: try context.integer("reverse") ?? 0 != 0, type: type), type)
  }
}

/// The elements with their axes split and put into another order.
private func rearranged(
  _ input: Tensor, split: [Int], order: [Int], to dimensions: [Int], _ scratch: ONNXScratch
) throws(OperatorError) {
  let strides = rowMajorStrides(try checkedShape(split))
  let shape = try checkedShape(dimensions)
  let writer = try scratch.writer(0, shape)
  scratch.give(
    0, strided(input, 0, order.map { strides[$0] }, order.map { split[$0] }, shape, writer))
}

/// A dimension times a block's size: an empty tensor's may be as large as an Int.
private func product(_ size: Int, _ factor: Int) throws(OperatorError) -> Int {
  let (result, overflows) = size.multipliedReportingOverflow(by: factor)
  guard !overflows else { throw OperatorError("a dimension of \(size) times \(factor)") }
  return result
}

struct DepthToSpace: Operator {
  let block: Int
  let isDepthFirst: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank == 4, input.shape[1] % (block * block) == 0 else {
      throw OperatorError("blocks of \(block) for an input of shape \(input.shape)")
    }
    let (n, h, w) = (input.shape[0], input.shape[2], input.shape[3])
    let depth = input.shape[1] / (block * block)
    let result = [n, depth, try product(h, block), try product(w, block)]
    if isDepthFirst {
      try rearranged(
        input, split: [n, block, block, depth, h, w], order: [0, 3, 4, 1, 5, 2], to: result,
        scratch)
    } else {
      try rearranged(
        input, split: [n, depth, block, block, h, w], order: [0, 1, 4, 2, 5, 3], to: result,
        scratch)
    }
  }
}

struct SpaceToDepth: Operator {
  let block: Int

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank == 4, input.shape[2] % block == 0, input.shape[3] % block == 0 else {
      throw OperatorError("blocks of \(block) for an input of shape \(input.shape)")
    }
    let (n, c) = (input.shape[0], input.shape[1])
    let (h, w) = (input.shape[2] / block, input.shape[3] / block)
    try rearranged(
      input, split: [n, c, h, block, w, block], order: [0, 3, 5, 1, 2, 4],
      to: [n, try product(c, block * block), h, w], scratch)
  }
}

/// Zeros above or below a diagonal of the last two axes.
struct Trilu: NumberOperator {
  let keepsUpper: Bool
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    guard rank >= 2 else { throw OperatorError("an input of shape \(input.shape) is no matrix") }
    let given = try scratch.integers(1) ?? [0]
    guard given.count == 1 else { throw OperatorError("k has \(given.count) elements") }
    let columns = input.shape[rank - 1]
    let rows = input.shape[rank - 2]
    let diagonal = min(max(given[0], -rows - 1), columns + 1)
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for index in source.indices {
        let column = index % columns
        let row = index / columns % rows
        let isKept = keepsUpper ? column >= row + diagonal : column <= row + diagonal
        target[index] = isKept ? source[index] : Element.nothing
      }
    }
    scratch.give(0, output)
  }
}

struct EyeLike: NumberOperator {
  let diagonal: Int
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let shape = try scratch.input(0).shape
    guard shape.rank == 2 else { throw OperatorError("an input of shape \(shape) is no matrix") }
    var output = try scratch.memory(0, shape)
    do {
      var target = output.mutableValues(as: Element.self)
      for index in target.indices {
        let (column, _) = (index / shape[1]).addingReportingOverflow(diagonal)
        target[index] = index % shape[1] == column ? Element.one : Element.nothing
      }
    }
    scratch.give(0, output)
  }
}

/// CumSum and CumProd: what stands up to each place, from either end.
struct Cumulation: NumberOperator {
  let multiplies: Bool
  let isExclusive: Bool
  let runsBack: Bool
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let given = try scratch.integers(1) ?? []
    guard given.count == 1 else { throw OperatorError("the axis has \(given.count) elements") }
    let axis = try checkedAxis(given[0], rank: input.shape.rank)
    let length = input.shape[axis]
    let inner = try checkedShape(Array(input.shape.array[(axis + 1)...])).elementCount
    var output = try scratch.memory(0, input.shape)
    if input.shape.elementCount > 0 {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for outer in stride(from: 0, to: source.count, by: length * inner) {
        for column in 0..<inner {
          var total = multiplies ? Element.one : Element.nothing
          for step in 0..<length {
            let place = outer + (runsBack ? length - 1 - step : step) * inner + column
            let next =
              multiplies
              ? Element.product(total, source[place]) : Element.sum(total, source[place])
            target[place] = isExclusive ? total : next
            total = next
          }
        }
      }
    }
    scratch.give(0, output)
  }
}

struct FloatTest: Operator {
  enum Test: Sendable {
    case isNaN
    case isInfinite(negative: Bool, positive: Bool)
  }

  let type: ElementType
  let test: Test

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch type {
    case .float64: try run(scratch, as: Double.self)
    case .float16: try run(scratch, as: Float16.self)
    case .bfloat16:
      try map(scratch) { (bits: UInt16) -> UInt8 in
        holds(Float(bitPattern: UInt32(bits) << 16)) ? 1 : 0
      }
    default:
      guard let format = Float8.format(type) else { return try run(scratch, as: Float.self) }
      try map(scratch) { (byte: UInt8) -> UInt8 in holds(format.values[Int(byte)]) ? 1 : 0 }
    }
  }

  private func run<Element: TensorElement & BinaryFloatingPoint>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    try map(scratch) { (x: Element) -> UInt8 in holds(x) ? 1 : 0 }
  }

  @inline(__always)
  private func holds<Element: BinaryFloatingPoint>(_ x: Element) -> Bool {
    switch test {
    case .isNaN: x.isNaN
    case .isInfinite(let negative, let positive): x.isInfinite && (x < 0 ? negative : positive)
    }
  }
}

/// By elimination with partial pivoting.
struct Determinant: FloatOperator {
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    guard rank >= 2, input.shape[rank - 1] == input.shape[rank - 2] else {
      throw OperatorError("an input of shape \(input.shape) is no square matrix")
    }
    let size = input.shape[rank - 1]
    var output = try scratch.memory(0, try checkedShape(Array(input.shape.array.dropLast(2))))
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for matrix in target.indices {
        try scratch.stopAtDeadline()
        var rows: [Element] = []
        for index in 0..<(size * size) { rows.append(source[matrix * size * size + index]) }
        target[matrix] = try determinant(&rows, size, scratch)
      }
    }
    scratch.give(0, output)
  }

  private func determinant<Element: FloatElement>(
    _ rows: inout [Element], _ size: Int, _ scratch: ONNXScratch
  ) throws(OperatorError) -> Element {
    var result: Element = 1
    for column in 0..<size {
      if column & 63 == 63 { try scratch.stopAtDeadline() }
      var pivot = column
      for row in (column + 1)..<max(size, column + 1)
      where rows[row * size + column].magnitude > rows[pivot * size + column].magnitude {
        pivot = row
      }
      if rows[pivot * size + column] == 0 { return 0 }
      if pivot != column {
        for place in 0..<size { rows.swapAt(pivot * size + place, column * size + place) }
        result = -result
      }
      result *= rows[column * size + column]
      for row in (column + 1)..<max(size, column + 1) {
        let factor = rows[row * size + column] / rows[column * size + column]
        for place in column..<size {
          rows[row * size + place] -= factor * rows[column * size + place]
        }
      }
    }
    return result
  }
}
