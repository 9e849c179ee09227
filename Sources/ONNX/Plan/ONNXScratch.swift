import Executors
import Tensors

/// Everything one thread needs while it runs a plan: a slot for each value.
///
/// A small tensor's memory stays in its slot and is written again by the next request: a small
/// model allocates nothing once it has run. A large one's goes into a pool after its last use,
/// from where the next step takes it: the peak is what lives at one time, not the sum.
final class ONNXScratch: Scratch {
  /// Bytes that all values of a request may take together at one time. A shape computed from a
  /// request's numbers could otherwise ask for all memory.
  static let maxLiveBytes = Scratch.usualMaxBytes
  /// No single tensor may be larger.
  static let maxTensorBytes = maxLiveBytes
  /// Tensors of more bytes are pooled and counted.
  static let maxSlotBytes = 1 << 14

  let plan: Plan
  @exclusivity(unchecked) private var slots: [Tensor?]
  @exclusivity(unchecked) private var links = Plan.Links()
  private var pool: [TensorBuffer] = []
  /// No less than the bytes that large live tensors take: those that share memory count twice
  /// until somebody asks exactly.
  private var liveBytes = 0
  /// No string, whose text lies beside its slot, and few slots: their sum is small.
  private let hasOnlySmallSlots: Bool
  /// Whether a tensor beyond `maxSlotBytes` was ever made here.
  private var tookLarge = false
  private var stepsRun = 0
  /// The model's outputs that are asked for, a bit each.
  var asked = UInt64.max
  /// The innermost node that failed.
  private(set) var failedStep: Int?

  override var byteCount: Int {
    // Asked after every request: counted only where it may matter.
    if hasOnlySmallSlots, !tookLarge { return slots.count * ONNXScratch.maxSlotBytes }
    var bytes = 0
    for slot in slots.indices where plan.constants[slot] == nil {
      bytes += slots[slot]?.ownedByteCount ?? 0
    }
    if bytes > 1 << 20 { bytes = memoryBytes() }
    for buffer in pool { bytes += buffer.byteCount }
    return bytes
  }

  init(plan: Plan) {
    self.plan = plan
    slots = plan.constants
    hasOnlySmallSlots = slots.count <= 64 && !plan.outputTypes.contains(.string)
  }

  // MARK: What operators call

  var inputCount: Int { Int(links.inputCount) }
  var outputCount: Int { Int(links.outputCount) }

  /// Whether somebody needs this output of the node.
  func wants(output index: Int) -> Bool {
    guard index < Int(links.outputCount) else { return false }
    let slot = Int(plan.slotLists[Int(links.outputStart) + index])
    guard slot >= 0 else { return false }
    let bits = plan.askingBits[slot]
    return bits == 0 || bits & asked != 0
  }

  /// The slots of the running step, as lists; `inputCount` asks for less.
  var step: (inputs: [Int?], outputs: [Int?], types: [ElementType]) {
    func slots(_ start: Int32, _ count: Int32) -> [Int?] {
      (0..<Int(count)).map {
        let slot = Int(plan.slotLists[Int(start) + $0])
        return slot < 0 ? nil : slot
      }
    }
    let types = plan.outputTypes[Int(links.typeStart)...].prefix(Int(links.outputCount))
    return (
      slots(links.inputStart, links.inputCount), slots(links.outputStart, links.outputCount),
      Array(types)
    )
  }

  func optionalInput(_ index: Int) -> Tensor? {
    guard index < Int(links.inputCount) else { return nil }
    let slot = Int(plan.slotLists[Int(links.inputStart) + index])
    return slot < 0 ? nil : slots[slot]
  }

  func input(_ index: Int) throws(OperatorError) -> Tensor {
    guard let tensor = optionalInput(index) else {
      throw OperatorError("input \(index) is missing")
    }
    return tensor
  }

  /// The elements of a small integer input, such as a shape.
  func integers(_ index: Int) throws(OperatorError) -> [Int]? {
    guard let tensor = optionalInput(index) else { return nil }
    return try ONNX.integers(of: tensor, input: index)
  }

  /// Memory for an output, to be written whole and given.
  func memory(_ index: Int, _ shape: Shape) throws(OperatorError) -> Tensor {
    var tensor = try freeMemory(index, shape)
    tensor.reuse(shape: shape)
    return tensor
  }

  func writer(_ index: Int, _ shape: Shape) throws(OperatorError) -> ElementWriter {
    ElementWriter(
      reusing: try freeMemory(index, shape), shape: shape)
  }

  /// Asks for memory that an operator takes for itself while it runs.
  func checkRoom(_ byteCount: Int, for purpose: String) throws(OperatorError) {
    guard byteCount > ONNXScratch.maxSlotBytes, byteCount > maxBytes - liveBytes else { return }
    liveBytes = memoryBytes()
    guard byteCount <= maxBytes - liveBytes else {
      throw OperatorError(
        "\(purpose) takes \(byteCount) bytes, \(liveBytes) are in use and \(maxBytes) allowed")
    }
  }

  /// The same where there is another way that takes less.
  func hasRoom(_ byteCount: Int) -> Bool {
    do {
      try checkRoom(byteCount, for: "a copy")
      return true
    } catch {
      return false
    }
  }

  func give(_ index: Int, _ tensor: consuming Tensor) {
    guard index < Int(links.outputCount) else { return }
    let slot = Int(plan.slotLists[Int(links.outputStart) + index])
    guard slot >= 0 else { return }
    let byteCount = tensor.byteCount
    if byteCount > ONNXScratch.maxSlotBytes { countLarge(byteCount) }
    slots[slot] = consume tensor
  }

  /// Ends work that nobody waits for any more. Long operators ask now and then; the loop over
  /// the steps asks between two of them.
  func stopAtDeadline() throws(OperatorError) {
    do {
      try checkDeadline()
    } catch {
      var stopped = OperatorError(error.description)
      stopped.isDeadline = true
      throw stopped
    }
  }

  // MARK: What control flow and the executor call

  func slot(_ index: Int) -> Tensor? { slots[index] }

  func setSlot(_ index: Int, _ tensor: Tensor) {
    if tensor.byteCount > ONNXScratch.maxSlotBytes { countLarge(tensor.byteCount) }
    slots[index] = tensor
  }

  private func countLarge(_ byteCount: Int) {
    tookLarge = true
    liveBytes += byteCount
  }

  func setSlot(_ index: Int, _ tensor: Tensor?) {
    guard let tensor else {
      slots[index] = nil
      return
    }
    setSlot(index, tensor)
  }

  /// Runs the steps of a block in order.
  func run(block: Int) throws(OperatorError) {
    let outer = links
    for step in plan.blocks[block] {
      links = plan.links[step]
      do {
        // A look at the clock costs as much as a small step.
        stepsRun &+= 1
        if liveBytes > 0 || stepsRun & 15 == 0 { try stopAtDeadline() }
        try plan.operations[step].run(self)
      } catch {
        if failedStep == nil { failedStep = step }
        throw error
      }
      // The operation may have run steps of its own.
      links = plan.links[step]
      if links.releaseCount > 0 { releaseSlots() }
    }
    links = outer
  }

  /// Runs one step outside of a block.
  func run(step: Int) throws(OperatorError) {
    links = plan.links[step]
    try plan.operations[step].run(self)
  }

  func begin() {
    liveBytes = 0
    failedStep = nil
  }

  /// Lets go of what the request brought and of values without memory of their own.
  func end() {
    for input in plan.inputs { slots[Int(input.slot)] = nil }
    for slot in plan.outputSlots where plan.isAlias[slot] { slots[slot] = nil }
  }

  // MARK: Memory

  private func releaseSlots() {
    let start = Int(links.releaseStart)
    for place in start..<(start + Int(links.releaseCount)) {
      let slot = Int(plan.slotLists[place])
      if plan.isAlias[slot] {
        // The last name of large memory gives it back.
        if let size = slots[slot]?.byteCount, size > ONNXScratch.maxSlotBytes {
          liveBytes -= size
          recycle(slot)
        }
        slots[slot] = nil
        continue
      }
      guard let size = slots[slot]?.byteCount, size > ONNXScratch.maxSlotBytes else { continue }
      liveBytes -= size
      recycle(slot)
    }
  }

  /// Puts the memory of a slot into the pool if no other slot has it.
  private func recycle(_ slot: Int) {
    if let buffer = slots[slot]?.takeBuffer() { pool.append(buffer) }
    slots[slot] = nil
  }

  private func freeMemory(_ index: Int, _ shape: Shape) throws(OperatorError) -> Tensor {
    let type = plan.outputTypes[Int(links.typeStart) + index]
    // A string takes its length and a place in a list.
    let byteCount = shape.elementCount * (type == .string ? 16 : type.byteSize)
    if byteCount > ONNXScratch.maxSlotBytes {
      tookLarge = true
      return try large(byteCount, type, index, shape)
    }
    guard index < Int(links.outputCount) else { return Tensor(type, shape: Shape(0)) }
    let slot = Int(plan.slotLists[Int(links.outputStart) + index])
    guard slot >= 0, let tensor = slots[slot].take(), tensor.elementType == type else {
      return Tensor(type, shape: Shape(0))
    }
    return tensor
  }

  private func large(
    _ byteCount: Int, _ type: ElementType, _ index: Int, _ shape: Shape
  ) throws(OperatorError) -> Tensor {
    if index < Int(links.outputCount) {
      let slot = Int(plan.slotLists[Int(links.outputStart) + index])
      // What the last request left here, such as an output that its caller has let go.
      if slot >= 0, plan.constants[slot] == nil, slots[slot] != nil { recycle(slot) }
    }
    if liveBytes + byteCount > maxBytes {
      liveBytes = memoryBytes()
      guard byteCount <= maxBytes, liveBytes + byteCount <= maxBytes else {
        throw OperatorError(
          "output \(index) of shape \(shape) takes \(byteCount) bytes, \(liveBytes) are in use "
            + "and \(maxBytes) allowed")
      }
    }
    if type == .string { return Tensor(.string, shape: Shape(0)) }
    var best: Int?
    for place in pool.indices where pool[place].byteCount >= byteCount {
      if best == nil || pool[place].byteCount < pool[best ?? 0].byteCount { best = place }
    }
    if let best, pool[best].byteCount / 4 <= byteCount {
      pool.swapAt(best, pool.count - 1)
      return Tensor(type, shape: Shape(0), buffer: pool.removeLast())
    }
    // What did not fit makes room for what does.
    if let largest = pool.indices.max(by: { pool[$0].byteCount < pool[$1].byteCount }) {
      pool.remove(at: largest)
    }
    return Tensor(type, shape: Shape(0), buffer: TensorBuffer(byteCount: byteCount))
  }

  /// Bytes behind the slots but for the constants', memory that several share counted once.
  private func memoryBytes() -> Int {
    var seen: Set<ObjectIdentifier> = []
    for case let tensor? in plan.constants { seen.insert(tensor.memoryIdentity) }
    var bytes = 0
    for case let tensor? in slots where seen.insert(tensor.memoryIdentity).inserted {
      bytes += tensor.ownedByteCount
    }
    return bytes
  }
}
