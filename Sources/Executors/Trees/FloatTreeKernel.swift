internal import CTreeKernel

/// Walks trees in float32, as XGBoost does: `x < threshold`, leaves added in float32.
///
/// Rows are taken in blocks and trees walked one after the other over a block, so that a tree
/// stays in the cache. Each row still adds its leaves in the order of the trees: its bits do not
/// depend on the block.
struct FloatTreeKernel: Sendable {
  private typealias Node = swerve_float_node

  private static let blockRows = 64

  private let nodes: [Node]
  private let roots: [Int32]
  private let groups: [Int32]
  private let categorySets: CategorySets
  /// One row of `groupCount` values a leaf; empty where leaves have one value.
  private let leafVectors: [Float]
  /// nil where every row is walked.
  private let blocks: BlockTreeKernel?
  /// For fewer rows; nil where they are walked.
  private let bundles: BundleTreeKernel?
  /// nil where walks go one by one.
  private let walks: SideBySideWalks?
  let featureCount: Int
  let groupCount: Int
  var treeCount: Int { roots.count }

  init(_ ensemble: TreeEnsemble, _ kernels: TreeKernels = .best) {
    var packed: [Node] = []
    packed.reserveCapacity(ensemble.nodes.count)
    var isPlain = true
    roots = ensemble.forEachPacked { node, first in
      precondition(node.comparison != .lessOrEqual, "float32 trees compare with <")
      let isCategorical = node.comparison == .inCategorySet
      packed.append(
        Node(
          threshold: Float(node.threshold), slot: SideBySideWalks.slot(node),
          first: node.isLeaf ? node.whenTrue : first,
          rules: node.isLeaf
            ? UInt32(max(node.whenFalse, 0))
            : (node.nanGoesTrue ? 1 : 0)
              | (isCategorical ? 2 | UInt32(node.categorySet) << 2 : 0)))
      isPlain = isPlain && SideBySideWalks.holds(node, nanGoesTrue: node.nanGoesTrue)
    }
    nodes = packed
    groups = ensemble.trees.map { Int32($0.group) }
    categorySets = ensemble.categorySets
    leafVectors = ensemble.leafVectors
    featureCount = ensemble.featureCount
    groupCount = ensemble.groupCount
    blocks =
      kernels.hasBlocks ? BlockTreeKernel(ensemble, .float32, maxLevel: kernels.maxLevel) : nil
    bundles =
      kernels.hasBundles
      ? blocks.flatMap { BundleTreeKernel(ensemble, .float32, $0.columns) } : nil
    walks =
      kernels.hasWalks && isPlain
      ? SideBySideWalks(ensemble, .less, zeroLimit: -1) : nil
  }

  /// Adds the leaf each tree reaches to the margins of every row.
  ///
  /// - Parameters:
  ///   - features: Shape `(rowCount, featureCount)`, row-major. NaN means missing.
  ///   - rows: Those that are scored; the others stay as they are.
  ///   - margins: Shape `(rowCount, groupCount)`. Added to, not overwritten.
  /// - Complexity: O(rows × trees × depth).
  func addMargins(
    features: Span<Float>, rowCount: Int, rows: Range<Int>, margins: inout MutableSpan<Float>
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount)
    precondition(features.count == rowCount * featureCount)
    precondition(margins.count == rowCount * groupCount)
    if let blocks, rows.count >= (bundles == nil ? blocks.minRows : BundleTreeKernel.maxRows) {
      return blocks.addMargins(features: features, rows: rows, margins: &margins)
    }
    if let bundles {
      return bundles.addMargins(features: features, rows: rows, margins: &margins)
    }
    if let walks {
      return walks.addMargins(
        nodes: nodes, roots: roots, groups: groups, features: features, rows: rows,
        margins: &margins)
    }
    guard leafVectors.isEmpty else {
      return addVectors(features: features, rows: rows, margins: &margins)
    }
    let nodes = self.nodes.span
    var blockStart = rows.lowerBound
    while blockStart < rows.upperBound {
      let blockEnd = min(blockStart + FloatTreeKernel.blockRows, rows.upperBound)
      for tree in 0..<roots.count {
        let root = roots[tree]
        let group = Int(groups[tree])
        for row in blockStart..<blockEnd {
          let leaf = leaf(of: root, nodes: nodes, features: features, rowStart: row * featureCount)
          margins[unchecked: row * groupCount + group] += leaf.threshold
        }
      }
      blockStart = blockEnd
    }
  }

  /// `addMargins` where a leaf has a value for every group.
  private func addVectors(
    features: Span<Float>, rows: Range<Int>, margins: inout MutableSpan<Float>
  ) {
    let nodes = self.nodes.span
    let vectors = leafVectors.span
    for row in rows {
      for root in roots {
        let leaf = leaf(of: root, nodes: nodes, features: features, rowStart: row * featureCount)
        let start = Int(leaf.rules) * groupCount
        for group in 0..<groupCount {
          margins[row * groupCount + group] += vectors[start + group]
        }
      }
    }
  }

  /// Writes the number of the leaf each tree reaches.
  ///
  /// - Parameter leaves: Shape `(rowCount, treeCount)`.
  func writeLeaves(
    features: Span<Float>, rowCount: Int, rows: Range<Int>, leaves: inout MutableSpan<Int32>
  ) {
    precondition(features.count == rowCount * featureCount)
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount)
    precondition(leaves.count == rowCount * treeCount)
    let nodes = self.nodes.span
    for row in rows {
      for tree in 0..<roots.count {
        let leaf = leaf(
          of: roots[tree], nodes: nodes, features: features, rowStart: row * featureCount)
        leaves[row * roots.count + tree] = leaf.first
      }
    }
  }

  @inline(__always)
  private func leaf(
    of root: Int32, nodes: Span<Node>, features: Span<Float>, rowStart: Int
  ) -> Node {
    // `TreeEnsemble.init` has checked every child and every feature index.
    var node = nodes[unchecked: Int(root)]
    while node.slot >= 0 {
      let value = features[unchecked: rowStart + Int(node.slot >> 1)]
      let goesFirst =
        value.isNaN
        ? node.nanGoesFirst
        : node.isCategorical
          ? isMember(value, of: node.categorySet)
          : value < node.threshold
      node = nodes[unchecked: Int(node.first) + (goesFirst ? 0 : 1)]
    }
    return node
  }

  /// XGBoost: what is negative or over 2^24 is no category.
  private func isMember(_ value: Float, of set: Int) -> Bool {
    value >= 0 && value < 0x1p24 && categorySets.contains(set: set, category: Int(value))
  }
}

/// `rules`: bit 0: NaN goes first. Bit 1: it asks for a category, of the set in the bits above. In a
/// leaf the place of its vector.
extension swerve_float_node {
  fileprivate var nanGoesFirst: Bool { rules & 1 != 0 }
  fileprivate var isCategorical: Bool { rules & 2 != 0 }
  fileprivate var categorySet: Int { Int(rules >> 2) }
}
