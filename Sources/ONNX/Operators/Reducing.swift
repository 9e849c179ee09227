import Executors
import Tensors

extension OperatorTable {
  static let reducing: [OperatorDefinition] = ["ArgMax", "ArgMin"].map { name in
    OperatorDefinition(name, [1, 11, 12, 13], numbers) { context throws(ModelFormatError) in
      let axis = try context.integer("axis") ?? 0
      let keeps = try context.integer("keepdims") ?? 1 != 0
      let last = context.version >= 12 ? try context.integer("select_last_index") ?? 0 != 0 : false
      func made<Element: TensorElement & Comparable>(_: Element.Type) -> BuiltOperator {
        BuiltOperator(
          ArgExtreme<Element>(
            axis: axis, keepsAxis: keeps, picksLast: last, wantsLargest: name == "ArgMax"), .int64)
      }
      return switch try context.type(0) {
      case .float64: made(Double.self)
      case .int8: made(Int8.self)
      case .int16: made(Int16.self)
      case .int32: made(Int32.self)
      case .int64: made(Int64.self)
      case .uint8: made(UInt8.self)
      case .uint16: made(UInt16.self)
      case .uint32: made(UInt32.self)
      case .uint64: made(UInt64.self)
      default: made(Float.self)
      }
    }
  }
}

/// Where the largest or smallest value stands along an axis. A comparison with NaN is false: a
/// later NaN never wins, and a leading one stays.
struct ArgExtreme<Element: TensorElement & Comparable>: Operator {
  let axis: Int
  let keepsAxis: Bool
  let picksLast: Bool
  let wantsLargest: Bool

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
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
