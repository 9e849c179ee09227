import Executors
import Tensors

/// A checked graph: names have become indices, nodes stand in an order in which they can run.
struct Graph {
  var valueNames: [String]
  var inputs: [GraphInput]
  var outputs: [GraphOutput]
  var nodes: [GraphNode]
  /// Initializers, by value.
  var constants: [Int: Tensor]
  /// The version of each operator set the model imports; the standard one is `ai.onnx`.
  var opsets: [String: Int]
  var producer: String
}

struct GraphInput {
  var value: Int
  var elementType: ElementType
  var shape: [Int?]
  var isRequired: Bool
}

struct GraphOutput {
  var value: Int
  /// As the file states it; nil where it does not, or where it is no tensor.
  var shape: [Int?]?
}

struct GraphNode {
  /// The name in the file, or the operator and its number.
  var label: String
  var domain: String
  var operatorName: String
  /// Values; nil where an optional one is left out.
  var inputs: [Int?]
  var outputs: [Int?]
  var attributes: [AttributeMessage]
}
