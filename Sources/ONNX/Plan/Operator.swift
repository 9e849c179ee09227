import Executors
import Tensors

/// One node's work, with everything that can be known at load already decided.
protocol Operator: Sendable {
  /// Reads the inputs and gives the outputs of the current step.
  func run(_ scratch: ONNXScratch) throws(OperatorError)

  /// Whether its outputs may share the memory of its inputs, as a reshaped tensor does.
  var sharesInput: Bool { get }

  /// Whether it takes the elements of a constant where they lie in the file, at any byte. Of one
  /// that lies at an odd byte an aligned copy is made for everybody else.
  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool
}

extension Operator {
  var sharesInput: Bool { false }
  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { false }
}

/// Why a node could not do its work with what it was given.
struct OperatorError: Error {
  var reason: String
  /// Nothing is wrong but that nobody waits any more.
  var isDeadline = false
  init(_ reason: String) { self.reason = reason }
}

/// What an operator's builder decided.
struct BuiltOperator {
  var operation: any Operator
  var outputs: [ElementType]
  /// ZipMap: the keys of the maps whose values the first output holds.
  var mapKeys: Tensor?
  /// True when a row's result depends on the other rows by definition.
  var mixesRows = false
  /// Constant inputs that it has taken over, packed anew, and does not read again.
  var unreadInputs: [Int] = []

  init(_ operation: any Operator, _ outputs: ElementType..., mapKeys: Tensor? = nil) {
    self.operation = operation
    self.outputs = outputs
    self.mapKeys = mapKeys
  }

  init(_ operation: any Operator, outputs: [ElementType]) {
    self.operation = operation
    self.outputs = outputs
  }
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

/// `(rows, columns)` of computed numbers.
func checkedShape(_ rows: Int, _ columns: Int) throws(OperatorError) -> Shape {
  do {
    return try Shape(rows: rows, columns: columns)
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
