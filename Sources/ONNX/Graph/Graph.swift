import Executors
import Tensors

/// A checked graph: names have become indices, nodes stand in an order in which they can run,
/// and the model's own functions have taken the place of their calls.
struct Graph {
  var valueNames: [String]
  var inputs: [GraphInput]
  var outputs: [GraphOutput]
  var nodes: [GraphNode]
  /// Initializers, those of subgraphs too, by value.
  var constants: [Int: Tensor]
  /// The version of each operator set the model imports; the standard one is `ai.onnx`.
  var opsets: [String: Int]
  var producer: String
  /// What reads the tensors of attributes.
  var tensors: TensorReader
}

struct GraphInput {
  var value: Int
  var elementType: ElementType
  var shape: [Int?]
  /// Of free dimensions, up to the last that has one.
  var dimensionNames: [String?]
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
  /// The version that the model, or the function the node stands in, imports of its domain.
  var opset: Int?
  /// Values; nil where an optional one is left out.
  var inputs: [Int?]
  var outputs: [Int?]
  /// Those with a graph are in `blocks` instead.
  var attributes: [AttributeMessage]
  var blocks: [GraphBlock] = []

  /// Everything that must be there before the node can run.
  var needs: [Int] { inputs.compactMap { $0 } + blocks.flatMap(\.captures) }
}

/// A graph in a node's attribute: a branch or a loop's body.
struct GraphBlock {
  /// The attribute's.
  var name: String
  var inputs: [BlockInput]
  var outputs: [GraphOutput]
  var nodes: [GraphNode]
  /// Values from outside that it reads.
  var captures: [Int]
}

struct BlockInput {
  var value: Int
  /// As the file states it, if it does.
  var elementType: ElementType?
}
