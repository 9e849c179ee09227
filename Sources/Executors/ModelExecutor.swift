package import Tensors

#if canImport(Glibc)
  internal import Glibc
#endif

/// Scores batches for one model. THE contract of every model format.
///
/// The model is immutable and shared between threads; what a thread needs while it scores is
/// in its `Scratch`.
package protocol ModelExecutor: Sendable {
  var signature: ModelSignature { get }

  /// What the model is, in a few words for `show` and logs: `XGBoost gbtree, 100 trees`.
  var summary: String { get }

  /// What makes a row's result depend on the other rows of its batch, because its definition
  /// says so: `node 'quantize' (DynamicQuantizeLinear)`. As a rule nothing does.
  var batchDependentNodes: [String] { get }

  /// What scikit-learn's classifier interface makes of the first output.
  var classRule: ClassRule { get }

  /// Working memory for one thread.
  func makeScratch() -> Scratch

  /// Scores a batch.
  ///
  /// A row's result does not depend on the other rows, its place, or the thread, but for
  /// `batchDependentNodes`.
  ///
  /// - Parameters:
  ///   - inputs: One tensor for each of `signature.inputs`, in that order, of that type; nil
  ///     only where `isRequired` is false. The caller has checked fixed dimensions
  ///     (`ModelInput.accepts`), or gets an error here: never a trap.
  ///   - outputs: Indices into `signature.outputs`.
  /// - Returns: One value for each of `outputs`, in that order. May share memory with
  ///   `scratch`, which takes new memory at the next call if the caller still holds it.
  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue]
}

extension ModelExecutor {
  package var batchDependentNodes: [String] { [] }
  package var classRule: ClassRule { .aboveHalf }
}

/// How a prediction becomes a class. Source: `XGBClassifier.predict`.
package enum ClassRule: Sendable, Equatable {
  /// The prediction is the class's number.
  case number
  /// The first of the largest of a row.
  case largest
  /// 1 where the prediction is above a half: one class a row, or one a target.
  case aboveHalf

  init(_ link: FloatLink, groupCount: Int) {
    switch link {
    case .bestClass: self = .number
    // With two classes the library takes the two probabilities for two targets.
    case .softmax: self = groupCount > 2 ? .largest : .aboveHalf
    case .identity, .sigmoid, .exponential, .step: self = .aboveHalf
    }
  }
}

/// Working memory of one thread while it scores. Subclassed by each executor; never shared.
open class Scratch {
  public init() {}

  /// When the work must stop, nanoseconds on the monotonic clock. Set before each `predict` by
  /// who asks for it.
  package final var deadline = UInt64.max

  /// Called where the clock is looked at, and oftener than without it: for threads that give way
  /// to others in the middle of their work.
  package final var pause: (() -> Void)?

  /// What the values of one prediction may take at one time, in bytes, for executors whose models
  /// can ask for any amount.
  package final var maxBytes = Scratch.usualMaxBytes
  package static let usualMaxBytes = 1 << 30

  /// Ends work that nobody waits for any more. An executor asks now and then: a look at the
  /// clock costs some 30 ns, and a few milliseconds between two of them are short enough.
  package final func checkDeadline() throws(ExecutorError) {
    pause?()
    guard deadline != .max else { return }
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    if now >= deadline { throw .deadlinePassed }
  }

  /// Bytes that it keeps between requests, beyond the model itself: a large one is not kept.
  open var byteCount: Int { 0 }
}
