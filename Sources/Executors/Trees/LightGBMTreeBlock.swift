/// One `Tree=` block of a LightGBM file: arrays with one entry a node, and one a leaf.
struct LightGBMTreeBlock {
  let index: Int
  var leafCount = 0
  var categoryCount = 0
  var isLinear = false
  var splitFeatures: [Int32] = []
  var decisionTypes: [Int32] = []
  var leftChildren: [Int32] = []
  var rightChildren: [Int32] = []
  var thresholds: [Double] = []
  var leafValues: [Double] = []
  var categoryBoundaries: [Int32] = []
  /// Bits, 32 a word.
  var categoryWords: [UInt32] = []
  /// A linear model a leaf: its constant, how many features, and those of all leaves in a row.
  var leafConstants: [Double] = []
  var leafFeatureCounts: [Int32] = []
  var leafFeatures: [Int32] = []
  var leafCoefficients: [Double] = []

  init(index: Int) { self.index = index }

  private enum MissingType: Int32 {
    case none, zero, nan
  }

  /// Appends the tree: its nodes in the file's order, then its leaves, whose numbers are theirs.
  func append(
    to nodes: inout [TreeNode], sets: inout CategorySets, linear: inout LinearLeaves
  ) throws(ModelFormatError) {
    guard leafCount >= 1, leafValues.count == leafCount else {
      throw malformed("num_leaves is \(leafCount), leaf_value has \(leafValues.count)")
    }
    let splitCount = leafCount - 1
    // A tree of one leaf may leave its empty arrays out.
    for (name, count) in [
      ("split_feature", splitFeatures.count), ("threshold", thresholds.count),
      ("left_child", leftChildren.count), ("right_child", rightChildren.count),
      ("decision_type", decisionTypes.count),
    ] where count != splitCount && splitCount > 0 {
      throw malformed("\(name) has \(count) entries, \(splitCount) are expected")
    }
    let firstSet = sets.count
    if categoryCount > 0 { try appendSets(to: &sets) }
    for node in 0..<splitCount {
      nodes.append(try split(node, firstSet: firstSet))
    }
    let firstRow = linear.count
    if isLinear { try appendLinearLeaves(to: &linear) }
    for leaf in 0..<leafCount {
      let row = isLinear ? Int32(firstRow + leaf) : -1
      nodes.append(.leaf(number: Int32(leaf), value: leafValues[leaf], row: row))
    }
  }

  private func appendLinearLeaves(to linear: inout LinearLeaves) throws(ModelFormatError) {
    let termCount = leafFeatureCounts.reduce(0) { $0 + Int($1) }
    guard leafConstants.count == leafCount, leafFeatureCounts.count == leafCount,
      leafFeatureCounts.allSatisfy({ $0 >= 0 }), leafFeatures.count == termCount,
      leafCoefficients.count == termCount, linear.count + leafCount < Int(Int32.max)
    else {
      throw malformed(
        "\(leafCount) linear leaves of \(termCount) terms: leaf_const has \(leafConstants.count), "
          + "num_features \(leafFeatureCounts.count), leaf_features \(leafFeatures.count), "
          + "leaf_coeff \(leafCoefficients.count) entries")
    }
    var start = 0
    for leaf in 0..<leafCount {
      let end = start + Int(leafFeatureCounts[leaf])
      guard
        linear.append(
          constant: leafConstants[leaf], features: leafFeatures[start..<end],
          coefficients: leafCoefficients[start..<end])
      else { throw malformed("there is no room for the terms of leaf \(leaf)") }
      start = end
    }
  }

  private func split(_ node: Int, firstSet: Int) throws(ModelFormatError) -> TreeNode {
    guard splitFeatures[node] >= 0 else {
      throw malformed("node \(node) asks for feature \(splitFeatures[node])")
    }
    let decision = decisionTypes[node]
    let left = try child(leftChildren[node], of: node)
    let right = try child(rightChildren[node], of: node)
    if decision & 1 != 0 {
      guard let set = Int(exactly: thresholds[node]), set >= 0, set < categoryCount else {
        throw malformed("node \(node): category set \(thresholds[node]) of \(categoryCount)")
      }
      return TreeNode(
        feature: splitFeatures[node], whenTrue: left, whenFalse: right,
        categorySet: Int32(firstSet + set), comparison: .inCategorySet, nanGoesTrue: false)
    }
    guard let missing = MissingType(rawValue: decision >> 2 & 3) else {
      throw malformed("node \(node): decision type \(decision) has an unknown missing type")
    }
    let missingGoesLeft = decision & 2 != 0
    let threshold = thresholds[node]
    // Without a rule of its own NaN counts as zero.
    return TreeNode(
      feature: splitFeatures[node], threshold: threshold, whenTrue: left, whenFalse: right,
      comparison: .lessOrEqual,
      nanGoesTrue: missing == .none ? 0 <= threshold : missingGoesLeft,
      zeroRule: missing == .zero ? (missingGoesLeft ? .goesTrue : .goesFalse) : .compared)
  }

  /// A negative child c is leaf ~c; leaves lie behind the nodes.
  private func child(_ written: Int32, of node: Int) throws(ModelFormatError) -> Int32 {
    let splitCount = leafCount - 1
    if written >= 0 {
      guard Int(written) < splitCount else {
        throw malformed("node \(node): child \(written) of \(splitCount) nodes")
      }
      return written
    }
    guard Int(~written) < leafCount else {
      throw malformed("node \(node): leaf \(~written) of \(leafCount)")
    }
    return Int32(splitCount) + ~written
  }

  private func appendSets(to sets: inout CategorySets) throws(ModelFormatError) {
    guard categoryBoundaries.count - 1 == categoryCount else {
      throw malformed(
        "num_cat is \(categoryCount), cat_boundaries has \(categoryBoundaries.count)")
    }
    for set in 0..<categoryCount {
      let start = Int(categoryBoundaries[set])
      let end = Int(categoryBoundaries[set + 1])
      guard start >= 0, start <= end, end <= categoryWords.count else {
        throw malformed("category set \(set) lies at \(start)..<\(end) of \(categoryWords.count)")
      }
      guard sets.append(words: categoryWords[start..<end]) else {
        throw malformed("there is no room for category set \(sets.count)")
      }
    }
  }

  private func malformed(_ reason: String) -> ModelFormatError {
    .malformed(format: "LightGBM", at: "tree \(index)", reason: reason)
  }
}
