/// Which kernels a model of trees may use. All give the same bits; tests and loadtest/engines look at
/// those that other CPUs have.
package struct TreeKernels: Sendable {
  /// What is fastest here.
  package static let best = TreeKernels()
  /// As on a CPU that has vectors of 256 bits.
  package static let avx2 = TreeKernels(hasBundles: false, maxLevel: 1)
  /// C for any CPU.
  package static let portable = TreeKernels(hasBundles: false, maxLevel: 0)
  /// Swift alone: the reference.
  package static let plain = TreeKernels(
    hasBlocks: false, hasBundles: false, hasWalks: false, maxLevel: 0)

  /// Walks side by side whatever the trees are.
  static let walks = TreeKernels(hasBlocks: false, hasBundles: false)

  var hasBlocks = true
  var hasBundles = true
  var hasWalks = true
  /// Of `BlockTreeKernel`.
  var maxLevel = Int32.max
}
