import Executors
import Tensors

// RNN, GRU and LSTM. The products with the inputs of all steps are one product; then each step
// adds its product with the state. A sequence's bits depend on no other sequence of the batch.
// Source: ONNX Operators.md.

extension OperatorTable {
  static let recurrent: [OperatorDefinition] = [
    OperatorDefinition(
      "RNN", [7, 14, 22], floats, others: recurrentInputs, minInputs: 3, maxInputs: 6
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      return try recurrent(.plain, &context, outputs: [type, type])
    },
    OperatorDefinition(
      "GRU", [7, 14, 22], floats, others: recurrentInputs, minInputs: 3, maxInputs: 6
    ) { context throws(ModelFormatError) in
      let resets = try context.integer("linear_before_reset") ?? 0 != 0
      let cell = RecurrentCell.gated(resetsAfterProduct: resets)
      let type = try context.type(0)
      return try recurrent(cell, &context, outputs: [type, type])
    },
    OperatorDefinition(
      "LSTM", [7, 14, 22], floats, others: recurrentInputs, minInputs: 3, maxInputs: 8
    ) { context throws(ModelFormatError) in
      let cell = RecurrentCell.longShort(
        couplesForget: try context.integer("input_forget") ?? 0 != 0)
      let type = try context.type(0)
      return try recurrent(cell, &context, outputs: [type, type, type])
    },
  ]

  private static func recurrent(
    _ cell: RecurrentCell, _ context: inout NodeContext, outputs: [ElementType]
  ) throws(ModelFormatError) -> BuiltOperator {
    let attributes = try RecurrentAttributes(&context, cell)
    let operation = try Recurrent(cell: cell, attributes, in: context)
    var built = BuiltOperator(operation, outputs: outputs)
    built.unreadInputs = operation.unreadInputs
    return built
  }

  /// W, R, B, sequence_lens, initial_h, initial_c, P.
  private static let recurrentInputs: [TypeRule] = [
    .same, .same, .same, .one(of: [.int32]), .same,
  ]
}

enum RecurrentCell: Sendable {
  case plain
  case gated(resetsAfterProduct: Bool)
  case longShort(couplesForget: Bool)

  /// Blocks of rows in the weights: z, r, h of a GRU; i, o, f, c of an LSTM.
  var gates: Int {
    switch self {
    case .plain: 1
    case .gated: 3
    case .longShort: 4
    }
  }

  /// Activations of one direction when the file names none.
  var usualActivations: [String] {
    switch self {
    case .plain: ["Tanh"]
    case .gated: ["Sigmoid", "Tanh"]
    case .longShort: ["Sigmoid", "Tanh", "Tanh"]
    }
  }
}

struct RecurrentActivation: Sendable {
  enum Kind: String, Sendable {
    case relu, tanh, sigmoid, affine, leakyrelu, thresholdedrelu, scaledtanh, hardsigmoid, elu,
      softsign, softplus
  }

  let kind: Kind
  let alpha: Double
  let beta: Double

  /// What stands where the file gives no alpha or beta; nil where the function has none.
  static func usual(_ kind: Kind) -> (alpha: Double?, beta: Double?) {
    switch kind {
    case .relu, .tanh, .sigmoid, .softsign, .softplus: (nil, nil)
    case .affine: (1, 0)
    case .leakyrelu: (0.01, nil)
    case .thresholdedrelu, .elu: (1, nil)
    case .scaledtanh: (1.7159, 0.6667)
    case .hardsigmoid: (0.2, 0.5)
    }
  }

  @inline(__always)
  func apply<Element: FloatElement>(_ x: Element) -> Element {
    switch kind {
    case .relu: return x < 0 ? 0 : x
    case .tanh: return Element.tanh(x)
    case .sigmoid: return 1 / (1 + Element.exp(-x))
    case .affine: return Element(alpha) * x + Element(beta)
    case .leakyrelu: return x < 0 ? Element(alpha) * x : x
    case .thresholdedrelu: return x > Element(alpha) ? x : 0
    case .scaledtanh: return Element(alpha) * Element.tanh(Element(beta) * x)
    case .hardsigmoid:
      let y = Element(alpha) * x + Element(beta)
      return y < 0 ? 0 : y > 1 ? 1 : y
    case .elu: return x < 0 ? Element(alpha) * (Element.exp(x) - 1) : x
    case .softsign: return x / (1 + x.magnitude)
    case .softplus:
      return x > 0 ? x + Element.log(1 + Element.exp(-x)) : Element.log(1 + Element.exp(x))
    }
  }
}

struct RecurrentAttributes: Sendable {
  /// For each direction: whether it runs from the end, and its activations.
  let directions: [(runsBack: Bool, activations: [RecurrentActivation])]
  let hiddenSize: Int?
  let clip: Double?
  let batchIsFirst: Bool

  init(_ context: inout NodeContext, _ cell: RecurrentCell) throws(ModelFormatError) {
    let direction = try context.string("direction") ?? "forward"
    let runsBack: [Bool]
    switch direction {
    case "forward": runsBack = [false]
    case "reverse": runsBack = [true]
    case "bidirectional": runsBack = [false, true]
    default: throw context.malformed("direction is '\(direction)'")
    }
    hiddenSize = try context.integer("hidden_size")
    clip = try context.float("clip").map { Double($0) }
    batchIsFirst = try context.integer("layout") ?? 0 != 0
    let usual = cell.usualActivations
    let names =
      try context.strings("activations")
      ?? Array(repeating: usual, count: runsBack.count).flatMap { $0 }
    guard names.count == usual.count * runsBack.count else {
      throw context.malformed(
        "it has \(names.count) activations; \(usual.count * runsBack.count) are needed")
    }
    var alphas = (try context.floats("activation_alpha") ?? [])[...]
    var betas = (try context.floats("activation_beta") ?? [])[...]
    var activations: [RecurrentActivation] = []
    for name in names {
      guard let kind = RecurrentActivation.Kind(rawValue: name.lowercased()) else {
        throw context.unsupported("activation '\(name)' is not run")
      }
      let known = RecurrentActivation.usual(kind)
      // ONNX Runtime has other values than ONNX for these.
      if [.affine, .scaledtanh, .thresholdedrelu].contains(kind),
        alphas.isEmpty || (known.beta != nil && betas.isEmpty)
      {
        throw context.unsupported(
          "activation '\(name)' without activation_alpha"
            + (known.beta == nil ? "" : " and activation_beta") + " is not run")
      }
      let alpha = known.alpha.map { alphas.popFirst().map { Double($0) } ?? $0 }
      let beta = known.beta.map { betas.popFirst().map { Double($0) } ?? $0 }
      activations.append(RecurrentActivation(kind: kind, alpha: alpha ?? 0, beta: beta ?? 0))
    }
    directions = runsBack.indices.map {
      (runsBack[$0], Array(activations[($0 * usual.count)..<(($0 + 1) * usual.count)]))
    }
  }
}

struct Recurrent: FloatOperator {
  let cell: RecurrentCell
  let attributes: RecurrentAttributes
  let type: ElementType
  /// Constant weights of a small model, packed; others stay where they lie in the file.
  private let packedInputs: PackedWeights?
  private let packedStates: PackedWeights?

  /// `(directions, rows, columns)` as one `(columns, rows)` for each direction.
  private struct PackedWeights {
    var shape: Shape
    var directions: [Tensor]

    /// Nil as well for what a run refuses: weights without an element may claim any number of
    /// directions.
    init?(_ weights: Tensor?, directions count: Int, _ budget: LoadBudget) {
      guard let weights, weights.shape.rank == 3, weights.shape[0] == count,
        weights.shape.elementCount > 0, budget.pack(weights.byteCount)
      else { return nil }
      shape = weights.shape
      directions = (0..<count).map { direction in
        weights.elementType == .float64
          ? PackedWeights.packed(weights, direction, Double.self)
          : PackedWeights.packed(weights, direction, Float.self)
      }
    }

    private static func packed<Element: FloatElement>(
      _ weights: Tensor, _ direction: Int, _: Element.Type
    ) -> Tensor {
      let shape = weights.shape
      var result = Tensor(weights.elementType, shape: Shape(shape[2], shape[1]))
      transpose(
        Recurrent.weights(of: direction, weights, Element.self), rows: shape[1], columns: shape[2],
        to: &result, as: Element.self)
      return result
    }
  }

  init(
    cell: RecurrentCell, _ attributes: RecurrentAttributes, in context: NodeContext
  ) throws(ModelFormatError) {
    self.cell = cell
    self.attributes = attributes
    type = try context.type(0)
    let count = attributes.directions.count
    let budget = context.tensors.budget
    packedInputs = PackedWeights(context.constant(1), directions: count, budget)
    packedStates = PackedWeights(context.constant(2), directions: count, budget)
  }

  /// The inputs that have been packed.
  var unreadInputs: [Int] { (packedInputs == nil ? [] : [1]) + (packedStates == nil ? [] : [2]) }

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 1 || input == 2 }

  /// The weights of one direction as they lie in the file, `(rows, columns)`. Precondition: rank 3.
  @_lifetime(borrow weights)
  private static func weights<Element: FloatElement>(
    of direction: Int, _ weights: borrowing Tensor, _: Element.Type
  ) -> RawSpan {
    let count = weights.shape[1] * weights.shape[2] * MemoryLayout<Element>.size
    return weights.unalignedBytes(as: Element.self)
      .extracting((direction * count)..<((direction + 1) * count))
  }

  /// The sizes of one run.
  private struct Sizes {
    var steps: Int
    var batch: Int
    var inputs: Int
    var hidden: Int
  }

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let weights = packedInputs == nil ? try scratch.input(1) : nil
    let states = packedStates == nil ? try scratch.input(2) : nil
    let weightShape = packedInputs?.shape ?? weights?.shape ?? Shape()
    let stateWeightShape = packedStates?.shape ?? states?.shape ?? Shape()
    let count = attributes.directions.count
    let first = attributes.batchIsFirst
    guard input.shape.rank == 3, stateWeightShape.rank == 3, stateWeightShape[0] == count else {
      throw OperatorError(
        "an input of shape \(input.shape) with recurrent weights of shape \(stateWeightShape)")
    }
    let sizes = Sizes(
      steps: input.shape[first ? 1 : 0], batch: input.shape[first ? 0 : 1],
      inputs: input.shape[2], hidden: stateWeightShape[2])
    let gateRows = try checkedShape(cell.gates, sizes.hidden).elementCount
    let wanted = [count, gateRows, sizes.inputs]
    guard weightShape.array == wanted, stateWeightShape.array == [count, gateRows, sizes.hidden],
      attributes.hiddenSize ?? sizes.hidden == sizes.hidden
    else {
      throw OperatorError(
        "weights of shapes \(weightShape) and \(stateWeightShape); \(wanted) was expected")
    }
    let biases = try optional(scratch, 3, [count, 2 * gateRows])
    let stateShape =
      first ? [sizes.batch, count, sizes.hidden] : [count, sizes.batch, sizes.hidden]
    let startHidden = try optional(scratch, 5, stateShape)
    let startCell = try optional(scratch, 6, stateShape)
    let peepholes = try optional(scratch, 7, [count, 3 * sizes.hidden])

    var all = try scratch.memory(
      0,
      try checkedShape(
        first
          ? [sizes.batch, sizes.steps, count, sizes.hidden]
          : [sizes.steps, count, sizes.batch, sizes.hidden]))
    var lastHidden = try scratch.memory(1, try checkedShape(stateShape))
    let isLongShort = if case .longShort = cell { true } else { false }
    var lastCell = isLongShort ? try scratch.memory(2, try checkedShape(stateShape)) : lastHidden
    if sizes.batch == 0 || sizes.hidden == 0 {
      // Nothing to compute, however many steps an empty tensor may claim.
      scratch.give(0, all)
      scratch.give(1, lastHidden)
      if isLongShort { scratch.give(2, lastCell) }
      return
    }
    // Behind the outputs, whose limit bounds the batch.
    let lengths = try self.lengths(scratch, sizes)
    do {
      var target = all.mutableValues(as: Element.self)
      for index in target.indices { target[index] = 0 }
      for direction in 0..<count {
        var hidden = state(startHidden, direction, sizes, Element.self)
        var memory = state(startCell, direction, sizes, Element.self)
        // Packed weights, or the tensor in the file.
        guard let ownWeights = packedInputs?.directions[direction] ?? weights,
          let ownStates = packedStates?.directions[direction] ?? states
        else { preconditionFailure("weights neither packed nor given") }
        let run = RecurrentRun<Element>(
          cell: cell, activations: attributes.directions[direction].activations,
          clip: attributes.clip.map { Element($0) }, steps: sizes.steps, batch: sizes.batch,
          inputs: sizes.inputs, hiddenSize: sizes.hidden, lengths: lengths,
          runsBack: attributes.directions[direction].runsBack, batchIsFirst: first,
          direction: direction, directions: count,
          biases: list(biases, direction * 2 * gateRows, 2 * gateRows),
          peepholes: list(peepholes, direction * 3 * sizes.hidden, 3 * sizes.hidden))
        try run.run(
          input: input.values(as: Element.self),
          weights: packedInputs == nil
            ? Recurrent.weights(of: direction, ownWeights, Element.self)
            : ownWeights.unalignedBytes(as: Element.self),
          weightsAreTransposed: packedInputs == nil,
          states: packedStates == nil
            ? Recurrent.weights(of: direction, ownStates, Element.self)
            : ownStates.unalignedBytes(as: Element.self),
          statesAreTransposed: packedStates == nil,
          hidden: &hidden, memory: &memory, all: &target, scratch)
        give(hidden, to: &lastHidden, direction, sizes)
        if isLongShort { give(memory, to: &lastCell, direction, sizes) }
      }
    }
    scratch.give(0, all)
    scratch.give(1, lastHidden)
    if isLongShort { scratch.give(2, lastCell) }
  }

  /// Where the state of one sequence lies in a tensor of states.
  private func place(_ batch: Int, _ direction: Int, _ sizes: Sizes) -> Int {
    let count = attributes.directions.count
    return (attributes.batchIsFirst ? batch * count + direction : direction * sizes.batch + batch)
      * sizes.hidden
  }

  /// The state that a direction begins with, zeros where none is given.
  private func state<Element: FloatElement>(
    _ tensor: Tensor?, _ direction: Int, _ sizes: Sizes, _: Element.Type
  ) -> [Element] {
    var result = [Element](repeating: 0, count: sizes.batch * sizes.hidden)
    guard let tensor else { return result }
    let values = tensor.values(as: Element.self)
    for batch in 0..<sizes.batch {
      let start = place(batch, direction, sizes)
      for index in 0..<sizes.hidden {
        result[batch * sizes.hidden + index] = values[start + index]
      }
    }
    return result
  }

  private func give<Element: FloatElement>(
    _ state: [Element], to tensor: inout Tensor, _ direction: Int, _ sizes: Sizes
  ) {
    var target = tensor.mutableValues(as: Element.self)
    for batch in 0..<sizes.batch {
      let start = place(batch, direction, sizes)
      for index in 0..<sizes.hidden {
        target[start + index] = state[batch * sizes.hidden + index]
      }
    }
  }

  /// Some elements of a tensor; zeros without one.
  private func list<Element: FloatElement>(_ tensor: Tensor?, _ start: Int, _ count: Int)
    -> [Element]
  {
    var result = [Element](repeating: 0, count: count)
    guard let tensor else { return result }
    let values = tensor.values(as: Element.self)
    for index in 0..<count { result[index] = values[start + index] }
    return result
  }

  private func optional(
    _ scratch: ONNXScratch, _ index: Int, _ shape: [Int]
  ) throws(OperatorError) -> Tensor? {
    guard let tensor = scratch.optionalInput(index) else { return nil }
    guard tensor.shape.array == shape else {
      throw OperatorError("input \(index) has shape \(tensor.shape); \(shape) was expected")
    }
    return tensor
  }

  private func lengths(_ scratch: ONNXScratch, _ sizes: Sizes) throws(OperatorError) -> [Int] {
    guard let given = try scratch.integers(4) else {
      return [Int](repeating: sizes.steps, count: sizes.batch)
    }
    guard given.count == sizes.batch, given.allSatisfy({ $0 >= 0 && $0 <= sizes.steps }) else {
      throw OperatorError("sequence lengths \(given) for \(sizes.batch) of \(sizes.steps) steps")
    }
    return given
  }
}
