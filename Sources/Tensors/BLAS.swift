internal import COpenBLAS

/// The linear algebra that OpenBLAS does for us, over spans. Row-major throughout.
package enum BLAS {
  /// Keeps every call on the caller's thread: parallelism comes from our own instances.
  /// Called once, before any other thread runs.
  package static func pinToOneThread() {
    openblas_set_num_threads(1)
  }

  /// The kernel family OpenBLAS chose for this CPU, such as `SkylakeX`.
  package static var kernelName: String {
    guard let name = unsafe openblas_get_corename() else { return "unknown" }
    return unsafe String(cString: name)
  }
}
