import Executors
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Turns a checked graph into a plan: finds each operator, computes what is constant, drops what
/// no output needs, and finds out where each value is read last.
struct PlanBuilder {
  /// What folding may take, at most: bytes of all folded constants together, and time.
  static let maxFoldedBytes = 64 << 20
  static let maxFoldingNanoseconds: UInt64 = 2_000_000_000
  /// The newest operator sets whose definitions this table was written from.
  static let newestOpsets = ["ai.onnx": 28, "ai.onnx.ml": 5]

  private let graph: Graph
  let tensors: TensorReader
  var types: [ElementType?]
  var constants: [Tensor?]
  let half: HalfPrecision
  /// By a value of half floats, the value that holds the same in float32: as it was computed, or
  /// cast from the half floats.
  var computed: [Int: Int] = [:]
  var widened: [Int: Int] = [:]
  private var mapKeys: [Int: Tensor] = [:]
  /// Inputs that may be left out have an initializer, but a request may replace it.
  private(set) var replaceable: Set<Int> = []
  private var blocks: [[PlanStep]] = [[]]
  private var blockOutputs: Set<Int> = []
  /// Memory whose aligned copy has been counted.
  private var countedCopies: Set<ObjectIdentifier> = []
  /// Folded constants may take a few times what the file does: a small file that unfolds into
  /// a large one is computed when a request asks for it.
  private var foldingBytes: Int
  private let foldingDeadline: UInt64 = PlanBuilder.now() + PlanBuilder.maxFoldingNanoseconds

  static func plan(_ graph: Graph, file: ModelFile) throws(ModelFormatError) -> Plan {
    var builder = PlanBuilder(graph, file: file)
    return try builder.finish()
  }

  private init(_ graph: Graph, file: ModelFile) {
    self.graph = graph
    tensors = graph.tensors
    half = HalfPrecision(graph)
    types = [ElementType?](repeating: nil, count: graph.valueNames.count)
    constants = [Tensor?](repeating: nil, count: graph.valueNames.count)
    foldingBytes = min(PlanBuilder.maxFoldedBytes, 2 * file.count + (1 << 19))
    for (value, tensor) in graph.constants {
      constants[value] = tensor
      types[value] = tensor.elementType
    }
    for input in graph.inputs {
      types[input.value] = input.elementType
      replaceable.insert(input.value)
    }
  }

  private mutating func finish() throws(ModelFormatError) -> Plan {
    let outputValues = graph.outputs.map(\.value)
    let steps = StepFusion.fused(
      try compile(graph.nodes), seen: Set(outputValues).union(blockOutputs))
    blocks[0] = PlanBuilder.kept(
      steps, outputs: outputValues, own: Set(steps.flatMap { $0.outputs.compactMap { $0 } }))
    dropUnread(outputValues)
    for step in blocks.joined() {
      try countCopies(step)
    }
    // What is asked for is read aligned.
    for output in graph.outputs {
      try countCopy(of: output.value, for: "output '\(graph.valueNames[output.value])'")
    }
    let outputs = try graph.outputs.map {
      (output: GraphOutput) throws(ModelFormatError) -> ModelOutput in
      let name = graph.valueNames[output.value]
      guard let type = types[output.value] else {
        throw .malformed(format: "ONNX", at: "output '\(name)'", reason: "its type is not known")
      }
      if let keys = mapKeys[output.value] {
        return ModelOutput(name: name, kind: .maps(keys: keys.elementType, values: type))
      }
      return ModelOutput(name: name, kind: .tensor(type, shape: output.shape ?? [nil]))
    }
    let inputs = graph.inputs.map { input in
      var described = ModelInput(
        name: graph.valueNames[input.value], elementType: input.elementType, shape: input.shape,
        isRequired: input.isRequired)
      described.dimensionNames = input.dimensionNames
      return described
    }
    let checks = try graph.inputs.map {
      (input: GraphInput) throws(ModelFormatError) -> Plan.InputCheck in
      var check = Plan.InputCheck(
        elementType: input.elementType, isRequired: input.isRequired,
        rank: Int32(input.shape.count), slot: Int32(input.value))
      guard input.shape.count <= Shape.maxRank else {
        throw .unsupported(
          format: "ONNX",
          what: "input '\(graph.valueNames[input.value])' has rank \(input.shape.count)",
          advice: "the most is \(Shape.maxRank)")
      }
      for (axis, size) in input.shape.enumerated() { check.dimensions[axis] = size ?? -1 }
      return check
    }
    let count = graph.nodes.count
    let opset = graph.opsets["ai.onnx"] ?? graph.opsets["ai.onnx.ml"] ?? 1
    return Plan(
      signature: ModelSignature(inputs: inputs, outputs: outputs), inputs: checks,
      outputSlots: outputValues, outputKeys: graph.outputs.map { mapKeys[$0.value] },
      blocks: blocks, constants: constants,
      summary: "ONNX, opset \(opset), \(count) node\(count == 1 ? "" : "s")")
  }

  private mutating func compile(_ nodes: [GraphNode]) throws(ModelFormatError) -> [PlanStep] {
    var steps: [PlanStep] = []
    for node in nodes { try compile(node, to: &steps) }
    return steps
  }

  /// Appends the step unless its outputs can be constants from now on.
  mutating func append(_ step: PlanStep, to steps: inout [PlanStep]) {
    if step.canFold, step.inputs.allSatisfy({ $0.map(isConstant) ?? true }), fold(step) { return }
    if let output = step.outputs.first ?? nil, let shape = fixedShape(step) {
      constants[output] = shape
      return
    }
    steps.append(step)
  }

  /// What `Shape` gives of an input of the model that takes no other shape. ONNX Runtime folds it
  /// too, and rounds what comes of it in half floats.
  private func fixedShape(_ step: PlanStep) -> Tensor? {
    guard let operation = step.operation as? ShapeOf, let value = step.inputs.first ?? nil,
      let input = graph.inputs.first(where: { $0.value == value }), input.isRequired
    else { return nil }
    let sizes = input.shape.compactMap { $0 }
    return sizes.count == input.shape.count ? operation.sizes(of: sizes) : nil
  }

  private func isConstant(_ value: Int) -> Bool {
    constants[value] != nil && !replaceable.contains(value)
  }

  /// A value that is in no file.
  mutating func newValue(_ type: ElementType, _ constant: Tensor? = nil) -> Int {
    types.append(type)
    constants.append(constant)
    return types.count - 1
  }

  /// - Parameter halfInputs: Those that are half floats, of a node that is computed in float32
  ///   and rounds its results.
  mutating func step(
    _ node: GraphNode, halfInputs: Set<Int> = []
  ) throws(ModelFormatError) -> PlanStep {
    let known = node.inputs.map { value in
      value.flatMap { replaceable.contains($0) ? nil : constants[$0] }
    }
    var context = try self.context(node, constants: known)
    for value in node.needs where mapKeys[value] != nil {
      throw context.unsupported("its input is a sequence of maps")
    }
    context.halfInputs = halfInputs
    let definition = try OperatorTable.definition(for: context)
    for block in node.blocks {
      context.blocks[block.name] = try compile(block, inputTypes: context.bodyInputTypes(), context)
    }
    let built = try definition.build(&context)
    try context.refuseUnread()
    guard node.outputs.count <= built.outputs.count else {
      throw context.unsupported(
        "it has \(node.outputs.count) outputs; \(built.outputs.count) are given")
    }
    for (index, value) in node.outputs.enumerated() {
      guard let value else { continue }
      types[value] = built.outputs[index]
    }
    if let keys = built.mapKeys, let value = node.outputs.first ?? nil { mapKeys[value] = keys }
    // What was packed anew is no input any more.
    let hasConstants = zip(node.inputs, known).allSatisfy { $0 == nil || $1 != nil }
    var inputs = node.inputs
    for index in built.unreadInputs { inputs[index] = nil }
    return PlanStep(
      label: node.label, operatorName: node.operatorName, operation: built.operation,
      inputs: inputs, outputs: node.outputs, types: built.outputs,
      captures: node.blocks.flatMap(\.captures),
      mixesRows: built.mixesRows,
      canFold: hasConstants && built.mapKeys == nil && node.blocks.isEmpty)
  }

  private mutating func compile(
    _ block: GraphBlock, inputTypes: [ElementType?], _ context: NodeContext
  ) throws(ModelFormatError) -> PlanBlock {
    for (index, input) in block.inputs.enumerated() {
      let given = index < inputTypes.count ? inputTypes[index] : nil
      if let given, let stated = input.elementType, given != stated {
        throw context.malformed(
          "input \(index) of its body is \(stated.name); \(given.name) comes")
      }
      types[input.value] = given ?? input.elementType
    }
    // What is computed inside is not there outside, and a body is told of what it reads by the file.
    let outer = (computed, widened)
    computed = [:]
    widened = widened.filter { constants[$0.value] != nil }
    defer { (computed, widened) = outer }
    let steps = try compile(block.nodes)
    var outputTypes: [ElementType] = []
    for output in block.outputs {
      guard mapKeys[output.value] == nil, let type = types[output.value] else {
        throw context.unsupported(
          "output '\(graph.valueNames[output.value])' of its body is no tensor of a known type")
      }
      outputTypes.append(type)
    }
    var own = Set(steps.flatMap { $0.outputs.compactMap { $0 } })
    own.formUnion(block.inputs.map(\.value))
    blocks.append(PlanBuilder.kept(steps, outputs: block.outputs.map(\.value), own: own))
    blockOutputs.formUnion(block.outputs.map(\.value))
    return PlanBlock(
      index: blocks.count - 1, inputs: block.inputs.map(\.value),
      outputs: block.outputs.map(\.value),
      isOwnOutput: block.outputs.map { own.contains($0.value) }, outputTypes: outputTypes,
      outputShapes: block.outputs.map { output in
        output.shape
          ?? (isConstant(output.value)
            ? constants[output.value]?.shape.array.map { Optional($0) } : nil)
      })
  }

  private func context(
    _ node: GraphNode, constants: [Tensor?]
  ) throws(ModelFormatError) -> NodeContext {
    let version = node.opset ?? 0
    let context = NodeContext(
      node: node, version: OperatorTable.version(of: node, opset: version) ?? 0, opset: version,
      inputTypes: node.inputs.map { $0.flatMap { types[$0] } }, constants: constants,
      tensors: tensors)
    for (index, input) in node.inputs.enumerated() where input != nil {
      guard context.inputTypes[index] != nil else {
        throw context.malformed("the type of input \(index) is not known")
      }
    }
    if let newest = PlanBuilder.newestOpsets[node.domain], version > newest {
      throw context.unsupported(
        "the newest known version of \(node.domain) is \(newest)",
        advice: "export the model for opset \(newest) or older")
    }
    if PlanBuilder.newestOpsets[node.domain] != nil, node.opset == nil {
      throw context.malformed("the model imports no opset of \(node.domain)")
    }
    return context
  }

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Computes the step's outputs now. False when it fails or gives too much: it then runs, and
  /// fails, with the batch.
  private mutating func fold(_ step: PlanStep) -> Bool {
    guard foldingBytes > 0, PlanBuilder.now() < foldingDeadline else { return false }
    do {
      try countCopies(step)
    } catch {
      return false
    }
    // The operator sees only its own inputs and outputs.
    let inputs = step.inputs.map { $0.flatMap { constants[$0] } }
    var local = step
    local.inputs = step.inputs.indices.map { step.inputs[$0] == nil ? nil : $0 }
    local.outputs = step.outputs.indices.map {
      step.outputs[$0] == nil ? nil : inputs.count + $0
    }
    let scratch = ONNXScratch(
      plan: Plan(
        signature: ModelSignature(inputs: [], outputs: []), inputs: [], outputSlots: [],
        outputKeys: [], blocks: [[local]], constants: inputs + step.outputs.map { _ in nil },
        summary: ""))
    scratch.maxBytes = foldingBytes
    scratch.deadline = foldingDeadline
    do {
      try scratch.run(step: 0)
    } catch {
      return false
    }
    var results: [(Int, Tensor)] = []
    for (index, value) in step.outputs.enumerated() {
      guard let value else { continue }
      guard let tensor = scratch.slot(inputs.count + index) else { return false }
      results.append((value, tensor))
    }
    for (value, tensor) in results {
      constants[value] = tensor
      foldingBytes -= tensor.byteCount
    }
    return true
  }

  /// The steps that `outputs` need, each with the slots that nobody reads after it.
  ///
  /// - Parameter own: Values that the block itself computes or is given. Those from outside live
  ///   on after it.
  private static func kept(
    _ steps: [PlanStep], outputs: [Int], own: Set<Int>
  ) -> [PlanStep] {
    var wanted = Set(outputs)
    var needed: [PlanStep] = []
    for var step in steps.reversed() {
      let results = step.outputs.compactMap { $0 }
      guard results.contains(where: wanted.contains) else { continue }
      // The first reader from the end is the last one.
      for value in results + step.inputs.compactMap({ $0 }) + step.captures
      where wanted.insert(value).inserted && own.contains(value) {
        step.releases.append(value)
      }
      needed.append(step)
    }
    return needed.reversed()
  }

  /// Counts the aligned copies that a step will ask for, each once.
  private mutating func countCopies(_ step: PlanStep) throws(ModelFormatError) {
    for (index, value) in step.inputs.enumerated() {
      guard let value, let tensor = constants[value],
        !step.operation.takesInPlace(index, tensor)
      else { continue }
      try countCopy(
        of: value, for: "input \(index) of node '\(step.label)' (\(step.operatorName))")
    }
  }

  private mutating func countCopy(
    of value: Int, for reader: String
  ) throws(ModelFormatError) {
    guard let tensor = constants[value], tensor.alignedCopyByteCount > 0,
      !countedCopies.contains(tensor.memoryIdentity)
    else { return }
    guard tensors.budget.expand(tensor.alignedCopyByteCount) else {
      throw .unsupported(
        format: "ONNX",
        what: "\(reader) needs a copy of "
          + "\(tensor.alignedCopyByteCount) bytes, more with the tensors before it than the "
          + "\(tensors.budget.maxExpandedBytes) that files of this size may take",
        advice: "save each tensor once")
    }
    countedCopies.insert(tensor.memoryIdentity)
  }

  /// Lets go of constants that no step reads: weights that an operator has packed anew, and
  /// what was folded further.
  private mutating func dropUnread(_ outputs: [Int]) {
    var read = Set(outputs)
    read.formUnion(blockOutputs)
    for input in graph.inputs { read.insert(input.value) }
    for step in blocks.joined() {
      for case let value? in step.inputs { read.insert(value) }
      read.formUnion(step.captures)
    }
    for value in constants.indices where !read.contains(value) { constants[value] = nil }
  }
}
