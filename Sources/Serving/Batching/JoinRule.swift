internal import Executors
internal import Telemetry
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
  /// must give the same bits, whatever the others hold.
  ///
  /// - Parameter inputs: Rows that the model takes.
  /// - Returns: What differed; nil when nothing did.
  static func difference(
    _ executor: any ModelExecutor, inputs: [Tensor?], outputs: [Int],
    clock: MonotonicClock = .system
  ) -> String? {
    guard let rows = BatchLayout(inputs, outputs: outputs)?.rowCount(of: inputs) else {
      return nil
    }
    let start = clock.now()
    let trial: Trial
    do throws(ExecutorError) {
      let alone = try executor.predict(inputs, outputs: outputs, scratch: executor.makeScratch())
      trial = Trial(
        executor: executor, inputs: inputs, outputs: outputs, rows: rows, alone: alone)
    } catch {
      return "its rows do not run: \(error)"
    }
    for kind in Trial.Others.allCases {
      // A network of seconds has been tried with the usual ones at least.
      let passed = clock.now() &- start
      if kind != .usual, passed > Trial.maxNanoseconds { break }
      let deadline = kind == .usual ? UInt64.max : start &+ 2 * Trial.maxNanoseconds
      if let difference = trial.difference(beside: kind, deadline: deadline) { return difference }
    }
    return nil
  }
}

/// Rows, run alone and beside others.
private struct Trial {
  /// What the rows beside hold. Whatever a model asks of a number, one of these is beyond it: what
  /// looks at other rows only where they are large, or where they are the least, is found too.
  enum Others: CaseIterable {
    case usual, large, huge, infinite, negativeInfinite, notANumber
  }

  static let maxNanoseconds: UInt64 = 3_000_000_000

  let executor: any ModelExecutor
  let inputs: [Tensor?]
  let outputs: [Int]
  let rows: Int
  let alone: [ModelValue]

  func difference(beside kind: Others, deadline: UInt64) -> String? {
    let scratch = executor.makeScratch()
    func run(_ inputs: [Tensor?]) throws(ExecutorError) -> [ModelValue] {
      scratch.deadline = deadline
      return try executor.predict(inputs, outputs: outputs, scratch: scratch)
    }
    do throws(ExecutorError) {
      var others = inputs.map { $0.map { OtherNumbers.tensor(like: $0, kind) } }
      // Not every model takes any number.
      let othersAlone: [ModelValue]
      if let values = try? run(others) {
        othersAlone = values
      } else if kind == .usual {
        others = inputs
        othersAlone = alone
      } else {
        return nil
      }
      let parts = [others, inputs, inputs, others]
      var joined: [Tensor?] = []
      BatchAssembly.join(parts, into: &joined)
      let together = try run(joined)
      for (place, expected) in [othersAlone, alone, alone, othersAlone].enumerated() {
        let range = place * rows..<(place + 1) * rows
        guard let found = BatchAssembly.rows(range, of: together, total: parts.count * rows)
        else { return "an output has not as many rows as its input" }
        // The bits of a NaN depend on where it was computed.
        if kind != .usual, place == 0 || place == 3 { continue }
        guard BatchAssembly.isSame(found, expected) else {
          return "a row's result depends on the rows beside it"
        }
      }
      return nil
    } catch .deadlinePassed where kind != .usual {
      return nil
    } catch {
      return "rows that run alone do not run together: \(error)"
    }
  }
}

/// Tensors of other numbers, of a type and shape that a model takes.
private enum OtherNumbers {
  static func tensor(like input: Tensor, _ kind: Trial.Others) -> Tensor {
    var copy = input
    switch input.elementType {
    case .float32: fill(&copy) { Float(number(kind, &$0)) }
    case .float64: fill(&copy) { number(kind, &$0) }
    case .float16: fill(&copy) { Float16(number(kind, &$0)) }
    // Its bits are the upper ones of a float's.
    case .bfloat16: fill(&copy) { UInt16(Float(number(kind, &$0)).bitPattern >> 16) }
    case .int8: fill(&copy) { integer(kind, &$0) as Int8 }
    case .int16: fill(&copy) { integer(kind, &$0) as Int16 }
    case .int32: fill(&copy) { integer(kind, &$0) as Int32 }
    case .int64: fill(&copy) { integer(kind, &$0) as Int64 }
    case .uint8: fill(&copy) { integer(kind, &$0) as UInt8 }
    case .uint16: fill(&copy) { integer(kind, &$0) as UInt16 }
    case .uint32: fill(&copy) { integer(kind, &$0) as UInt32 }
    case .uint64: fill(&copy) { integer(kind, &$0) as UInt64 }
    case .bool: fill(&copy) { UInt8($0.next() >> 40 & 1) }
    default: break
    }
    return copy
  }

  private static func fill<Element: TensorElement>(
    _ tensor: inout Tensor, _ next: (inout Draws) -> Element
  ) {
    var draws = Draws()
    var values = tensor.mutableValues(as: Element.self)
    for index in values.indices { values[index] = next(&draws) }
  }

  private static func number(_ kind: Trial.Others, _ draws: inout Draws) -> Double {
    let part = Double(draws.next() >> 40) / Double(1 << 23) - 1
    switch kind {
    case .usual: return part
    case .large: return part * 1e4
    case .huge: return part * 1e30
    case .infinite: return .infinity
    case .negativeInfinite: return -.infinity
    case .notANumber: return .nan
    }
  }

  /// Small ones at first: they may be indices. None so large that a model which takes it for a size
  /// asks for all memory.
  private static func integer<Number: FixedWidthInteger>(
    _ kind: Trial.Others, _ draws: inout Draws
  ) -> Number {
    let random = draws.next() >> 33
    switch kind {
    case .usual: return Number(random % 4)
    case .large: return Number(clamping: random % 1000)
    case .huge: return Number(clamping: Int(random % 2_000_000) - 1_000_000)
    case .infinite: return Number(clamping: Int32.max)
    case .negativeInfinite: return Number(clamping: Int32.min)
    case .notANumber: return 0
    }
  }

  private struct Draws {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state
    }
  }
}
