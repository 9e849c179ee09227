import Executors
import Tensors

/// A graph made ready to run: steps over numbered slots.
struct Plan: Sendable {
  struct Step: Sendable {
    var label: String
    var operation: any Operator
    var inputs: [Int?]
    var outputs: [Int?]
    var types: [ElementType]
  }

  var signature: ModelSignature
  var inputSlots: [Int]
  var outputSlots: [Int]
  /// The keys of each output that is a sequence of maps.
  var outputKeys: [Tensor?]
  var steps: [Step]
  /// One entry a slot; nil where a step or a request fills it.
  var constants: [Tensor?]
  var summary: String
}
