/// Decision trees whose leaves are added up: the one form of XGBoost, LightGBM and ONNX trees.
///
/// A reader fills it with what the file says, in the file's own numbers; `init` checks all that
/// a file may lie about, once. The kernels are packed from it and then run unchecked.
///
/// A node asks one question of one feature. What differs between the libraries is data: how it
/// compares, where a missing value goes, where a zero goes. Thresholds and leaf values are
/// doubles; a float32 is held by one exactly, so no decision changes.
struct TreeEnsemble: Sendable {
  let featureCount: Int
  /// Margins of a row: classes, targets, or 1.
  let groupCount: Int
  let nodes: [TreeNode]
  let trees: [Tree]
  let categorySets: CategorySets
  /// Values of leaves that give every group one, `groupCount` after each other; empty where a
  /// leaf has one value, which is added to its tree's group.
  let leafVectors: [Float]
  /// Empty where leaves are constants.
  let linearLeaves: LinearLeaves

  struct Tree: Sendable {
    /// Where its nodes lie in `nodes`; children are counted from here, the root comes first.
    var nodes: Range<Int>
    /// The margin its leaves are added to.
    var group: Int
  }

  /// - Throws: `ModelFormatError.malformed` with tree and node, in the file's numbers.
  init(
    format: String, featureCount: Int, groupCount: Int, nodes: [TreeNode], trees: [Tree],
    categorySets: CategorySets = CategorySets(), leafVectors: [Float] = [],
    linearLeaves: LinearLeaves = LinearLeaves()
  ) throws(ModelFormatError) {
    func malformed(_ place: String, _ reason: String) -> ModelFormatError {
      .malformed(format: format, at: place, reason: reason)
    }
    // With no column at all a request could claim any number of rows for nothing.
    guard featureCount >= 1, featureCount <= Int(Int32.max) / 2 else {
      throw malformed("the model", "\(featureCount) features; 1 or more are expected")
    }
    guard groupCount >= 1, groupCount <= max(1, trees.count, Int(UInt16.max)) else {
      throw malformed("the model", "\(groupCount) outputs for \(trees.count) trees")
    }
    guard nodes.count <= Int(Int32.max) else {
      throw malformed("the model", "\(nodes.count) nodes; at most \(Int32.max) are taken")
    }
    guard leafVectors.isEmpty || linearLeaves.count == 0 else {
      throw malformed("the model", "leaves of several values and linear leaves")
    }
    for feature in linearLeaves.features where feature < 0 || Int(feature) >= featureCount {
      throw malformed("a linear leaf", "feature \(feature); the model has \(featureCount)")
    }
    let leafRows = leafVectors.isEmpty ? linearLeaves.count : leafVectors.count / groupCount
    var isReached: [Bool] = []
    var waiting: [Int] = []
    for (treeIndex, tree) in trees.enumerated() {
      func place(_ node: Int) -> String { "tree \(treeIndex), node \(node)" }
      guard tree.group >= 0, tree.group < groupCount else {
        throw malformed(
          "tree \(treeIndex)", "it belongs to output \(tree.group); there are \(groupCount)")
      }
      guard !tree.nodes.isEmpty, tree.nodes.upperBound <= nodes.count else {
        throw malformed("tree \(treeIndex)", "it has no nodes")
      }
      isReached.removeAll(keepingCapacity: true)
      isReached.append(contentsOf: repeatElement(false, count: tree.nodes.count))
      waiting.append(0)
      while let local = waiting.popLast() {
        guard !isReached[local] else { throw malformed(place(local), "it has two parents") }
        isReached[local] = true
        let node = nodes[tree.nodes.lowerBound + local]
        if node.isLeaf {
          // Beside linear leaves there may be constant ones.
          let isInRange = node.whenFalse < leafRows && node.whenFalse >= -1
          guard isInRange, leafVectors.isEmpty || node.whenFalse >= 0 else {
            throw malformed(place(local), "leaf values \(node.whenFalse) of \(leafRows)")
          }
          continue
        }
        guard node.feature < featureCount else {
          throw malformed(
            place(local), "it asks for feature \(node.feature); the model has \(featureCount)")
        }
        if node.comparison == .inCategorySet, node.categorySet >= categorySets.count {
          throw malformed(place(local), "category set \(node.categorySet) of \(categorySets.count)")
        }
        for child in [node.whenTrue, node.whenFalse] {
          guard child >= 0, Int(child) < tree.nodes.count else {
            throw malformed(place(local), "child \(child) of \(tree.nodes.count) nodes")
          }
          waiting.append(Int(child))
        }
      }
    }
    self.featureCount = featureCount
    self.groupCount = groupCount
    self.nodes = nodes
    self.trees = trees
    self.categorySets = categorySets
    self.leafVectors = leafVectors
    self.linearLeaves = linearLeaves
  }

  /// Visits the nodes that can be reached in the order in which kernels keep them: tree by tree,
  /// breadth first, the two children of a node side by side, the one for "true" first.
  ///
  /// - Parameter visit: Called with the node and, unless it is a leaf, the place of its first
  ///   child in that order.
  /// - Returns: The place of each tree's root.
  func forEachPacked(_ visit: (TreeNode, Int32) -> Void) -> [Int32] {
    var roots: [Int32] = []
    var next: Int32 = 0
    var waiting: [Int] = []
    for tree in trees {
      roots.append(next)
      next += 1
      waiting.removeAll(keepingCapacity: true)
      waiting.append(tree.nodes.lowerBound)
      var head = 0
      while head < waiting.count {
        let node = nodes[waiting[head]]
        head += 1
        visit(node, next)
        if !node.isLeaf {
          waiting.append(tree.nodes.lowerBound + Int(node.whenTrue))
          waiting.append(tree.nodes.lowerBound + Int(node.whenFalse))
          next += 2
        }
      }
    }
    return roots
  }
}
