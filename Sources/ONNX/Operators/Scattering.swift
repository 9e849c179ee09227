import Executors
import Tensors

extension OperatorTable {
  static let scattering: [OperatorDefinition] = [
    OperatorDefinition(
      "ScatterElements", [11, 13, 16, 18], all, others: [.index, .same], minInputs: 3,
      maxInputs: 3
    ) { context throws(ModelFormatError) in try scatterElements(&context) },
    OperatorDefinition(
      "Scatter", [9, 11], all, others: [.index, .same], minInputs: 3, maxInputs: 3
    ) { context throws(ModelFormatError) in try scatterElements(&context) },
    OperatorDefinition(
      "ScatterND", [11, 13, 16, 18], all, others: [.int64, .same], minInputs: 3, maxInputs: 3
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      return BuiltOperator(
        Scatter(axis: nil, reduction: try ScatterReduction(&context), type: type), type)
    },
  ]

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
    switch (found, type) {
    case (.none, _), (.add, .string): self = found
    case (_, .string), (_, .bfloat16), (.add, .float16), (.mul, .float16), (.max, .bool),
      (.min, .bool):
      throw context.unsupported("reduction '\(name)' of \(type.name) is not run")
    // Of 0 and 1 these are "or" and "and".
    case (.add, .bool): self = .max
    case (.mul, .bool): self = .min
    default: self = found
    }
  }
}

/// The data with some elements (ScatterElements, by `axis`) or slices (ScatterND) replaced.
struct Scatter: NumberOperator {
  let axis: Int?
  let reduction: ScatterReduction
  let type: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch type {
    case .string: try runText(scratch)
    // Its elements are only moved.
    case .bfloat16: try run(scratch, as: UInt16.self)
    default: try runNumbers(scratch)
    }
  }

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let data = try scratch.input(0)
    let updates = try scratch.input(2)
    let (places, width) = try places(scratch)
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
            // A comparison with NaN is false: the newer of the two stays, as in ONNX Runtime.
            case .max: new < old ? old : new
            case .min: new > old ? old : new
            }
        }
      }
    }
    scratch.give(0, output)
  }

  /// Texts are put in the place of others, or behind them.
  private func runText(_ scratch: ONNXScratch) throws(OperatorError) {
    let data = try scratch.input(0)
    let old = data.strings
    let given = try scratch.input(2).strings
    let (places, width) = try places(scratch)
    let size = MemoryLayout<Int>.size
    // The texts and where they end, and the lists below.
    let texts = old.byteCount + given.byteCount + size * old.count
    try scratch.checkRoom(texts + size * (old.count + given.count), for: "output 0")
    /// The first update of each element, and behind each update the next of the same; −1 for none.
    var first = [Int](repeating: -1, count: old.count)
    var next = [Int](repeating: -1, count: given.count)
    // From the last: of two that replace an element, the later one counts.
    for number in places.indices.reversed() {
      if number & 4095 == 0 { try scratch.stopAtDeadline() }
      for step in 0..<width {
        let (place, update) = (places[number] + step, number * width + step)
        if reduction == .add {
          next[update] = first[place]
          first[place] = update
        } else if first[place] < 0 {
          first[place] = update
        }
      }
    }
    var result = ByteStrings()
    var text: [UInt8] = []
    for place in 0..<old.count {
      if place & 4095 == 0 { try scratch.stopAtDeadline() }
      guard first[place] >= 0 else {
        result.append(old[place])
        continue
      }
      text.removeAll(keepingCapacity: true)
      if reduction == .add { text += old[place] }
      var update = first[place]
      while update >= 0 {
        text += given[update]
        update = next[update]
      }
      result.append(text)
    }
    scratch.give(0, Tensor(strings: result, shape: data.shape))
  }

  /// Where in the data each update begins, checked, and how many elements it has.
  private func places(
    _ scratch: ONNXScratch
  ) throws(OperatorError) -> (starts: [Int], width: Int) {
    let data = try scratch.input(0)
    let indices = try scratch.input(1)
    let updates = try scratch.input(2)
    guard let axis else {
      let tuples = try IndexTuples(indices, into: data.shape, batchAxes: 0, input: 1)
      guard tuples.shape == updates.shape else {
        throw OperatorError("updates of shape \(updates.shape); \(tuples.shape) was expected")
      }
      return (tuples.starts, tuples.sliceCount)
    }
    guard indices.shape == updates.shape else {
      throw OperatorError("indices of shape \(indices.shape), updates of \(updates.shape)")
    }
    let known = try checkedAxis(axis, rank: data.shape.rank)
    let wanted = try checkedIndices(indices, input: 1, size: data.shape[known])
    return (try elementPlaces(wanted, indices.shape, in: data.shape, axis: known), 1)
  }
}
