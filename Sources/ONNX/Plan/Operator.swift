import Executors
import Tensors

/// One node's work, with everything that can be known at load already decided.
protocol Operator: Sendable {
  /// Reads the inputs and gives the outputs of the current step.
  func run(_ scratch: ONNXScratch) throws(OperatorError)
}

/// Why a node could not do its work with what it was given.
struct OperatorError: Error {
  var reason: String
  init(_ reason: String) { self.reason = reason }
}

/// What an operator's builder decided.
struct BuiltOperator {
  var operation: any Operator
  var outputs: [ElementType]
  /// ZipMap: the keys of the maps whose values the first output holds.
  var mapKeys: Tensor?

  init(_ operation: any Operator, _ outputs: ElementType..., mapKeys: Tensor? = nil) {
    self.operation = operation
    self.outputs = outputs
    self.mapKeys = mapKeys
  }
}

/// Everything one thread needs while it runs a plan: a slot for each value.
///
/// The memory behind a slot is used again by the next batch unless somebody still holds it.
final class ONNXScratch: Scratch {
  /// No tensor in a model may be larger: a shape computed from a request's numbers could
  /// otherwise ask for all memory.
  static let maxTensorBytes = 1 << 31

  var slots: [Tensor?]
  var step: Plan.Step
  var maxBytes = ONNXScratch.maxTensorBytes

  override var byteCount: Int {
    slots.reduce(0) { $0 + ($1?.byteCount ?? 0) } - constantBytes
  }

  private let constantBytes: Int

  init(plan: Plan) {
    slots = plan.constants
    constantBytes = plan.constants.reduce(0) { $0 + ($1?.byteCount ?? 0) }
    step = Plan.Step(label: "", operation: NoOperation(), inputs: [], outputs: [], types: [])
  }

  init(slots: [Tensor?], step: Plan.Step) {
    self.slots = slots
    constantBytes = 0
    self.step = step
  }

  func optionalInput(_ index: Int) -> Tensor? {
    guard index < step.inputs.count, let slot = step.inputs[index] else { return nil }
    return slots[slot]
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
    var tensor = try memory(index)
    guard shape.elementCount * max(tensor.elementType.byteSize, 16) <= maxBytes
    else {
      throw OperatorError("output \(index) of shape \(shape) is over \(maxBytes) bytes")
    }
    tensor.reuse(shape: shape)
    return tensor
  }

  func writer(_ index: Int, _ shape: Shape) throws(OperatorError) -> ElementWriter {
    guard shape.elementCount <= maxBytes / 16 else {
      throw OperatorError("output \(index) of shape \(shape) is over \(maxBytes) bytes")
    }
    return ElementWriter(reusing: try memory(index), shape: shape)
  }

  private func memory(_ index: Int) throws(OperatorError) -> Tensor {
    let type = step.types[index]
    guard index < step.outputs.count, let slot = step.outputs[index],
      let tensor = slots[slot].take(), tensor.elementType == type
    else { return Tensor(type, shape: Shape(0)) }
    return tensor
  }

  func give(_ index: Int, _ tensor: Tensor) {
    guard index < step.outputs.count, let slot = step.outputs[index] else { return }
    slots[slot] = tensor
  }
}

struct NoOperation: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {}
}

func integers(of tensor: Tensor, input index: Int) throws(OperatorError) -> [Int] {
  switch tensor.elementType {
  case .int64:
    let values = tensor.values(as: Int64.self)
    return values.indices.map { Int(values[$0]) }
  case .int32:
    let values = tensor.values(as: Int32.self)
    return values.indices.map { Int(values[$0]) }
  default:
    throw OperatorError("input \(index) is \(tensor.elementType.name); int64 was expected")
  }
}

/// A shape of computed numbers.
func checkedShape(_ dimensions: [Int]) throws(OperatorError) -> Shape {
  do {
    return try Shape(checking: dimensions)
  } catch {
    throw OperatorError("\(error)")
  }
}

/// An axis counted from either end, in `0..<rank`.
func checkedAxis(_ axis: Int, rank: Int) throws(OperatorError) -> Int {
  let (sum, overflows) = axis.addingReportingOverflow(rank)
  let found = axis < 0 ? sum : axis
  guard !overflows || axis >= 0, found >= 0, found < rank else {
    throw OperatorError("axis \(axis) of a tensor of rank \(rank)")
  }
  return found
}
