internal import CTreeKernel

/// Trees that a form of another kind holds, walked side by side and added up: those of an ONNX model
/// whose nodes all compare alike.
package struct WalkedForest: Sendable {
  /// A question or a leaf, as its owner numbers them.
  package struct Node {
    /// What the feature is compared with; a leaf's one value.
    package var threshold: Double
    /// -1 in a leaf.
    package var feature: Int32
    /// The child when the answer is yes; a leaf's first weight.
    package var whenTrue: Int32
    /// The other child; how many weights a leaf has.
    package var whenFalse: Int32
    package var nanGoesTrue: Bool

    package init(
      threshold: Double, feature: Int32, whenTrue: Int32, whenFalse: Int32, nanGoesTrue: Bool
    ) {
      self.threshold = threshold
      self.feature = feature
      self.whenTrue = whenTrue
      self.whenFalse = whenFalse
      self.nanGoesTrue = nanGoesTrue
    }
  }

  private enum Nodes: Sendable {
    case float32([swerve_float_node], weights: [Float])
    case float64([swerve_double_node], weights: [Double])
  }

  private let nodes: Nodes
  private let roots: [Int32]
  private let targets: [Int32]
  private let targetCount: Int
  private let featureCount: Int
  private let asks: WalkQuestion

  /// nil where walking one by one is faster, or answers something else, or a node has two parents.
  ///
  /// - Parameters:
  ///   - isDouble: Whether values, thresholds and sums are float64, else float32.
  ///   - node: Each of `nodeCount`, checked: children exist, no walk is endless, weights exist.
  ///   - asksLess: `<`, else `<=`.
  ///   - targets: Of each weight, below `targetCount`.
  package init?(
    isDouble: Bool, nodeCount: Int, node: (Int) -> Node, roots: [Int32], asksLess: Bool,
    featureCount: Int, targets: [Int32], weights: [Double], targetCount: Int
  ) {
    guard SideBySideWalks.isWorthwhile(features: featureCount, trees: roots.count),
      featureCount <= Int(Int32.max) / 2
    else { return nil }
    var floats: [swerve_float_node] = []
    var doubles: [swerve_double_node] = []
    if isDouble { doubles.reserveCapacity(nodeCount) } else { floats.reserveCapacity(nodeCount) }
    var packedRoots: [Int32] = []
    var next = 0
    var waiting: [Int32] = []
    for root in roots {
      packedRoots.append(Int32(next))
      next += 1
      waiting.removeAll(keepingCapacity: true)
      waiting.append(root)
      var head = 0
      while head < waiting.count {
        // More than there are: some have two parents.
        guard next <= nodeCount else { return nil }
        let one = node(Int(waiting[head]))
        head += 1
        let question = TreeNode(
          feature: one.feature, threshold: one.threshold, whenTrue: 0,
          comparison: asksLess ? .lessThan : .lessOrEqual, nanGoesTrue: one.nanGoesTrue)
        guard SideBySideWalks.holds(question, nanGoesTrue: one.nanGoesTrue) else { return nil }
        let first = question.isLeaf ? one.whenTrue : Int32(next)
        let rules = question.isLeaf ? UInt32(one.whenFalse) : 0
        let slot = SideBySideWalks.slot(question)
        if isDouble {
          doubles.append(
            swerve_double_node(
              threshold: one.threshold, slot: slot, first: first, rules: rules, unused: 0))
        } else {
          floats.append(
            swerve_float_node(
              threshold: Float(one.threshold), slot: slot, first: first, rules: rules))
        }
        if !question.isLeaf {
          waiting.append(one.whenTrue)
          waiting.append(one.whenFalse)
          next += 2
        }
      }
    }
    nodes =
      isDouble
      ? .float64(doubles, weights: weights) : .float32(floats, weights: weights.map { Float($0) })
    self.roots = packedRoots
    self.targets = targets
    self.targetCount = targetCount
    self.featureCount = featureCount
    asks = asksLess ? .less : .atMost
  }

  /// Adds what the leaves say to the scores of rows, tree after tree, and marks what they speak for.
  ///
  /// - Parameters:
  ///   - features: `rowCount` rows of `width` values, of the type that `init` was told.
  ///   - scores: Shape `(rowCount, targetCount)`, of that type.
  ///   - isSpokenFor: Of that shape.
  package func addScores(
    features: UnsafeRawPointer, width: Int, rowCount: Int, scores: UnsafeMutableRawPointer,
    isSpokenFor: UnsafeMutablePointer<Bool>
  ) {
    precondition(width >= featureCount)
    switch nodes {
    case .float32(let nodes, let weights):
      add(
        nodes, weights, features.assumingMemoryBound(to: Float.self), width, rowCount,
        scores.assumingMemoryBound(to: Float.self), isSpokenFor)
    case .float64(let nodes, let weights):
      add(
        nodes, weights, features.assumingMemoryBound(to: Double.self), width, rowCount,
        scores.assumingMemoryBound(to: Double.self), isSpokenFor)
    }
  }

  private func add<Element: TreeSum>(
    _ nodes: [Element.Node], _ weights: [Element], _ features: UnsafePointer<Element>,
    _ width: Int, _ rowCount: Int, _ scores: UnsafeMutablePointer<Element>,
    _ isSpokenFor: UnsafeMutablePointer<Bool>
  ) {
    let walks = SideBySideWalks.walks
    let values = 2 * featureCount
    let leaves = nodes.span
    let tiles = min(rowCount, SideBySideWalks.blockRows) / walks
    withUnsafeTemporaryAllocation(of: Element.self, capacity: values * max(tiles * walks, 1)) {
      guard let spread = $0.baseAddress else { return }
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: SideBySideWalks.blockTrees) {
        guard let places = $0.baseAddress else { return }
        var start = 0
        while rowCount - start >= walks {
          let count = min(rowCount - start, SideBySideWalks.blockRows) / walks * walks
          for row in 0..<count {
            Element.spread(
              features + (start + row) * width, featureCount, -1,
              spread + row / walks * values * walks + row % walks, walks)
          }
          for root in roots {
            for row in stride(from: 0, to: count, by: walks) {
              Element.walkRows(nodes, root, asks, spread + row * values, places)
              for walk in 0..<walks {
                add(
                  leaves[unchecked: Int(places[walk])], weights, start + row + walk, scores,
                  isSpokenFor)
              }
            }
          }
          start += count
        }
        while start < rowCount {
          Element.spread(features + start * width, featureCount, -1, spread, 1)
          for first in stride(from: 0, to: roots.count, by: SideBySideWalks.blockTrees) {
            let trees = first..<min(first + SideBySideWalks.blockTrees, roots.count)
            Element.walkRow(nodes, roots, trees, asks, spread, places)
            for place in 0..<trees.count {
              add(leaves[unchecked: Int(places[place])], weights, start, scores, isSpokenFor)
            }
          }
          start += 1
        }
      }
    }
  }

  @inline(__always)
  private func add<Element: TreeSum>(
    _ leaf: Element.Node, _ weights: [Element], _ row: Int,
    _ scores: UnsafeMutablePointer<Element>, _ isSpokenFor: UnsafeMutablePointer<Bool>
  ) {
    if targetCount == 1 {
      scores[row] += Element.leafValue(leaf)
      isSpokenFor[row] = true
      return
    }
    for weight in Element.leafWeights(leaf) {
      let place = row * targetCount + Int(targets[weight])
      scores[place] += weights[weight]
      isSpokenFor[place] = true
    }
  }
}
