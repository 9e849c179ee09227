import Executors
import Tensors

extension OperatorTable {
  static let scattering: [OperatorDefinition] = [
    OperatorDefinition(
      "ScatterElements", [11, 13, 16, 18], scattered, others: [.index, .same], minInputs: 3,
      maxInputs: 3
    ) { context throws(ModelFormatError) in try scatterElements(&context) },
    OperatorDefinition(
      "Scatter", [9, 11], scattered, others: [.index, .same], minInputs: 3, maxInputs: 3
    ) { context throws(ModelFormatError) in try scatterElements(&context) },
    OperatorDefinition(
      "ScatterND", [11, 13, 16, 18], scattered, others: [.int64, .same], minInputs: 3, maxInputs: 3
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      return BuiltOperator(
        Scatter(axis: nil, reduction: try ScatterReduction(&context), type: type), type)
    },
  ]

  private static let scattered = numbers.union([.bool])

  private static func scatterElements(
    _ context: inout NodeContext
  ) throws(ModelFormatError) -> BuiltOperator {
    let type = try context.type(0)
    return BuiltOperator(
      Scatter(
        axis: try context.integer("axis") ?? 0, reduction: try ScatterReduction(&context),
        type: type), type)
  }
}

/// What becomes of an element that an update meets.
enum ScatterReduction: String, Sendable {
  case none, add, mul, max, min

  init(_ context: inout NodeContext) throws(ModelFormatError) {
    guard context.version >= 16 else {
      self = .none
      return
    }
    let name = try context.string("reduction") ?? "none"
    guard let found = ScatterReduction(rawValue: name) else {
      throw context.unsupported("reduction '\(name)' is not run")
    }
    let type = try context.type(0)
    guard found == .none || type != .bool else {
      throw context.unsupported("reduction '\(name)' of \(type.name) is not run")
    }
    self = found
  }
}

/// The data with some elements (ScatterElements, by `axis`) or slices (ScatterND) replaced.
struct Scatter: NumberOperator {
  let axis: Int?
  let reduction: ScatterReduction
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let data = try scratch.input(0)
    let indices = try scratch.input(1)
    let updates = try scratch.input(2)
    var places: [Int]
    var width = 1
    if let axis {
      guard indices.shape == updates.shape else {
        throw OperatorError("indices of shape \(indices.shape), updates of \(updates.shape)")
      }
      let axis = try checkedAxis(axis, rank: data.shape.rank)
      let wanted = try checkedIndices(indices, input: 1, size: data.shape[axis])
      places = try elementPlaces(wanted, indices.shape, in: data.shape, axis: axis)
    } else {
      let tuples = try IndexTuples(indices, into: data.shape, batchAxes: 0, input: 1)
      guard tuples.shape == updates.shape else {
        throw OperatorError("updates of shape \(updates.shape); \(tuples.shape) was expected")
      }
      places = tuples.starts
      width = tuples.sliceCount
    }
    var output = try scratch.memory(0, data.shape)
    do {
      let source = data.values(as: Element.self)
      let given = updates.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for index in source.indices { target[index] = source[index] }
      for (number, place) in places.enumerated() {
        for step in 0..<width {
          let old = target[place + step]
          let new = given[number * width + step]
          target[place + step] =
            switch reduction {
            case .none: new
            case .add: Element.sum(old, new)
            case .mul: Element.product(old, new)
            case .max: new > old || new.isNotANumber ? new : old
            case .min: new < old || new.isNotANumber ? new : old
            }
        }
      }
    }
    scratch.give(0, output)
  }
}
