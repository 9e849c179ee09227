/// One tree of an XGBoost file: parallel arrays with one entry a node.
///
/// Its memory is used again for the next tree.
struct XGBoostTreeArrays {
  private var leftChildren: [Int32] = []
  private var rightChildren: [Int32] = []
  private var splitIndices: [Int32] = []
  private var splitConditions: [Float] = []
  private var defaultLeft: [Int32] = []
  private var splitTypes: [Int32] = []
  private var categories: [Int32] = []
  private var categoryNodes: [Int32] = []
  private var categorySegments: [Int32] = []
  private var categorySizes: [Int32] = []
  private var baseWeights: [Float] = []
  private var leafWeights: [Float] = []
  private var hasLeafWeights = false
  private var nodeCount: Int?
  private var leafVectorSize = 0

  /// Values of each leaf.
  var leafWidth: Int { max(leafVectorSize, 1) }

  /// Reads the object that comes next.
  ///
  /// - Parameter wantsVectors: Whether leaves may have several values; those of other trees
  ///   stand in `split_conditions` and one array less has to be read.
  mutating func read<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader, wantsVectors: Bool
  ) throws(ModelFormatError) {
    leftChildren.removeAll(keepingCapacity: true)
    rightChildren.removeAll(keepingCapacity: true)
    splitIndices.removeAll(keepingCapacity: true)
    splitConditions.removeAll(keepingCapacity: true)
    defaultLeft.removeAll(keepingCapacity: true)
    splitTypes.removeAll(keepingCapacity: true)
    categories.removeAll(keepingCapacity: true)
    categoryNodes.removeAll(keepingCapacity: true)
    categorySegments.removeAll(keepingCapacity: true)
    categorySizes.removeAll(keepingCapacity: true)
    baseWeights.removeAll(keepingCapacity: true)
    leafWeights.removeAll(keepingCapacity: true)
    hasLeafWeights = false
    nodeCount = nil
    leafVectorSize = 0
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "left_children": try reader.readIntegers(&leftChildren)
      case "right_children": try reader.readIntegers(&rightChildren)
      case "split_indices": try reader.readIntegers(&splitIndices)
      case "split_conditions": try reader.readNumbers(&splitConditions)
      case "default_left": try reader.readIntegers(&defaultLeft)
      case "split_type": try reader.readIntegers(&splitTypes)
      case "categories": try reader.readIntegers(&categories)
      case "categories_nodes": try reader.readIntegers(&categoryNodes)
      case "categories_segments": try reader.readIntegers(&categorySegments)
      case "categories_sizes": try reader.readIntegers(&categorySizes)
      case "base_weights" where wantsVectors: try reader.readNumbers(&baseWeights)
      case "leaf_weights" where wantsVectors:
        hasLeafWeights = true
        try reader.readNumbers(&leafWeights)
      case "tree_param": try readParameters(from: &reader)
      default: try reader.skipValue()
      }
    }
  }

  private mutating func readParameters<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "num_nodes": nodeCount = try reader.readWrittenInteger()
      case "size_leaf_vector": leafVectorSize = try reader.readWrittenInteger()
      default: try reader.skipValue()
      }
    }
  }

  /// Appends the tree's nodes. Children and features are checked later, by `TreeEnsemble`.
  func append(
    treeIndex: Int, to nodes: inout [TreeNode], sets: inout CategorySets,
    vectors: inout [Float]
  ) throws(ModelFormatError) {
    func malformed(_ reason: String) -> ModelFormatError {
      .malformed(format: "XGBoost", at: "tree \(treeIndex)", reason: reason)
    }
    let count = leftChildren.count
    for (name, entries) in [
      ("right_children", rightChildren.count), ("split_indices", splitIndices.count),
      ("split_conditions", splitConditions.count), ("default_left", defaultLeft.count),
      ("tree_param.num_nodes", nodeCount ?? count),
      ("split_type", splitTypes.isEmpty ? count : splitTypes.count),
    ] where entries != count {
      throw malformed("left_children has \(count) entries, \(name) says \(entries)")
    }
    guard count > 0, count < Int(Int32.max) else { throw malformed("it has \(count) nodes") }
    // From 3.2 on leaves have an array of their own, and `right_children` tells the place in it;
    // before, their values stand among the nodes' weights.
    let leafValues = hasLeafWeights ? leafWeights : baseWeights
    let vectorCount = leafWidth > 1 ? leafValues.count / leafWidth : 0
    let firstVector = vectors.count / leafWidth
    if leafWidth > 1 {
      guard leafValues.count % leafWidth == 0, firstVector + vectorCount < Int(Int32.max) else {
        throw malformed("\(leafValues.count) values in leaves of \(leafWidth)")
      }
      vectors.append(contentsOf: leafValues)
    }
    let setOfNode = try categorySets(nodeCount: count, sets: &sets, malformed: malformed)

    for node in 0..<count {
      if leftChildren[node] == -1 {
        var row: Int32 = -1
        if leafWidth > 1 {
          let rowInTree = hasLeafWeights ? Int(rightChildren[node]) : node
          guard rowInTree >= 0, rowInTree < vectorCount else {
            throw malformed("leaf \(node) has values \(rowInTree) of \(vectorCount)")
          }
          row = Int32(firstVector + rowInTree)
        }
        nodes.append(.leaf(number: Int32(node), value: Double(splitConditions[node]), row: row))
        continue
      }
      guard splitIndices[node] >= 0 else {
        throw malformed("node \(node) asks for feature \(splitIndices[node])")
      }
      let missingGoesLeft = defaultLeft[node] != 0
      if splitTypes.isEmpty || splitTypes[node] == 0 {
        nodes.append(
          TreeNode(
            feature: splitIndices[node], threshold: Double(splitConditions[node]),
            whenTrue: leftChildren[node], whenFalse: rightChildren[node],
            comparison: .lessThan, nanGoesTrue: missingGoesLeft))
      } else {
        guard splitTypes[node] == 1, let set = setOfNode[Int32(node)] else {
          throw malformed("node \(node) has split type \(splitTypes[node]) and no categories")
        }
        // The stored set goes right.
        nodes.append(
          TreeNode(
            feature: splitIndices[node], whenTrue: rightChildren[node],
            whenFalse: leftChildren[node], categorySet: set, comparison: .inCategorySet,
            nanGoesTrue: !missingGoesLeft))
      }
    }
  }

  private func categorySets(
    nodeCount: Int, sets: inout CategorySets, malformed: (String) -> ModelFormatError
  ) throws(ModelFormatError) -> [Int32: Int32] {
    guard categorySegments.count == categoryNodes.count,
      categorySizes.count == categoryNodes.count
    else { throw malformed("the categories' nodes, segments and sizes differ in number") }
    var setOfNode: [Int32: Int32] = [:]
    var memberCount = 0
    for index in categoryNodes.indices {
      let start = Int(categorySegments[index])
      let size = Int(categorySizes[index])
      guard start >= 0, size >= 0, start + size <= categories.count else {
        throw malformed(
          "the categories of node \(categoryNodes[index]) lie at \(start)..<\(start + size) "
            + "of \(categories.count)")
      }
      // Sets do not share members: a file must not make much of little.
      memberCount += size
      guard memberCount <= categories.count else {
        throw malformed("the category sets overlap")
      }
      let members = categories[start..<start + size]
      guard members.allSatisfy({ $0 >= 0 && $0 < 1 << 24 }) else {
        throw malformed("a category of node \(categoryNodes[index]) is not in 0..<2^24")
      }
      guard sets.append(categories: members) else {
        throw malformed("there is no room for category set \(sets.count)")
      }
      setOfNode[categoryNodes[index]] = Int32(sets.count - 1)
    }
    return setOfNode
  }
}

extension ModelDocumentReader where Self: ~Escapable {
  /// A whole number that is written as a string, as XGBoost's parameters are, or as a number.
  mutating func readWrittenInteger() throws(ModelFormatError) -> Int {
    let text = try readText()
    guard let value = Int(text) else { throw malformed("a whole number expected, '\(text)' found") }
    return value
  }
}
