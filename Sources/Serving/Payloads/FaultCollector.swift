/// What is wrong with a body, all of it: a second reading of a refused body passes over what it
/// can, and notes it here. The first reading knows nothing of this and stops at once.
final class FaultCollector {
  /// An answer is for people to read.
  static let maxFaults = 20
  /// Larger bodies are told of their first fault only: they are not read twice.
  static let maxBodyBytes = 1 << 20

  private(set) var faults: [PayloadFault] = []

  /// - Returns: False when there are enough: the reading may end.
  func take(_ fault: PayloadFault) -> Bool {
    guard faults.count < Self.maxFaults else { return false }
    if faults.last?.offset != fault.offset || faults.last?.reason != fault.reason {
      faults.append(fault)
    }
    return true
  }

  /// The fault that the second reading could not pass over.
  func end(with fault: PayloadFault) {
    // A value that is no JSON at all could not be passed over either: told already.
    if faults.last?.offset != fault.offset { _ = take(fault) }
  }
}

/// One thing that is wrong with a body.
package struct InputProblem: Sendable, Equatable {
  /// `$.input_data[3][2]`
  package var path: String
  /// What came and what was expected.
  package var reason: String
  /// `1, column 20`
  package var line: String

  package var sentence: String { "\(path) \(reason) (line \(line))" }
}

extension PayloadScanner {
  /// Notes a fault where all are wanted; throws it where the first is enough.
  @_lifetime(self: copy self)
  mutating func note(_ fault: PayloadFault) throws(PayloadFault) {
    guard let collector, collector.take(fault) else { throw fault }
  }

  /// The same for the value that begins at `start`, which is then passed over.
  @_lifetime(self: copy self)
  mutating func pass(
    over start: Int, _ fault: PayloadFault, depth: Int
  ) throws(PayloadFault) {
    guard let collector else { throw fault }
    position = start
    do throws(PayloadFault) {
      try skipValue(depth: depth)
    } catch {
      // From there on it is no JSON. Whoever has met that first has told of it.
      if collector.faults.last?.offset != fault.offset { try note(fault) }
      throw error
    }
    try note(fault)
  }
}

extension PayloadPlace {
  /// The error for a body with these faults.
  static func error(
    first: PayloadFault, _ collector: FaultCollector, in text: Span<UInt8>
  ) -> ScoringError {
    guard collector.faults.count > 1 else { return .badInput(sentence(first, in: text)) }
    var problems: [InputProblem] = []
    for fault in collector.faults { problems.append(problem(fault, in: text)) }
    return .badInputs(problems)
  }
}
