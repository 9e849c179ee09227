package import Tensors

/// Scores batches for one model. THE contract of every model format.
///
/// The model is immutable and shared between threads; what a thread needs while it scores is
/// in its `Scratch`.
package protocol ModelExecutor: Sendable {
  var signature: ModelSignature { get }

  /// What the model is, in a few words for `show` and logs: `XGBoost gbtree, 100 trees`.
  var summary: String { get }

  /// Working memory for one thread.
  func makeScratch() -> Scratch

  /// Scores a batch.
  ///
  /// A row's result does not depend on the other rows, its place, or the thread.
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

/// Working memory of one thread while it scores. Subclassed by each executor; never shared.
open class Scratch {
  public init() {}

  /// Bytes that it keeps between requests, beyond the model itself: a large one is not kept.
  open var byteCount: Int { 0 }
}
