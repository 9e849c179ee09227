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

  struct Tree: Sendable {
    /// Where its nodes lie in `nodes`; children are counted from here, the root comes first.
    var nodes: Range<Int>
    /// The margin its leaves are added to.
    var group: Int
  }

  /// - Throws: `ModelFormatError.malformed` with tree and node, in the file's numbers.
  init(
    format: String, featureCount: Int, groupCount: Int, nodes: [TreeNode], trees: [Tree],
    categorySets: CategorySets = CategorySets()
  ) throws(ModelFormatError) {
    func malformed(_ place: String, _ reason: String) -> ModelFormatError {
      .malformed(format: format, at: place, reason: reason)
    }
    // With no column at all a request could claim any number of rows for nothing.
    guard featureCount >= 1, featureCount <= Int(Int32.max) else {
      throw malformed("the model", "\(featureCount) features; 1 or more are expected")
    }
    guard groupCount >= 1, groupCount <= max(1, trees.count, Int(UInt16.max)) else {
      throw malformed("the model", "\(groupCount) outputs for \(trees.count) trees")
    }
    guard nodes.count <= Int(Int32.max) else {
      throw malformed("the model", "\(nodes.count) nodes; at most \(Int32.max) are taken")
    }
    var isReached = [Bool](repeating: false, count: nodes.count)
    var waiting: [Int] = []
    for (treeIndex, tree) in trees.enumerated() {
      guard tree.group >= 0, tree.group < groupCount else {
        throw malformed(
          "tree \(treeIndex)", "it belongs to output \(tree.group); there are \(groupCount)")
      }
      guard !tree.nodes.isEmpty, tree.nodes.upperBound <= nodes.count else {
        throw malformed("tree \(treeIndex)", "it has no nodes")
      }
      waiting.append(0)
      while let local = waiting.popLast() {
        let place = "tree \(treeIndex), node \(local)"
        let index = tree.nodes.lowerBound + local
        guard !isReached[index] else { throw malformed(place, "it has two parents") }
        isReached[index] = true
        let node = nodes[index]
        if node.isLeaf { continue }
        guard node.feature < featureCount else {
          throw malformed(
            place, "it asks for feature \(node.feature); the model has \(featureCount)")
        }
        if node.comparison == .inCategorySet, node.categorySet >= categorySets.count {
          throw malformed(place, "category set \(node.categorySet) of \(categorySets.count)")
        }
        for child in [node.whenTrue, node.whenFalse] {
          guard child >= 0, Int(child) < tree.nodes.count else {
            throw malformed(place, "child \(child) of \(tree.nodes.count) nodes")
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

/// A question, or a leaf.
struct TreeNode: Sendable {
  enum Comparison: UInt8, Sendable {
    case lessThan, lessOrEqual, inCategorySet
  }

  /// What a node does with a value of zero (after tiny ones became zero, where they do).
  enum ZeroRule: UInt8, Sendable {
    case compared, goesTrue, goesFalse
  }

  /// The feature asked for; -1 in a leaf.
  var feature: Int32
  /// What the feature is compared with; a leaf's value.
  var threshold: Double = 0
  /// The child when the answer is yes, counted in its tree; a leaf's number in its library.
  var whenTrue: Int32
  var whenFalse: Int32 = -1
  var categorySet: Int32 = 0
  var comparison = Comparison.lessThan
  var nanGoesTrue = false
  var zeroRule = ZeroRule.compared

  var isLeaf: Bool { feature < 0 }

  static func leaf(number: Int32, value: Double) -> TreeNode {
    TreeNode(feature: -1, threshold: value, whenTrue: number)
  }
}

/// Sets of small whole numbers, as bits.
struct CategorySets: Sendable {
  /// More than any real model holds; what keeps one absurd category from taking all memory.
  static let maxWords = 1 << 24

  private(set) var words: [UInt32] = []
  private(set) var starts: [Int32] = [0]

  var count: Int { starts.count - 1 }

  /// Adds a set given as bits; false when there is no room for it.
  mutating func append(words bits: some Collection<UInt32>) -> Bool {
    guard words.count + bits.count <= CategorySets.maxWords else { return false }
    words.append(contentsOf: bits)
    starts.append(Int32(words.count))
    return true
  }

  /// Adds a set of categories, none of them negative; false when there is no room for it.
  mutating func append(categories: some Collection<Int32>) -> Bool {
    let wordCount = categories.isEmpty ? 0 : Int(categories.max() ?? 0) / 32 + 1
    guard words.count + wordCount <= CategorySets.maxWords else { return false }
    var bits = [UInt32](repeating: 0, count: wordCount)
    for category in categories { bits[Int(category) / 32] |= 1 << UInt32(category % 32) }
    return append(words: bits)
  }

  func contains(set: Int, category: Int) -> Bool {
    let word = Int(starts[set]) + category / 32
    return word < Int(starts[set + 1]) && words[word] >> UInt32(category % 32) & 1 == 1
  }
}
