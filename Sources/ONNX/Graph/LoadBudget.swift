import Executors
import Synchronization
import Tensors

/// What one model may take in memory beside its mapped files, counted while it loads; and the files
/// beside it, each mapped once however many tensors lie in it.
final class LoadBudget: Sendable {
  /// Weights that are packed anew are read faster than those in the file only where the caches hold
  /// them: one tensor's, and all of a model's. Larger ones would cost their size again, and more
  /// time at load than reading them does.
  static let maxPackedTensorBytes = 1 << 20
  static let maxPackedBytes = 4 << 20

  /// What may be expanded: integers of two bits in bytes of their own take four times the files;
  /// and a little for small models.
  static let factor = 4
  static let floor = 512 << 10

  private struct State {
    var files: [String: ModelFile] = [:]
    var expandedBytes = 0
    var packedBytes = 0
  }

  private let modelBytes: Int
  private let state = Mutex(State())

  init(modelBytes: Int) { self.modelBytes = modelBytes }

  var maxExpandedBytes: Int {
    let files = state.withLock { $0.files.values.reduce(modelBytes) { $0 + $1.count } }
    return LoadBudget.factor * files + LoadBudget.floor
  }

  /// Counts bytes that are not used where they lie in a file: a small file could ask for any number
  /// of them. False when it would be too many together with what there was.
  func expand(_ byteCount: Int) -> Bool {
    let allowed = maxExpandedBytes
    return state.withLock { state in
      guard byteCount <= allowed - state.expandedBytes else { return false }
      state.expandedBytes += byteCount
      return true
    }
  }

  /// Whether weights of so many bytes are to be packed anew.
  func pack(_ byteCount: Int) -> Bool {
    guard byteCount <= LoadBudget.maxPackedTensorBytes else { return false }
    let fits = state.withLock { state in
      guard byteCount <= LoadBudget.maxPackedBytes - state.packedBytes else { return false }
      state.packedBytes += byteCount
      return true
    }
    return fits && expand(byteCount)
  }

  func file(_ path: String) throws(ModelFormatError) -> ModelFile {
    if let known = state.withLock({ $0.files[path] }) { return known }
    let file = try ModelFile(path: path)
    state.withLock { $0.files[path] = file }
    return file
  }
}
