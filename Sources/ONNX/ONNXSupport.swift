package import Tensors

/// The operators that are run and the limits that hold, for the support matrix.
package enum ONNXSupport {
  package struct Row: Sendable {
    package var domain: String
    package var name: String
    package var versions: [Int]
    /// Types of the first input; empty where it has none.
    package var types: [ElementType]
    /// The inputs whose types are others than the first one's.
    package var others: [OtherInputs]
  }

  /// Inputs that follow each other and take the same types.
  package struct OtherInputs: Sendable {
    /// Counted from 1.
    package var first: Int
    /// Nil: all that follow.
    package var last: Int?
    /// Nil: the operator looks at them itself.
    package var types: [ElementType]?
  }

  /// An operator whose result for a row depends on the other rows, and when.
  package static var batchDependent: [(name: String, when: String)] {
    OperatorTable.definitions.compactMap { definition in
      definition.mixesRows.map { (definition.name, $0) }
    }
    .sorted { $0.0 < $1.0 }
  }

  private static func others(_ definition: OperatorDefinition) -> [OtherInputs] {
    var result: [OtherInputs] = []
    for (index, rule) in definition.others.enumerated() {
      let input = index + 2
      guard input <= definition.maxInputs else { break }
      let isLast = index == definition.others.count - 1
      let last: Int? =
        !isLast ? input : definition.maxInputs == .max ? nil : definition.maxInputs
      var types: [ElementType]?
      switch rule {
      case .same: continue
      case .any: types = nil
      case .one(let set):
        if set == definition.types { continue }
        types = ElementType.allCases.filter(set.contains)
      }
      if let before = result.last, before.types == types, before.last == input - 1 {
        result[result.count - 1].last = last
      } else {
        result.append(OtherInputs(first: input, last: last, types: types))
      }
    }
    return result
  }

  /// Types that are computed with, and those that are only held besides.
  package static var allTypes: [ElementType] {
    ElementType.allCases.filter(OperatorTable.all.contains)
  }

  /// By domain and name.
  package static var operators: [Row] {
    OperatorTable.definitions
      .map { definition in
        Row(
          domain: definition.domain, name: definition.name, versions: definition.versions,
          types: definition.maxInputs == 0
            ? [] : ElementType.allCases.filter(types(of: definition).contains),
          others: others(definition))
      }
      .sorted { ($0.domain, $0.name) < ($1.domain, $1.name) }
  }

  private static func types(of definition: OperatorDefinition) -> Set<ElementType> {
    HalfPrecision.takesHalf(definition)
      ? definition.types.union([.float16]) : definition.types
  }

  /// The newest operator set known, by domain.
  package static var newestOpsets: [String: Int] { PlanBuilder.newestOpsets }

  /// What a model may not exceed, as sentences.
  package static var limits: [String] {
    [
      "A tensor has at most \(Shape.maxRank) dimensions.",
      "All values of one request take at most \(ONNXScratch.maxLiveBytes >> 20) MiB at one time.",
      "Constants that are computed while a model loads take at most "
        + "\(PlanBuilder.maxFoldedBytes >> 20) MiB; what is over is computed for each batch.",
      "A graph has at most \(GraphMessage.maxNodes) nodes, calls of functions unfolded.",
      "While they are read, a file's messages take at most \(MessageBudget.factor) times its "
        + "size and \(MessageBudget.floor >> 10) KiB, and so many bytes in total as "
        + "\(LoadBudget.factor) times all files and \(LoadBudget.floor >> 10) KiB what cannot be "
        + "used where it lies in them: sparse and packed tensors, those in typed fields "
        + "(where numbers of 64 bits count half), aligned copies.",
      "Networks of float16 are computed as ONNX Runtime's CPU provider computes them: in float32, "
        + "and rounded where a value is moved by an operator that it has a float16 kernel for, or "
        + "given. Their weights are widened when the model loads, to twice the file's size.",
      "Resize takes other types than floats with the mode nearest; uint8, int8 and int32 with the "
        + "mode linear of images and volumes; uint8 and int32 antialiased, of images.",
      "Quantized graphs are computed node by node, as ONNX Runtime does with its optimizations off: "
        + "where it joins QuantizeLinear, an operator and DequantizeLinear into one of integers, "
        + "its answer differs by steps of the quantization.",
      "A sparse tensor has at most \(TensorReader.maxSparseElements) elements.",
      "Weights are packed anew up to \(LoadBudget.maxPackedTensorBytes >> 10) KiB a tensor and "
        + "\(LoadBudget.maxPackedBytes >> 10) KiB a model; larger ones are used as they lie.",
      "Messages are nested at most \(ProtobufReader.maxDepth) deep.",
      "External data must lie in the package, at a relative path without `..`.",
      "Inputs are tensors; an output is a tensor or, behind ZipMap, a list of maps.",
    ]
  }
}
