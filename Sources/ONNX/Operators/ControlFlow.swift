import Executors
import Tensors

// If, Loop and Scan. Their bodies run in the same slots as the graph around them: what a body
// reads from outside is there, and nothing is handed over but its own inputs and outputs.

extension OperatorTable {
  static let controlFlow: [OperatorDefinition] = [
    OperatorDefinition("If", [1, 11, 13, 16, 19, 21, 23, 24, 25], [.bool]) {
      context throws(ModelFormatError) in
      try context.readBlocks("then_branch", "else_branch")
      let yes = try context.block("then_branch")
      let no = try context.block("else_branch")
      guard yes.outputTypes == no.outputTypes else {
        throw context.unsupported("its branches give different types")
      }
      guard yes.inputs.isEmpty, no.inputs.isEmpty else {
        throw context.malformed("its branches take inputs")
      }
      return BuiltOperator(If(yes: yes, no: no), outputs: yes.outputTypes)
    },
    OperatorDefinition(
      "Loop", [1, 11, 13, 16, 19, 21, 23, 24, 25], [.int64],
      others: [.one(of: [.bool]), .any], minInputs: 0, maxInputs: .max
    ) { context throws(ModelFormatError) in
      try context.readBlocks("body")
      let body = try context.block("body")
      let carried = max(context.inputTypes.count - 2, 0)
      guard body.inputs.count == carried + 2, body.outputs.count > carried,
        body.outputTypes[0] == .bool
      else {
        throw context.malformed(
          "its body has \(body.inputs.count) inputs and \(body.outputs.count) outputs for "
            + "\(carried) carried values")
      }
      for index in 0..<carried {
        let type = try context.type(index + 2)
        guard body.outputTypes[index + 1] == type else {
          throw context.malformed(
            "its body gives \(body.outputTypes[index + 1].name) for \(type.name)")
        }
      }
      try refuseUnknownRanks(body, carried: carried, context)
      return BuiltOperator(
        Loop(body: body, carried: carried), outputs: Array(body.outputTypes.dropFirst()))
    },
    OperatorDefinition(
      "Scan", [8, 9, 11, 16, 19, 21, 23, 24, 25], stored, others: [.any], minInputs: 0,
      maxInputs: .max
    ) { context throws(ModelFormatError) in
      try context.readBlocks("body")
      let body = try context.block("body")
      // Before version 9 the lengths come first, and every input is a batch.
      let isBatched = context.version < 9
      if isBatched, context.has(0) {
        throw context.unsupported("sequence_lens are not run")
      }
      let first = isBatched ? 1 : 0
      let count = context.inputTypes.count - first
      guard let scanned = try context.integer("num_scan_inputs"), scanned > 0, scanned <= count,
        body.inputs.count == count, body.outputs.count >= count - scanned
      else { throw context.malformed("its body does not fit its \(count) inputs") }
      let carried = count - scanned
      let stacked = body.outputs.count - carried
      for index in 0..<count { _ = try context.type(index + first) }
      for index in 0..<carried {
        guard body.outputTypes[index] == (try context.type(index + first)) else {
          throw context.malformed("its body changes the type of state \(index)")
        }
      }
      func list(_ name: String, _ count: Int) throws(ModelFormatError) -> [Int] {
        let values = try context.integers(name) ?? [Int](repeating: 0, count: count)
        guard values.count == count else {
          throw context.malformed("\(name) has \(values.count) entries for \(count)")
        }
        return values
      }
      let directions = try context.integers("directions")
      guard isBatched || directions == nil, directions?.count ?? scanned == scanned else {
        throw context.malformed("directions has \(directions?.count ?? 0) entries for \(scanned)")
      }
      if isBatched {
        let back = (directions ?? [Int](repeating: 0, count: scanned)).map { $0 != 0 }
        return BuiltOperator(
          Scan(
            body: body, carried: carried, isBatched: true,
            inputAxes: [Int](repeating: 0, count: scanned),
            outputAxes: [Int](repeating: 0, count: stacked), inputsRunBack: back,
            outputsRunBack: [Bool](repeating: false, count: stacked)),
          outputs: body.outputTypes)
      }
      return BuiltOperator(
        Scan(
          body: body, carried: carried, isBatched: false,
          inputAxes: try list("scan_input_axes", scanned),
          outputAxes: try list("scan_output_axes", stacked),
          inputsRunBack: try list("scan_input_directions", scanned).map { $0 != 0 },
          outputsRunBack: try list("scan_output_directions", stacked).map { $0 != 0 }),
        outputs: body.outputTypes)
    },
  ]

  /// Of a loop that takes no turn, nobody would know what to give.
  ///
  /// ONNX Runtime gives what it infers of the body, a list without elements where it infers
  /// nothing.
  private static func refuseUnknownRanks(
    _ body: PlanBlock, carried: Int, _ context: NodeContext
  ) throws(ModelFormatError) {
    func holds(_ input: Int, _ test: (Tensor) -> Bool) -> Bool {
      guard context.has(input) else { return true }
      return context.constant(input).map { $0.shape.elementCount == 1 && test($0) } ?? false
    }
    let turns =
      holds(0) { $0.values(as: Int64.self)[0] > 0 }
      && holds(1) { $0.values(as: UInt8.self)[0] != 0 }
    if turns { return }
    for (index, output) in context.node.outputs.enumerated().dropFirst(carried)
    where output != nil && body.outputShapes.count > index + 1
      && body.outputShapes[index + 1] == nil
    {
      throw context.unsupported(
        "it may take no turn, and the rank of output \(index) is not known then",
        advice: "state the shapes of its body's outputs, as onnx.shape_inference does")
    }
  }
}

struct If: Operator {
  let yes: PlanBlock
  let no: PlanBlock
  var sharesInput: Bool { true }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let condition = try scratch.input(0)
    let branch = try isTrue(condition) ? yes : no
    try scratch.run(block: branch.index)
    for (index, slot) in branch.outputs.enumerated() {
      guard let tensor = scratch.slot(slot) else {
        throw OperatorError("output \(index) of the branch was not computed")
      }
      scratch.give(index, tensor)
    }
    scratch.forget(branch)
  }
}

/// The one element of a condition.
private func isTrue(_ condition: Tensor) throws(OperatorError) -> Bool {
  guard condition.shape.elementCount == 1 else {
    throw OperatorError("a condition has shape \(condition.shape)")
  }
  return condition.values(as: UInt8.self)[0] != 0
}

struct Loop: Operator {
  let body: PlanBlock
  let carried: Int
  var sharesInput: Bool { true }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    var limit = Int.max
    if let count = scratch.optionalInput(0) {
      guard count.shape.elementCount == 1 else {
        throw OperatorError("the number of turns has shape \(count.shape)")
      }
      limit = Int(count.values(as: Int64.self)[0])
    }
    var goesOn = true
    if let condition = scratch.optionalInput(1) { goesOn = try isTrue(condition) }
    var state: [Tensor] = []
    for index in 0..<carried { state.append(try scratch.input(index + 2)) }
    var stacks = [[Tensor]](repeating: [], count: body.outputs.count - 1 - carried)
    var held = 0
    var turn = 0
    while turn < limit, goesOn {
      // A body without steps would not ask.
      try scratch.stopAtDeadline()
      scratch.setSlot(body.inputs[0], Tensor([Int64(turn)], shape: Shape()))
      scratch.setSlot(body.inputs[1], Tensor(.bool, shape: Shape()).filled(with: 1))
      for index in 0..<carried { scratch.setSlot(body.inputs[index + 2], state[index]) }
      state.removeAll(keepingCapacity: true)
      try scratch.run(block: body.index)
      goesOn = try isTrue(try scratch.result(0, of: body))
      for index in 0..<carried { state.append(try scratch.result(index + 1, of: body)) }
      for index in stacks.indices {
        let tensor = try scratch.result(1 + carried + index, of: body)
        try scratch.hold(tensor, &held)
        stacks[index].append(tensor)
      }
      scratch.forget(body)
      turn += 1
    }
    for index in 0..<carried { scratch.give(index, state[index]) }
    for index in stacks.indices where scratch.wants(output: carried + index) {
      scratch.give(
        carried + index,
        try stacked(
          stacks[index], axis: 0, body, output: 1 + carried + index, as: carried + index, scratch))
    }
  }
}

struct Scan: Operator {
  let body: PlanBlock
  let carried: Int
  /// Version 8: axis 0 of everything is a batch, whose samples are scanned one after another.
  let isBatched: Bool
  let inputAxes: [Int]
  let outputAxes: [Int]
  let inputsRunBack: [Bool]
  let outputsRunBack: [Bool]
  var sharesInput: Bool { true }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    if isBatched { return try runBatch(scratch) }
    var state: [Tensor] = []
    for index in 0..<carried { state.append(try scratch.input(index)) }
    var scanned: [Tensor] = []
    for index in inputAxes.indices { scanned.append(try scratch.input(carried + index)) }
    var held = 0
    var (stacks, _) = try scan(&state, scanned, scratch, &held)
    for index in 0..<carried { scratch.give(index, state[index]) }
    for index in stacks.indices where scratch.wants(output: carried + index) {
      if outputsRunBack[index] { stacks[index].reverse() }
      scratch.give(
        carried + index,
        try stacked(
          stacks[index], axis: outputAxes[index], body, output: carried + index,
          as: carried + index, scratch))
    }
  }

  /// A sample at a time; then all samples' results are one batch.
  private func runBatch(_ scratch: ONNXScratch) throws(OperatorError) {
    let inputs = try (0..<(carried + inputAxes.count)).map { (index) throws(OperatorError) in
      try scratch.input(index + 1)
    }
    let batch = inputs[0].rowCount
    guard batch > 0, inputs.allSatisfy({ $0.shape.rank > 0 && $0.rowCount == batch }) else {
      throw OperatorError("its inputs are batches of \(inputs.map(\.rowCount)) samples")
    }
    var states = [[Tensor]](repeating: [], count: carried)
    var stacks = [[Tensor]](repeating: [], count: outputAxes.count)
    var steps = 0
    var held = 0
    for sample in 0..<batch {
      let parts = try inputs.map { (input) throws(OperatorError) in
        try slice(input, axis: 0, sample)
      }
      var state = Array(parts[..<carried])
      let (own, length) = try scan(&state, Array(parts[carried...]), scratch, &held)
      steps = length
      for index in states.indices {
        try scratch.hold(state[index], &held)
        states[index].append(state[index])
      }
      for index in stacks.indices { stacks[index] += own[index] }
    }
    for index in states.indices where scratch.wants(output: index) {
      scratch.give(
        index, try stacked(states[index], axis: 0, body, output: index, as: index, scratch))
    }
    for index in stacks.indices where scratch.wants(output: carried + index) {
      let place = carried + index
      guard steps > 0 else { throw OperatorError("its sequences are empty") }
      let all = try stacked(stacks[index], axis: 0, body, output: place, as: place, scratch)
      let shape = try checkedShape([batch, steps] + all.shape.array.dropFirst())
      scratch.give(place, all.reshaped(to: shape))
    }
  }

  /// The body once for each step: what it stacks for each output, and how many steps there were.
  private func scan(
    _ state: inout [Tensor], _ scanned: [Tensor], _ scratch: ONNXScratch, _ held: inout Int
  ) throws(OperatorError) -> (stacks: [[Tensor]], length: Int) {
    var axes: [Int] = []
    var length: Int?
    for (index, input) in scanned.enumerated() {
      let axis = try checkedAxis(inputAxes[index], rank: input.shape.rank)
      guard length == nil || length == input.shape[axis] else {
        throw OperatorError("its sequences are \(length ?? 0) and \(input.shape[axis]) long")
      }
      length = input.shape[axis]
      axes.append(axis)
    }
    let steps = length ?? 0
    var stacks = [[Tensor]](repeating: [], count: outputAxes.count)
    for turn in 0..<steps {
      // A body without steps would not ask.
      try scratch.stopAtDeadline()
      for index in 0..<carried { scratch.setSlot(body.inputs[index], state[index]) }
      state.removeAll(keepingCapacity: true)
      for index in scanned.indices {
        let place = inputsRunBack[index] ? steps - 1 - turn : turn
        scratch.setSlot(
          body.inputs[carried + index], try slice(scanned[index], axis: axes[index], place))
      }
      try scratch.run(block: body.index)
      for index in 0..<carried { state.append(try scratch.result(index, of: body)) }
      for index in stacks.indices {
        let tensor = try scratch.result(carried + index, of: body)
        try scratch.hold(tensor, &held)
        stacks[index].append(tensor)
      }
      scratch.forget(body)
    }
    return (stacks, steps)
  }

  /// One step of a sequence, without its axis.
  private func slice(_ input: Tensor, axis: Int, _ place: Int) throws(OperatorError) -> Tensor {
    var dimensions = input.shape.array
    let length = dimensions.remove(at: axis)
    let inner = try checkedShape(Array(dimensions[axis...])).elementCount
    let outer = try checkedShape(Array(dimensions[..<axis])).elementCount
    let shape = try checkedShape(dimensions)
    var writer = ElementWriter(reusing: Tensor(input.elementType, shape: Shape(0)), shape: shape)
    for block in 0..<(shape.elementCount == 0 ? 0 : outer) {
      writer.append(from: input, start: (block * length + place) * inner, count: inner)
    }
    return writer.finish()
  }
}

/// The tensors of all turns along a new axis.
private func stacked(
  _ turns: [Tensor], axis: Int, _ body: PlanBlock, output: Int, as given: Int,
  _ scratch: ONNXScratch
) throws(OperatorError) -> Tensor {
  guard let first = turns.first else {
    guard let stated = body.outputShapes[output] else {
      throw OperatorError("it took no turn, and the shape of output \(given) is not known")
    }
    // What is free has no size yet.
    var dimensions = stated.map { $0 ?? 0 }
    dimensions.insert(0, at: try checkedAxis(axis, rank: stated.count + 1))
    return Tensor(body.outputTypes[output], shape: try checkedShape(dimensions))
  }
  var dimensions = first.shape.array
  let axis = try checkedAxis(axis, rank: dimensions.count + 1)
  let inner = try checkedShape(Array(dimensions[axis...])).elementCount
  let outer = try checkedShape(Array(dimensions[..<axis])).elementCount
  dimensions.insert(turns.count, at: axis)
  for turn in turns where turn.shape != first.shape {
    throw OperatorError("output \(given) has shape \(first.shape), then \(turn.shape)")
  }
  let shape = try checkedShape(dimensions)
  var writer = try scratch.writer(given, shape)
  for block in 0..<(shape.elementCount == 0 ? 0 : outer) {
    for turn in turns { writer.append(from: turn, start: block * inner, count: inner) }
  }
  return writer.finish()
}

extension ONNXScratch {
  /// What a body has computed for its output `index`.
  fileprivate func result(_ index: Int, of body: PlanBlock) throws(OperatorError) -> Tensor {
    guard let tensor = slot(body.outputs[index]) else {
      throw OperatorError("output \(index) of the body was not computed")
    }
    return tensor
  }

  /// Counts what a turn leaves for the stack: it is in no slot, where it would be counted.
  fileprivate func hold(_ tensor: Tensor, _ held: inout Int) throws(OperatorError) {
    // Beside its elements: the buffer's object, and its place in an array, which has three times as
    // many while it grows.
    let besides = 128 + 3 * MemoryLayout<Tensor>.stride
    let (bytes, overflows) = held.addingReportingOverflow(tensor.ownedByteCount)
    let (all, overflowsToo) = bytes.addingReportingOverflow(besides)
    guard !overflows, !overflowsToo, all <= maxBytes else {
      throw OperatorError("the outputs of all turns take over \(maxBytes) bytes")
    }
    held = all
  }

  /// Lets go of a body's results, which are somebody else's now.
  fileprivate func forget(_ body: PlanBlock) {
    for (slot, isOwn) in zip(body.outputs, body.isOwnOutput) where isOwn { setSlot(slot, nil) }
  }
}

extension Tensor {
  /// Precondition: one byte an element.
  fileprivate consuming func filled(with byte: UInt8) -> Tensor {
    var target = mutableValues(as: UInt8.self)
    for index in target.indices { target[index] = byte }
    return self
  }
}
