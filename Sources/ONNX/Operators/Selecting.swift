import Executors
import Tensors

extension OperatorTable {
  static let selecting: [OperatorDefinition] = [
    OperatorDefinition("TopK", [1, 10, 11, 24], numbers, others: [.int64], maxInputs: 2) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      var count: Int?
      if context.version < 10 {
        guard let stated = try context.integer("k") else { throw context.malformed("it has no k") }
        count = stated
      }
      let isNew = context.version >= 11
      let largest = isNew ? try context.integer("largest") ?? 1 != 0 : true
      // Unsorted results may stand in any order; sorted is one.
      if isNew { _ = try context.integer("sorted") }
      return BuiltOperator(
        TopK(
          axis: try context.integer("axis") ?? -1, count: count, wantsLargest: largest,
          type: type), type, .int64)
    },
    OperatorDefinition("Hardmax", [1, 11, 13], floats) { context throws(ModelFormatError) in
      let flattens = context.version < 13
      let type = try context.type(0)
      return BuiltOperator(
        Hardmax(
          axis: try context.integer("axis") ?? (flattens ? 1 : -1), flattens: flattens,
          type: type), type)
    },
  ]
}

/// The best values along an axis, best first, and where they stood. Of equal ones the first
/// comes first; NaN comes last.
struct TopK: NumberOperator {
  let axis: Int
  /// Nil: it is input 1.
  let count: Int?
  let wantsLargest: Bool
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let axis = try checkedAxis(axis, rank: input.shape.rank)
    var wanted = count
    if wanted == nil {
      let given = try scratch.integers(1) ?? []
      guard given.count == 1 else { throw OperatorError("k has \(given.count) elements") }
      wanted = given[0]
    }
    let length = input.shape[axis]
    guard let count = wanted, count >= 0, count <= length else {
      throw OperatorError("the best \(wanted ?? 0) of \(length) values")
    }
    var dimensions = input.shape.array
    let inner = try checkedShape(Array(dimensions[(axis + 1)...])).elementCount
    let outer = try checkedShape(Array(dimensions[..<axis])).elementCount
    dimensions[axis] = count
    let shape = try checkedShape(dimensions)
    var values = try scratch.memory(0, shape)
    var places = try scratch.memory(1, shape)
    do {
      let source = input.values(as: Element.self)
      var target = values.mutableValues(as: Element.self)
      var targetPlaces = places.mutableValues(as: Int64.self)
      var best: [Candidate<Element>] = []
      let runs = shape.elementCount == 0 ? 0 : outer * inner
      if runs > 0 { best.reserveCapacity(count + 1) }
      for run in 0..<runs {
        let first = run / inner * length * inner + run % inner
        try select(source, first, inner, length, count, &best, scratch)
        let place = run / inner * count * inner + run % inner
        for rank in 0..<count {
          target[place + rank * inner] = best[rank].value
          targetPlaces[place + rank * inner] = Int64(best[rank].index)
        }
      }
    }
    scratch.give(0, values)
    scratch.give(1, places)
  }

  private struct Candidate<Element: NumberElement> {
    var value: Element
    var index: Int
  }

  /// Whether `a` comes before `b`.
  @inline(__always)
  private func precedes<Element: NumberElement>(
    _ a: Candidate<Element>, _ b: Candidate<Element>
  ) -> Bool {
    if wantsLargest ? a.value > b.value : a.value < b.value { return true }
    if a.value == b.value { return a.index < b.index }
    if a.value.isNotANumber { return b.value.isNotANumber && a.index < b.index }
    return b.value.isNotANumber
  }

  private func select<Element: NumberElement>(
    _ source: Span<Element>, _ first: Int, _ step: Int, _ length: Int, _ count: Int,
    _ best: inout [Candidate<Element>], _ scratch: ONNXScratch
  ) throws(OperatorError) {
    best.removeAll(keepingCapacity: true)
    // Few of many: keep a sorted list. Otherwise sort everything.
    if count <= 64 {
      for index in 0..<length {
        if index & 0xFFFF == 0xFFFF { try scratch.stopAtDeadline() }
        let candidate = Candidate(value: source[first + index * step], index: index)
        if best.count == count, !precedes(candidate, best[count - 1]) { continue }
        if best.count == count { best.removeLast() }
        var low = 0
        var high = best.count
        while low < high {
          let middle = (low + high) / 2
          if precedes(candidate, best[middle]) { high = middle } else { low = middle + 1 }
        }
        best.insert(candidate, at: low)
      }
      return
    }
    for index in 0..<length {
      best.append(Candidate(value: source[first + index * step], index: index))
      // What can be left out is left out now and then: no more than twice as many are sorted.
      guard best.count == max(2 * count, 1 << 12) else { continue }
      try scratch.stopAtDeadline()
      best.sort { precedes($0, $1) }
      best.removeLast(best.count - count)
    }
    try scratch.stopAtDeadline()
    best.sort { precedes($0, $1) }
  }
}

/// 1 at the first of the largest values, 0 elsewhere. A leading NaN leaves no 1, as in ONNX Runtime,
/// where what a later one does depends on the lane of a vector it falls in; here it is passed over.
struct Hardmax: FloatOperator {
  let axis: Int
  /// Before version 13 all axes from `axis` on are one.
  let flattens: Bool
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    let axis = flattens && axis == rank ? rank : try checkedAxis(axis, rank: rank)
    let dimensions = input.shape.array
    let length = try checkedShape(
      flattens ? Array(dimensions[axis...]) : [dimensions[axis]]
    ).elementCount
    let inner = flattens ? 1 : try checkedShape(Array(dimensions[(axis + 1)...])).elementCount
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for index in target.indices { target[index] = 0 }
      for run in 0..<(source.count == 0 ? 0 : source.count / length) {
        let first = run / inner * length * inner + run % inner
        var best = first
        for step in 1..<max(length, 1) where source[first + step * inner] > source[best] {
          best = first + step * inner
        }
        target[best] = source[best].isNaN ? 0 : 1
      }
    }
    scratch.give(0, output)
  }
}
