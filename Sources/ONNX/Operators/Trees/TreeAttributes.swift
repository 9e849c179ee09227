import Executors
import Tensors

/// Reads the attributes of TreeEnsembleRegressor and TreeEnsembleClassifier: parallel lists, one
/// entry a node, and one entry a weight.
struct TreeAttributes<Number: TensorElement & BinaryFloatingPoint> {
  let trees: DecisionTrees<Number>
  let baseValues: [Number]
  /// The targets that weights are written for.
  let targets: Set<Int>
  /// True when no weight that is written is below 0.
  let weightsArePositive: Bool

  /// - Parameter prefix: `target` or `class`.
  init(
    _ prefix: String, targetCount: Int, in context: inout NodeContext
  ) throws(ModelFormatError) {
    let treeIDs = try context.integers("nodes_treeids") ?? []
    let nodeIDs = try context.integers("nodes_nodeids") ?? []
    let features = try context.integers("nodes_featureids") ?? []
    let modes = try context.strings("nodes_modes") ?? []
    let whenTrue = try context.integers("nodes_truenodeids") ?? []
    let whenFalse = try context.integers("nodes_falsenodeids") ?? []
    let tracks = try context.integers("nodes_missing_value_tracks_true") ?? []
    let thresholds = try TreeAttributes.numbers("nodes_values", &context)
    _ = try TreeAttributes.numbers("nodes_hitrates", &context)
    baseValues = try TreeAttributes.numbers("base_values", &context)
    let weightTrees = try context.integers("\(prefix)_treeids") ?? []
    let weightNodes = try context.integers("\(prefix)_nodeids") ?? []
    let weightTargets = try context.integers("\(prefix)_ids") ?? []
    let weights = try TreeAttributes.numbers("\(prefix)_weights", &context)

    let count = nodeIDs.count
    for (name, length) in [
      ("nodes_treeids", treeIDs.count), ("nodes_featureids", features.count),
      ("nodes_modes", modes.count), ("nodes_truenodeids", whenTrue.count),
      ("nodes_falsenodeids", whenFalse.count), ("nodes_values", thresholds.count),
    ] where length != count {
      throw context.malformed("\(name) has \(length) entries; nodes_nodeids has \(count)")
    }
    guard tracks.count <= count else {
      throw context.malformed(
        "nodes_missing_value_tracks_true has \(tracks.count) entries for \(count) nodes")
    }
    for (name, length) in [
      ("\(prefix)_treeids", weightTrees.count), ("\(prefix)_ids", weightTargets.count),
      ("\(prefix)_weights", weights.count),
    ] where length != weightNodes.count {
      throw context.malformed(
        "\(name) has \(length) entries; \(prefix)_nodeids has \(weightNodes.count)")
    }

    guard count <= Int(Int32.max) else { throw context.malformed("\(count) nodes are too many") }
    let places = try NodePlaces(trees: treeIDs, nodes: nodeIDs, in: context)
    var nodes: [DecisionTrees<Number>.Node] = []
    nodes.reserveCapacity(count)
    for index in 0..<count {
      guard let question = TreeAttributes.question(modes[index]) else {
        throw context.malformed("node \(nodeIDs[index]) has mode '\(modes[index])'")
      }
      var node = DecisionTrees<Number>.Node(threshold: thresholds[index], question: question)
      if question != .leaf {
        func child(_ number: Int) throws(ModelFormatError) -> Int32 {
          guard let place = places.place(tree: treeIDs[index], node: number) else {
            throw context.malformed(
              "tree \(treeIDs[index]), node \(nodeIDs[index]): its child \(number) is not there")
          }
          return place
        }
        guard let feature = Int32(exactly: features[index]), feature >= 0, feature < .max else {
          throw context.malformed(
            "tree \(treeIDs[index]), node \(nodeIDs[index]): feature \(features[index])")
        }
        node.feature = feature
        node.whenTrue = try child(whenTrue[index])
        node.whenFalse = try child(whenFalse[index])
        node.nanIsTrue = index < tracks.count && tracks[index] == 1
      }
      nodes.append(node)
    }

    var found: Set<Int> = []
    var arePositive = true
    var order: [(leaf: Int32, weight: Int)] = []
    order.reserveCapacity(weights.count)
    for index in weights.indices {
      found.insert(weightTargets[index])
      if weights[index] < 0 { arePositive = false }
      let (tree, node) = (weightTrees[index], weightNodes[index])
      guard let leaf = places.place(tree: tree, node: node) else {
        throw context.malformed("a weight belongs to node \(node) of tree \(tree)")
      }
      guard weightTargets[index] >= 0, weightTargets[index] < targetCount else {
        throw context.malformed(
          "a weight is for \(prefix) \(weightTargets[index]); there are \(targetCount)")
      }
      // Old converters write weights for inner nodes, too; they say nothing.
      if nodes[Int(leaf)].isLeaf { order.append((leaf, index)) }
    }
    order.sort { ($0.leaf, $0.weight) < ($1.leaf, $1.weight) }
    var packed: [DecisionTrees<Number>.Weight] = []
    packed.reserveCapacity(order.count)
    for (leaf, index) in order {
      if nodes[Int(leaf)].whenFalse == 0 {
        nodes[Int(leaf)].whenTrue = Int32(truncatingIfNeeded: packed.count)
        nodes[Int(leaf)].threshold = weights[index]
      }
      nodes[Int(leaf)].whenFalse += 1
      packed.append(
        DecisionTrees<Number>.Weight(
          target: Int32(truncatingIfNeeded: weightTargets[index]), value: weights[index]))
    }
    targets = found
    weightsArePositive = arePositive
    do {
      trees = try DecisionTrees(
        nodes: nodes, roots: places.roots, weights: packed, sets: [], targetCount: targetCount)
    } catch {
      throw context.malformed(error.reason)
    }
  }

  private static func question(_ mode: String) -> DecisionTrees<Number>.Question? {
    switch mode {
    case "BRANCH_LEQ": .lessOrEqual
    case "BRANCH_LT": .less
    case "BRANCH_GTE": .greaterOrEqual
    case "BRANCH_GT": .greater
    case "BRANCH_EQ": .equal
    case "BRANCH_NEQ": .notEqual
    case "LEAF": .leaf
    default: nil
    }
  }

  /// A list of floats, or from version 3 on a tensor of the type in which the trees compute.
  private static func numbers(
    _ name: String, _ context: inout NodeContext
  ) throws(ModelFormatError) -> [Number] {
    let floats = try context.floats(name) ?? []
    guard context.version >= 3, let tensor = try context.tensor("\(name)_as_tensor") else {
      return floats.map { Number($0) }
    }
    let list = try listed(tensor, "\(name)_as_tensor", context)
    guard floats.isEmpty || list.isEmpty else {
      throw context.malformed("it has both \(name) and \(name)_as_tensor")
    }
    return floats.isEmpty ? list : floats.map { Number($0) }
  }

  /// The elements of a tensor attribute, which must be of the trees' type.
  static func listed(
    _ tensor: Tensor, _ name: String, _ context: NodeContext
  ) throws(ModelFormatError) -> [Number] {
    guard tensor.elementType == Number.elementType else {
      throw context.unsupported(
        "\(name) is \(tensor.elementType.name) where the input means \(Number.elementType.name)")
    }
    // ONNX Runtime takes a scalar for a tensor that is not there.
    guard tensor.shape.rank > 0 else { return [] }
    let values = tensor.values(as: Number.self)
    return values.indices.map { values[$0] }
  }
}

/// Where the node of a tree stands in the lists, which may be in any order within a tree.
private struct NodePlaces {
  private struct Tree {
    var start: Int
    var count: Int
    /// Only where the nodes are not numbered as they stand.
    var places: [Int: Int32]?
  }

  private var trees: [Int: Tree] = [:]
  /// The first node of each tree.
  private(set) var roots: [Int32] = []

  init(
    trees treeIDs: [Int], nodes nodeIDs: [Int], in context: NodeContext
  ) throws(ModelFormatError) {
    var start = 0
    while start < treeIDs.count {
      let tree = treeIDs[start]
      var end = start
      while end < treeIDs.count, treeIDs[end] == tree { end += 1 }
      // ONNX Runtime would count such a tree once for each of its parts.
      guard trees[tree] == nil else {
        throw context.malformed("the nodes of tree \(tree) do not stand together")
      }
      var found = Tree(start: start, count: end - start)
      if (start..<end).contains(where: { nodeIDs[$0] != $0 - start }) {
        var places: [Int: Int32] = [:]
        places.reserveCapacity(end - start)
        for index in start..<end {
          let place = Int32(truncatingIfNeeded: index)
          guard places.updateValue(place, forKey: nodeIDs[index]) == nil else {
            throw context.malformed("tree \(tree) has two nodes \(nodeIDs[index])")
          }
        }
        found.places = places
      }
      trees[tree] = found
      roots.append(Int32(truncatingIfNeeded: start))
      start = end
    }
  }

  func place(tree: Int, node: Int) -> Int32? {
    guard let found = trees[tree] else { return nil }
    if let places = found.places { return places[node] }
    guard node >= 0, node < found.count else { return nil }
    return Int32(truncatingIfNeeded: found.start + node)
  }
}
