import Tensors

/// Steps that are run as one because nobody sees what lies between them. The arithmetic stays the
/// steps' own, in their order: the same bits.
enum StepFusion {
  /// - Parameter seen: Values that the model gives, or that a branch or a body does.
  static func fused(_ steps: [PlanStep], seen: Set<Int>) -> [PlanStep] {
    var readers: [Int: Int] = [:]
    for step in steps {
      for value in step.inputs.compactMap({ $0 }) + step.captures {
        readers[value, default: 0] += 1
      }
    }
    var fused: [PlanStep] = []
    // Where the step that makes a value stands in `fused`.
    var makers: [Int: Int] = [:]
    for step in steps {
      if let normalizer = step.operation as? Normalizer, let value = step.inputs.first ?? nil,
        readers[value] == 1, !seen.contains(value), let place = makers[value],
        var classifier = fused[place].operation as? LinearClassifier,
        classifier.normalizer == nil, fused[place].outputs.count > 1,
        fused[place].outputs[1] == value, fused[place].types[1] == .float32,
        let output = step.outputs.first ?? nil
      {
        // The normalizer reads the scores and nothing else: it may move up to where they are made.
        classifier.normalizer = normalizer
        fused[place].operation = classifier
        fused[place].outputs[1] = output
        makers[output] = place
        continue
      }
      for case let value? in step.outputs { makers[value] = fused.count }
      fused.append(step)
    }
    return fused
  }
}
