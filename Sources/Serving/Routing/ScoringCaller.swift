/// Who asks for a score: one request, with its body, waiting for one answer.
///
/// The service calls `answer` exactly once, on the thread that called `score` or, after
/// `suspend`, on any other.
package protocol ScoringCaller: AnyObject, Sendable {
  /// The request's body. Stays where it is as long as the caller lives.
  var body: Span<UInt8> {
    @_lifetime(borrow self)
    get
  }

  /// What the body is expected to take without its content coding: what a queue weighs.
  var expectedByteCount: Int { get }

  /// Makes the body what it is without its content coding. Called once, on the thread that
  /// scores, where the request says that the body is packed.
  func unpack() throws(ScoringError)

  /// Lets go of what `unpack` has made: the body has been read.
  func discardUnpacked()

  /// Whether nobody waits for the answer any more. Only asked after `suspend`.
  var hasLeft: Bool { get }

  /// The answer will come later, from another thread.
  func suspend()

  func answer(_ outcome: ScoringOutcome)
}

extension ScoringCaller {
  package func unpack() throws(ScoringError) {}
  package func discardUnpacked() {}
  package var expectedByteCount: Int { body.count }
}

/// What a caller wants.
package struct ScoringRequest: Sendable {
  package var endpoint: EndpointRoute
  /// The deployment that must answer, past the weights.
  package var pinned: String?
  package var form: AnswerForm
  /// When the body was whole, monotonic nanoseconds: the time limit counts from here.
  package var arrived: UInt64
  /// Whether the body is compressed: `ScoringCaller.unpack` makes it whole.
  package var isPacked = false

  package init(endpoint: EndpointRoute, pinned: String?, form: AnswerForm, arrived: UInt64) {
    self.endpoint = endpoint
    self.pinned = pinned
    self.form = form
    self.arrived = arrived
  }
}

/// Whose conventions an answer follows.
package enum AnswerForm: Sendable {
  /// Azure's: the bare result.
  case score
  /// MLflow's: `{"predictions": …}`.
  case invocations
  /// The same to a body of CSV.
  case invocationsCSV
  /// TensorFlow Serving's and KServe's: `{"predictions": …}` or `{"outputs": …}`.
  case predict
  /// The Open Inference Protocol's.
  case inference(InferenceCall)
}

/// How a request ended, and what it took.
package struct ScoringOutcome: Sendable {
  /// Who answered, or would have; nil when none was found.
  package var deployment: LiveDeployment?
  /// The answer's body, JSON.
  package var result: Result<[UInt8], ScoringError>
  package var times: ScoringTimes
}

/// Nanoseconds that each stage took; 0 for one that was not reached.
package struct ScoringTimes: Sendable, Equatable {
  package var queue: UInt64 = 0
  package var decode: UInt64 = 0
  package var execute: UInt64 = 0
  package var encode: UInt64 = 0
  /// Rows that were scored; no time, but counted where the times are.
  package var rows: UInt64 = 0
  /// Rows that were scored in the same run, these and other requests'; 0: it ran alone.
  package var batchRows: UInt64 = 0

  package init() {}
}
