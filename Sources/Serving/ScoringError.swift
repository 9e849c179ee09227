package import Executors

/// Why a scoring request has no result.
package enum ScoringError: Error, Equatable, Sendable {
  case deploymentNotFound(endpoint: String, name: String, known: [String])
  /// It exists and cannot answer; `reason` is `loading`, or why it failed.
  case deploymentUnavailable(endpoint: String, name: String, reason: String)
  /// No deployment has any traffic.
  case noTraffic(endpoint: String)
  /// The body is not what the model takes: place, what came, what was expected.
  case badInput(String)
  /// The same with more than one thing wrong, in the order of the body.
  case badInputs([InputProblem])
  /// The compressed body is damaged.
  case unpackable(String)
  /// The compressed body grows as no data does.
  case amplified(String)
  case bodyTooLarge(limit: Int)
  /// The model gave more than an answer may carry.
  case answerTooLarge(byteCount: Int, limit: Int)
  /// The model refused a value, or went wrong.
  case executor(ExecutorError)
  case queueFull(deployment: String, depth: Int)
  /// Its turn would come when its time is over.
  case tooLate(deployment: String, waitMs: Int)
  /// Its turn has not come within `max_queue_wait_ms`.
  case waitedTooLong(deployment: String, limitMs: Int)
  /// More requests at once than `max_concurrent_requests_per_instance` × `instance_count`.
  case tooManyAtOnce(deployment: String, limit: Int)
  case deadlinePassed(deployment: String, timeoutMs: Int)
  /// The caller left before its request was started.
  case callerLeft
  /// The gateway is shutting down.
  case draining
}

extension ScoringError {
  /// The same with a sentence before its own, where it is about the body.
  func prefixed(with sentence: String) -> ScoringError {
    switch self {
    case .badInput(let own): return .badInput(sentence + own)
    case .badInputs(var problems):
      if !problems.isEmpty { problems[0].reason = sentence + problems[0].reason }
      return .badInputs(problems)
    default: return self
    }
  }

  /// What is wrong with the body, as one sentence; nil when something else is.
  package var inputSentence: String? {
    switch self {
    case .badInput(let sentence): sentence
    case .badInputs(let problems):
      "\(problems.count) problems: " + problems.map(\.sentence).joined(separator: "; ")
    default: nil
    }
  }
}
