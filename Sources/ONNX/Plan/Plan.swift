import Executors
import Tensors

/// A graph made ready to run: steps over numbered slots. Immutable and shared by all threads.
///
/// Everything that the loop over the steps touches lies in a few flat arrays; a step is a range
/// in each. Nothing of it is counted or copied while a request runs.
final class Plan: Sendable {
  /// Where the lists of one step lie.
  struct Links: Sendable, BitwiseCopyable {
    /// In `slotLists`: a slot for each input and output, -1 where an optional one is left out.
    var inputStart: Int32 = 0
    var inputCount: Int32 = 0
    var outputStart: Int32 = 0
    var outputCount: Int32 = 0
    /// In `outputTypes`.
    var typeStart: Int32 = 0
    /// In `slotLists`: the slots that nobody reads after the step.
    var releaseStart: Int32 = 0
    var releaseCount: Int32 = 0
  }

  /// What a tensor that comes for an input is checked against.
  struct InputCheck: Sendable {
    var elementType: ElementType
    var isRequired: Bool
    var rank: Int32
    var slot: Int32
    /// -1 where any size fits.
    var dimensions = [8 of Int](repeating: -1)

    func accepts(_ shape: Shape) -> Bool {
      guard shape.rank == Int(rank) else { return false }
      for axis in 0..<Int(rank) where dimensions[axis] >= 0 && dimensions[axis] != shape[axis] {
        return false
      }
      return true
    }
  }

  let signature: ModelSignature
  let inputs: [InputCheck]
  let outputSlots: [Int]
  /// The keys of each output that is a sequence of maps.
  let outputKeys: [Tensor?]

  let operations: [any Operator]
  let links: [Links]
  let labels: [String]
  let slotLists: [Int32]
  let outputTypes: [ElementType]
  /// The steps of the graph itself, then those of each branch and loop body.
  let blocks: [Range<Int>]

  /// One entry a slot; nil where a step or a request fills it.
  let constants: [Tensor?]
  /// By slot: its tensor shares the memory of another's.
  let isAlias: [Bool]
  /// By slot: a bit for an output of the model that no step reads, so that it need not be
  /// computed where nobody asks for it; 0 for every other value.
  let askingBits: [UInt64]
  let summary: String
  /// What makes a row's result depend on the other rows of its batch.
  let batchDependentNodes: [String]

  init(
    signature: ModelSignature, inputs: [InputCheck], outputSlots: [Int], outputKeys: [Tensor?],
    blocks: [[PlanStep]], constants: [Tensor?], summary: String
  ) {
    self.signature = signature
    self.inputs = inputs
    self.outputSlots = outputSlots
    self.outputKeys = outputKeys
    self.constants = constants
    self.summary = summary
    var operations: [any Operator] = []
    var links: [Links] = []
    var labels: [String] = []
    var slotLists: [Int32] = []
    var outputTypes: [ElementType] = []
    var ranges: [Range<Int>] = []
    var isAlias = [Bool](repeating: false, count: constants.count)
    for block in blocks {
      let first = operations.count
      for step in block {
        operations.append(step.operation)
        labels.append(step.label)
        var link = Links()
        link.inputStart = Int32(slotLists.count)
        link.inputCount = Int32(step.inputs.count)
        slotLists += step.inputs.map { Int32($0 ?? -1) }
        link.outputStart = Int32(slotLists.count)
        link.outputCount = Int32(step.outputs.count)
        slotLists += step.outputs.map { Int32($0 ?? -1) }
        link.typeStart = Int32(outputTypes.count)
        outputTypes += step.types
        link.releaseStart = Int32(slotLists.count)
        link.releaseCount = Int32(step.releases.count)
        slotLists += step.releases.map { Int32($0) }
        links.append(link)
        if step.operation.sharesInput {
          for case let slot? in step.outputs { isAlias[slot] = true }
        }
      }
      ranges.append(first..<operations.count)
    }
    batchDependentNodes = blocks.joined().filter(\.mixesRows)
      .map { "node '\($0.label)' (\($0.operatorName))" }
    self.operations = operations
    self.links = links
    self.labels = labels
    self.slotLists = slotLists
    self.outputTypes = outputTypes
    self.blocks = ranges
    self.isAlias = isAlias
    askingBits = Plan.askingBits(outputSlots, blocks, slotCount: constants.count)
  }
}

extension Plan {
  /// Branches and bodies give values in other ways than by their steps: a plan that has some
  /// computes everything.
  private static func askingBits(
    _ outputSlots: [Int], _ blocks: [[PlanStep]], slotCount: Int
  ) -> [UInt64] {
    var bits = [UInt64](repeating: 0, count: slotCount)
    guard blocks.count == 1, outputSlots.count <= 64 else { return bits }
    for (index, slot) in outputSlots.enumerated() { bits[slot] |= 1 << UInt64(index) }
    for step in blocks[0] {
      for case let slot? in step.inputs { bits[slot] = 0 }
    }
    return bits
  }
}

/// One node of a plan while it is built.
struct PlanStep {
  var label: String
  var operatorName: String
  var operation: any Operator
  var inputs: [Int?]
  var outputs: [Int?]
  var types: [ElementType]
  /// What its branches or body read from outside.
  var captures: [Int] = []
  /// Slots that nobody reads after it.
  var releases: [Int] = []
  var mixesRows = false
  /// Every input is constant, and so its outputs may be.
  var canFold = false
}
