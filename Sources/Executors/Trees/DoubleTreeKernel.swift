internal import CTreeKernel

/// Walks trees in float64, as LightGBM does: `x <= threshold`, leaves added in float64 from 0.
///
/// Blocks of rows as in `FloatTreeKernel`.
struct DoubleTreeKernel: Sendable {
  private typealias Node = swerve_double_node

  private static let nearZero = RankColumns.nearZero
  private static let blockRows = 64

  private let nodes: [Node]
  private let roots: [Int32]
  private let groups: [Int32]
  private let categorySets: CategorySets
  private let linearLeaves: LinearLeaves
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
      precondition(node.isLeaf || node.comparison != .lessThan, "float64 trees compare with <=")
      let isCategorical = node.comparison == .inCategorySet
      let zeroGoesFirst =
        switch node.zeroRule {
        case .compared: 0 <= node.threshold
        case .goesTrue: true
        case .goesFalse: false
        }
      packed.append(
        Node(
          threshold: node.threshold, slot: SideBySideWalks.slot(node),
          first: node.isLeaf ? node.whenTrue : first,
          rules: node.isLeaf
            ? UInt32(node.whenFalse + 1)
            : (node.nanGoesTrue ? 1 : 0) | (zeroGoesFirst ? 4 : 0)
              | (isCategorical ? 2 | UInt32(node.categorySet) << 3 : 0), unused: 0))
      isPlain = isPlain && SideBySideWalks.holds(node, nanGoesTrue: node.nanGoesTrue)
    }
    nodes = packed
    groups = ensemble.trees.map { Int32($0.group) }
    categorySets = ensemble.categorySets
    linearLeaves = ensemble.linearLeaves
    featureCount = ensemble.featureCount
    groupCount = ensemble.groupCount
    blocks =
      kernels.hasBlocks ? BlockTreeKernel(ensemble, .float64, maxLevel: kernels.maxLevel) : nil
    bundles =
      kernels.hasBundles
      ? blocks.flatMap { BundleTreeKernel(ensemble, .float64, $0.columns) } : nil
    walks =
      kernels.hasWalks && isPlain
      ? SideBySideWalks(ensemble, .atMost, zeroLimit: Self.nearZero) : nil
  }

  /// Adds the leaf each tree reaches to the margins of every row.
  ///
  /// - Parameters:
  ///   - features: Shape `(rowCount, featureCount)`, row-major.
  ///   - rows: Those that are scored; the others stay as they are.
  ///   - margins: Shape `(rowCount, groupCount)`. Added to, not overwritten.
  /// - Complexity: O(rows × trees × depth).
  func addMargins(
    features: Span<Double>, rowCount: Int, rows: Range<Int>, margins: inout MutableSpan<Double>
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
    guard linearLeaves.count == 0 else {
      return addLinear(features: features, rows: rows, margins: &margins)
    }
    let nodes = self.nodes.span
    var blockStart = rows.lowerBound
    while blockStart < rows.upperBound {
      let blockEnd = min(blockStart + DoubleTreeKernel.blockRows, rows.upperBound)
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

  /// `addMargins` where leaves are linear models of the row.
  private func addLinear(
    features: Span<Double>, rows: Range<Int>, margins: inout MutableSpan<Double>
  ) {
    let nodes = self.nodes.span
    for row in rows {
      let rowStart = row * featureCount
      for tree in 0..<roots.count {
        let leaf = leaf(of: roots[tree], nodes: nodes, features: features, rowStart: rowStart)
        margins[row * groupCount + Int(groups[tree])] +=
          leaf.rules == 0
          ? leaf.threshold
          : linearValue(
            Int(leaf.rules) - 1, otherwise: leaf.threshold, features: features, rowStart: rowStart)
      }
    }
  }

  private func linearValue(
    _ index: Int, otherwise: Double, features: Span<Double>, rowStart: Int
  ) -> Double {
    var sum = linearLeaves.constants[index]
    for term in Int(linearLeaves.starts[index])..<Int(linearLeaves.starts[index + 1]) {
      let value = features[rowStart + Int(linearLeaves.features[term])]
      if value.isNaN { return otherwise }
      // LightGBM's predictor has made a zero of what is nearly one.
      let kept = abs(value) <= DoubleTreeKernel.nearZero ? 0 : value
      sum += linearLeaves.coefficients[term] * kept
    }
    return sum
  }

  /// Writes the number of the leaf each tree reaches.
  ///
  /// - Parameter leaves: Shape `(rowCount, treeCount)`.
  func writeLeaves(
    features: Span<Double>, rowCount: Int, rows: Range<Int>, leaves: inout MutableSpan<Int32>
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
    of root: Int32, nodes: Span<Node>, features: Span<Double>, rowStart: Int
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
          : abs(value) <= DoubleTreeKernel.nearZero
            ? node.zeroGoesFirst : value <= node.threshold
      node = nodes[unchecked: Int(node.first) + (goesFirst ? 0 : 1)]
    }
    return node
  }

  /// LightGBM cuts toward zero, so -0.5 is category 0; what fits no int32 is none.
  private func isMember(_ value: Double, of set: Int) -> Bool {
    value > -1 && value < 0x1p31 && categorySets.contains(set: set, category: Int(value))
  }
}

/// `rules`: bit 0: NaN goes first. Bit 1: it asks for a category, of the set in the bits from 3 on.
/// Bit 2: zero goes first. In a leaf the place of its linear model and 1; 0: it has none.
extension swerve_double_node {
  fileprivate var nanGoesFirst: Bool { rules & 1 != 0 }
  fileprivate var isCategorical: Bool { rules & 2 != 0 }
  fileprivate var zeroGoesFirst: Bool { rules & 4 != 0 }
  fileprivate var categorySet: Int { Int(rules >> 3) }
}
