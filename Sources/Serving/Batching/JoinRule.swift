internal import Executors
internal import Tensors

/// Which models' requests may be joined into one batch: those that take rows, give rows, and
/// whose rows do not depend on each other.
enum JoinRule {
  /// Why requests of the model are never joined, as far as its definition says; nil when they
  /// may be.
  static func reason(
    _ signature: ModelSignature, batchDependentNodes: [String]
  ) -> String? {
    if !batchDependentNodes.isEmpty {
      return "rows are not independent: " + batchDependentNodes.joined(separator: ", ")
    }
    if signature.inputs.isEmpty { return "the model has no input" }
    for input in signature.inputs {
      guard let first = input.shape.first else {
        return "input '\(input.name)' is a scalar: it has no rows"
      }
      if let first {
        return "the first dimension of input '\(input.name)' is always \(first): it is no number "
          + "of rows"
      }
    }
    for output in signature.outputs {
      guard case .tensor(_, let shape) = output.kind, case let first?? = shape.first else {
        continue
      }
      return "the first dimension of output '\(output.name)' is always \(first): it is no number "
        + "of rows"
    }
    return nil
  }

  /// What a model's definition does not say is tried: the same rows with others, in other places,
  /// must give the same bits.
  ///
  /// - Parameter inputs: Rows that the model takes.
  /// - Returns: What differed; nil when nothing did.
  static func difference(
    _ executor: any ModelExecutor, inputs: [Tensor?], outputs: [Int]
  ) -> String? {
    guard let rows = BatchLayout(inputs, outputs: outputs)?.rowCount(of: inputs) else {
      return nil
    }
    let scratch = executor.makeScratch()
    func run(_ inputs: [Tensor?]) throws(ExecutorError) -> [ModelValue] {
      try executor.predict(inputs, outputs: outputs, scratch: scratch)
    }
    do throws(ExecutorError) {
      let alone = try run(inputs)
      var others = varied(inputs)
      // Not every model takes any number.
      let othersAlone: [ModelValue]
      if let values = try? run(others) {
        othersAlone = values
      } else {
        others = inputs
        othersAlone = alone
      }
      let parts = [others, inputs, inputs, others]
      var joined: [Tensor?] = []
      BatchAssembly.join(parts, into: &joined)
      let together = try run(joined)
      for (place, expected) in [othersAlone, alone, alone, othersAlone].enumerated() {
        let range = place * rows..<(place + 1) * rows
        guard let found = BatchAssembly.rows(range, of: together, total: parts.count * rows)
        else { return "an output has not as many rows as its input" }
        guard BatchAssembly.isSame(found, expected) else {
          return "a row's result depends on the rows beside it"
        }
      }
      return nil
    } catch {
      return "rows that run alone do not run together: \(error)"
    }
  }

  /// Other numbers of the same shapes. Whole numbers stay as they are: they may be indices.
  private static func varied(_ inputs: [Tensor?]) -> [Tensor?] {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    func next() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) / Double(1 << 23) - 1
    }
    return inputs.map { input in
      guard var copy = input else { return nil }
      switch copy.elementType {
      case .float32:
        var values = copy.mutableValues(as: Float.self)
        for index in values.indices { values[index] = Float(next()) }
      case .float64:
        var values = copy.mutableValues(as: Double.self)
        for index in values.indices { values[index] = next() }
      default: break
      }
      return copy
    }
  }
}
