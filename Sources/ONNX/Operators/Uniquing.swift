import Executors
import Tensors

extension OperatorTable {
  static let uniquing: [OperatorDefinition] = [
    OperatorDefinition(
      "Unique", [11], [.float32, .float64, .int8, .int64, .string],
      mixesRows: "always: what is there once is looked for in the whole batch"
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      var built = BuiltOperator(
        Unique(
          axis: try context.integer("axis"), isSorted: try context.integer("sorted") ?? 1 != 0),
        type, .int64, .int64, .int64)
      built.mixesRows = true
      return built
    }
  ]
}

/// Each element, or each slice along an axis, once: sorted, or in the order in which they come.
/// Further outputs are where each is first, which of them every element is, and how often it is
/// there.
struct Unique: Operator {
  /// Nil: the elements themselves.
  let axis: Int?
  let isSorted: Bool

  /// Where the slices lie.
  private struct Slices {
    var outer = 1
    var count: Int
    var inner = 1

    /// The place of element `part` of slice `index`.
    func place(_ index: Int, _ part: Int) -> Int {
      (part / inner * count + index) * inner + part % inner
    }
  }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let dimensions = input.shape.array
    var slices = Slices(count: input.shape.elementCount)
    var along = 0
    if let axis {
      along = try checkedAxis(axis, rank: dimensions.count)
      slices = Slices(
        outer: try checkedShape(Array(dimensions[..<along])).elementCount,
        count: dimensions[along],
        inner: try checkedShape(Array(dimensions[(along + 1)...])).elementCount)
      guard slices.count == 0 || input.shape.elementCount > 0 else {
        throw OperatorError("the slices of \(input.shape) along axis \(axis) are empty")
      }
    }
    try scratch.stopAtDeadline()
    // An order, a group and a place for each slice.
    try scratch.checkRoom(slices.count * 96, for: "the order of \(slices.count) slices")
    let order = try sorted(input, slices, scratch)
    var firsts: [Int] = []
    var counts: [Int64] = []
    var groups = [Int](repeating: 0, count: slices.count)
    for (index, isNew) in order {
      if index & 0xFFFF == 0 { try scratch.stopAtDeadline() }
      if isNew {
        firsts.append(index)
        counts.append(0)
      }
      groups[index] = firsts.count - 1
      counts[counts.count - 1] += 1
    }
    if !isSorted {
      let places = firsts.indices.sorted { firsts[$0] < firsts[$1] }
      var moved = places
      for (place, group) in places.enumerated() { moved[group] = place }
      firsts = places.map { firsts[$0] }
      counts = places.map { counts[$0] }
      for index in groups.indices { groups[index] = moved[groups[index]] }
    }
    var shape = [firsts.count]
    if axis != nil {
      shape = dimensions
      shape[along] = firsts.count
    }
    var writer = try scratch.writer(0, try checkedShape(shape))
    for block in 0..<(firsts.isEmpty ? 0 : slices.outer) {
      for first in firsts {
        writer.append(
          from: input, start: (block * slices.count + first) * slices.inner, count: slices.inner)
      }
    }
    scratch.give(0, writer.finish())
    scratch.give(1, Tensor(firsts.map { Int64($0) }, shape: Shape(firsts.count)))
    scratch.give(2, Tensor(groups.map { Int64($0) }, shape: Shape(groups.count)))
    scratch.give(3, Tensor(counts, shape: Shape(counts.count)))
  }

  /// The slices in order, equal ones as they come, each with whether it differs from the one
  /// before.
  private func sorted(
    _ input: Tensor, _ slices: Slices, _ scratch: ONNXScratch
  ) throws(OperatorError) -> [(index: Int, isNew: Bool)] {
    switch input.elementType {
    case .float32: return try sorted(input, slices, scratch, Float.self)
    case .float64: return try sorted(input, slices, scratch, Double.self)
    case .int8: return try sorted(input, slices, scratch, Int8.self)
    case .int64: return try sorted(input, slices, scratch, Int64.self)
    default:
      let strings = input.strings
      return try sorted(slices, scratch) { strings[$0].lexicographicallyPrecedes(strings[$1]) }
    }
  }

  private func sorted<Element: NumberElement>(
    _ input: Tensor, _ slices: Slices, _ scratch: ONNXScratch, _: Element.Type
  ) throws(OperatorError) -> [(index: Int, isNew: Bool)] {
    let values = input.values(as: Element.self)
    for index in values.indices where values[index].isNotANumber {
      throw OperatorError("NaN has no place in an order")
    }
    return try sorted(slices, scratch) { values[$0] < values[$1] }
  }

  private func sorted(
    _ slices: Slices, _ scratch: ONNXScratch, _ precedes: (Int, Int) -> Bool
  ) throws(OperatorError) -> [(index: Int, isNew: Bool)] {
    let parts = slices.outer * slices.inner
    var compared = 0
    /// Below 0 when `left` comes first, 0 when they are equal.
    func compare(_ left: Int, _ right: Int) throws(OperatorError) -> Int {
      for part in 0..<parts {
        compared &+= 1
        if compared & 0xFFFF == 0 { try scratch.stopAtDeadline() }
        let (a, b) = (slices.place(left, part), slices.place(right, part))
        if precedes(a, b) { return -1 }
        if precedes(b, a) { return 1 }
      }
      return 0
    }
    let order: [Int]
    do {
      order = try (0..<slices.count).sorted { left, right in
        let found = try compare(left, right)
        return found == 0 ? left < right : found < 0
      }
    } catch let error as OperatorError {
      throw error
    } catch {
      throw OperatorError("\(error)")
    }
    var result: [(index: Int, isNew: Bool)] = []
    result.reserveCapacity(order.count)
    for place in order.indices {
      result.append(
        (order[place], place == 0 ? true : try compare(order[place - 1], order[place]) != 0))
    }
    return result
  }
}
