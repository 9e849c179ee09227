internal import CTreeKernel

/// Walks of eight trees, or of eight rows, side by side (`tree_walk.h`): for trees that are too large
/// for `BlockTreeKernel`, and for few rows. The nodes are the kernel's own, so this takes no memory.
///
/// It knows comparisons only. What a NaN does is told by which of two values of its feature a node
/// looks at; zeros that go where missing values go, and categories, are walked one by one.
struct SideBySideWalks: Sendable {
  static let walks = Int(SWERVE_WALKS)
  /// Rows whose values are spread at once: a tree stays in the cache while they pass through it.
  static let blockRows = 128
  /// Trees whose leaves are kept until they are added.
  static let blockTrees = 256
  /// A row's values are spread whole: where trees ask for few of them, walking is faster.
  private static let maxColumnsPerTree = 16

  private let asks: WalkQuestion
  private let featureCount: Int
  private let groupCount: Int
  /// What is no farther from 0 counts as zero.
  private let zeroLimit: Double

  /// nil where walking one by one is faster, or answers something else.
  init?(_ ensemble: TreeEnsemble, _ asks: WalkQuestion, zeroLimit: Double) {
    guard ensemble.leafVectors.isEmpty, ensemble.linearLeaves.count == 0,
      Self.isWorthwhile(features: ensemble.featureCount, trees: ensemble.trees.count)
    else { return nil }
    featureCount = ensemble.featureCount
    groupCount = ensemble.groupCount
    self.asks = asks
    self.zeroLimit = zeroLimit
  }

  static func isWorthwhile(features: Int, trees: Int) -> Bool {
    features <= 64 + maxColumnsPerTree * trees
  }

  /// Whether comparing the value, or the infinity that stands for NaN, says what the node says.
  static func holds(_ node: TreeNode, nanGoesTrue: Bool) -> Bool {
    if node.isLeaf { return true }
    guard node.comparison != .inCategorySet, !node.threshold.isNaN else { return false }
    switch node.zeroRule {
    case .compared: break
    case .goesTrue: guard node.threshold >= RankColumns.nearZero else { return false }
    case .goesFalse: guard node.threshold < -RankColumns.nearZero else { return false }
    }
    return switch node.comparison {
    case .lessThan: node.threshold > -.infinity || !nanGoesTrue
    case .lessOrEqual: node.threshold < .infinity || nanGoesTrue
    case .inCategorySet: false
    }
  }

  /// Twice the feature, and 1 where NaN goes to the second child.
  static func slot(_ node: TreeNode) -> Int32 {
    node.isLeaf ? -1 : 2 * node.feature + (node.nanGoesTrue ? 0 : 1)
  }

  func addMargins<Element: TreeSum>(
    nodes: [Element.Node], roots: [Int32], groups: [Int32], features: Span<Element>,
    rows: Range<Int>, margins: inout MutableSpan<Element>
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound * groupCount <= margins.count)
    precondition(rows.upperBound * featureCount <= features.count)
    let width = 2 * featureCount
    let tiles = min(rows.count, Self.blockRows) / Self.walks
    let valueCount = width * max(tiles * Self.walks, 1)
    withUnsafeTemporaryAllocation(of: Element.self, capacity: valueCount) { memory in
      guard let values = memory.baseAddress else { return }
      features.withUnsafeBufferPointer { features in
        guard let features = features.baseAddress else { return }
        var start = rows.lowerBound
        while rows.upperBound - start >= Self.walks {
          let count = min(rows.upperBound - start, Self.blockRows) / Self.walks * Self.walks
          for row in 0..<count {
            let tile = values + row / Self.walks * width * Self.walks
            Element.spread(
              features + (start + row) * featureCount, featureCount, zeroLimit,
              tile + row % Self.walks, Self.walks)
          }
          addTiles(nodes, roots, groups, values, start..<start + count, &margins)
          start += count
        }
        while start < rows.upperBound {
          Element.spread(features + start * featureCount, featureCount, zeroLimit, values, 1)
          addRow(nodes, roots, groups, values, start, &margins)
          start += 1
        }
      }
    }
  }

  private func addTiles<Element: TreeSum>(
    _ nodes: [Element.Node], _ roots: [Int32], _ groups: [Int32],
    _ values: UnsafePointer<Element>, _ rows: Range<Int>, _ margins: inout MutableSpan<Element>
  ) {
    let tileValues = 2 * featureCount * Self.walks
    let leaves = nodes.span
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.walks) { reached in
      guard let places = reached.baseAddress else { return }
      for tree in roots.indices {
        var tile = values
        for row in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.walks) {
          Element.walkRows(nodes, roots[tree], asks, tile, places)
          var place = row * groupCount + Int(groups[tree])
          for walk in 0..<Self.walks {
            margins[place] += Element.leafValue(leaves[unchecked: Int(places[walk])])
            place += groupCount
          }
          tile += tileValues
        }
      }
    }
  }

  private func addRow<Element: TreeSum>(
    _ nodes: [Element.Node], _ roots: [Int32], _ groups: [Int32],
    _ values: UnsafePointer<Element>, _ row: Int, _ margins: inout MutableSpan<Element>
  ) {
    let leaves = nodes.span
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.blockTrees) { reached in
      guard let places = reached.baseAddress else { return }
      for first in stride(from: 0, to: roots.count, by: Self.blockTrees) {
        let trees = first..<min(first + Self.blockTrees, roots.count)
        Element.walkRow(nodes, roots, trees, asks, values, places)
        for tree in trees {
          margins[row * groupCount + Int(groups[tree])] +=
            Element.leafValue(leaves[unchecked: Int(places[tree - first])])
        }
      }
    }
  }
}
