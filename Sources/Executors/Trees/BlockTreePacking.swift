internal import CTreeKernel

extension BlockTreeKernel {
  /// What an ensemble asks, and how large its trees are.
  struct Survey {
    var thresholds: [RankColumns.Question: [Double]] = [:]
    /// Leaves of the largest tree.
    var largest = 0
    var nodeCount = 0

    /// nil when a node asks what has no form here, or a tree is far too large.
    init?(_ ensemble: TreeEnsemble, _ arithmetic: TreeArithmetic) {
      var waiting: [Int] = []
      for tree in ensemble.trees {
        var leaves = 0
        var questions = 0
        waiting.append(tree.nodes.lowerBound)
        while let index = waiting.popLast() {
          let node = ensemble.nodes[index]
          if node.isLeaf {
            leaves += 1
            continue
          }
          // One leaf more than questions: a tree that is too large is soon known.
          questions += 1
          guard questions < BlockTreeKernel.maxLeaves,
            let (question, threshold) = arithmetic.question(node)
          else { return nil }
          nodeCount += 1
          thresholds[question, default: []].append(threshold)
          waiting.append(tree.nodes.lowerBound + Int(node.whenTrue))
          waiting.append(tree.nodes.lowerBound + Int(node.whenFalse))
        }
        largest = max(largest, leaves)
      }
    }
  }

  /// Lays trees out for the kernel.
  struct Packing {
    private let ensemble: TreeEnsemble
    private let arithmetic: TreeArithmetic
    private let columns: RankColumns
    private let leafCells: Int
    private(set) var nodes: [swerve_tree_node] = []
    private(set) var trees: [swerve_tree] = []
    /// The last tree's leaf values, by leaf number.
    private(set) var leaves: [Double] = []
    /// Cells that nodes write.
    private(set) var maxDepth = 0
    /// Cells that the trees since the last `interleave` write, and where their nodes begin.
    private var usedDepth = 0
    private var maxDepthOfTree = 0
    private var treeStarts: [Int] = []

    init(
      _ ensemble: TreeEnsemble, _ arithmetic: TreeArithmetic, _ columns: RankColumns,
      leafCells: Int
    ) {
      self.ensemble = ensemble
      self.arithmetic = arithmetic
      self.columns = columns
      self.leafCells = leafCells
    }

    mutating func append(_ tree: TreeEnsemble.Tree, leafStart: Int) {
      leaves.removeAll(keepingCapacity: true)
      let start = nodes.count
      treeStarts.append(start)
      let root = append(0, of: tree, depth: usedDepth)
      usedDepth = max(usedDepth, maxDepthOfTree)
      trees.append(
        swerve_tree(
          node_start: UInt32(start), node_end: UInt32(nodes.count), leaf_start: UInt32(leafStart),
          group: UInt32(tree.group), root: UInt32(root)))
    }

    /// Puts the nodes of the trees since the last time one behind the other in turns. A node mostly
    /// waits for the one before it in its tree: those of other trees stand in between now.
    mutating func interleave() {
      let starts = treeStarts
      let end = nodes.count
      guard let first = starts.first else { return }
      let own = Array(nodes[first...])
      var next = starts
      var place = first
      while place < end {
        for tree in starts.indices
        where next[tree] < (tree + 1 < starts.count ? starts[tree + 1] : end) {
          nodes[place] = own[next[tree] - first]
          next[tree] += 1
          place += 1
        }
      }
      // The first asks for all.
      let firstTree = trees.count - starts.count
      for tree in starts.indices {
        trees[firstTree + tree].node_start = UInt32(tree == 0 ? first : end)
        trees[firstTree + tree].node_end = UInt32(end)
      }
      maxDepth = max(maxDepth, maxDepthOfTree)
      maxDepthOfTree = 0
      usedDepth = 0
      treeStarts.removeAll(keepingCapacity: true)
    }

    /// Children before parents; a node takes the place of its first child where that has one, so
    /// few cells are in use. No deeper than a tree has leaves.
    ///
    /// - Returns: The cell that holds the leaf that is reached from here.
    private mutating func append(_ local: Int, of tree: TreeEnsemble.Tree, depth: Int) -> Int {
      let node = ensemble.nodes[tree.nodes.lowerBound + local]
      if node.isLeaf {
        leaves.append(node.threshold)
        return leaves.count - 1
      }
      let first = append(Int(node.whenTrue), of: tree, depth: depth)
      let second = append(
        Int(node.whenFalse), of: tree, depth: first < leafCells ? depth : depth + 1)
      guard let (question, threshold) = arithmetic.question(node) else {
        preconditionFailure("a node that `Survey` refused")
      }
      let place = columns.place(question, threshold: threshold)
      let limit = UInt32(UInt8(bitPattern: place.limit))
      nodes.append(
        swerve_tree_node(
          column: UInt32(place.column), limit: limit * 0x0101_0101, first: UInt16(first),
          second: UInt16(second), result: UInt16(leafCells + depth), unused: 0))
      maxDepthOfTree = max(maxDepthOfTree, depth + 1)
      return leafCells + depth
    }
  }
}
