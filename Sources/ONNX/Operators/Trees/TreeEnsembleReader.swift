import Executors
import Tensors

/// Reads the attributes of TreeEnsemble, version 5: inner nodes and leaves in lists of their own.
enum TreeEnsembleReader {
  static func trees<Number: TensorElement & BinaryFloatingPoint>(
    _: Number.Type, in context: inout NodeContext
  ) throws(ModelFormatError) -> DecisionTrees<Number> {
    let features = try context.integers("nodes_featureids") ?? []
    let whenTrue = try context.integers("nodes_truenodeids") ?? []
    let whenFalse = try context.integers("nodes_falsenodeids") ?? []
    let trueIsLeaf = try context.integers("nodes_trueleafs") ?? []
    let falseIsLeaf = try context.integers("nodes_falseleafs") ?? []
    let tracks = try context.integers("nodes_missing_value_tracks_true") ?? []
    let targets = try context.integers("leaf_targetids") ?? []
    let roots = try context.integers("tree_roots") ?? []
    let targetCount = try context.integer("n_targets") ?? 0
    func numbers(
      _ name: String, _ context: inout NodeContext
    ) throws(ModelFormatError) -> [Number] {
      guard let tensor = try context.tensor(name) else { return [] }
      return try TreeAttributes<Number>.listed(tensor, name, context)
    }
    let splits = try numbers("nodes_splits", &context)
    let weights = try numbers("leaf_weights", &context)
    let members = try numbers("membership_values", &context)
    _ = try context.tensor("nodes_hitrates")
    guard let modes = try context.tensor("nodes_modes"), modes.elementType == .uint8 else {
      throw context.malformed("nodes_modes is no tensor of uint8")
    }

    let count = features.count
    for (name, length) in [
      ("nodes_truenodeids", whenTrue.count), ("nodes_falsenodeids", whenFalse.count),
      ("nodes_trueleafs", trueIsLeaf.count), ("nodes_falseleafs", falseIsLeaf.count),
      ("nodes_splits", splits.count), ("nodes_modes", modes.shape.elementCount),
    ] where length != count {
      throw context.malformed("\(name) has \(length) entries; nodes_featureids has \(count)")
    }
    guard tracks.isEmpty || tracks.count == count else {
      throw context.malformed(
        "nodes_missing_value_tracks_true has \(tracks.count) entries for \(count) nodes")
    }
    guard targets.count == weights.count else {
      throw context.malformed(
        "\(targets.count) leaf_targetids for \(weights.count) leaf_weights")
    }
    guard count + weights.count <= Int(Int32.max) else {
      throw context.malformed("\(count) nodes and \(weights.count) leaves are too many")
    }

    var sets: [[Number]] = []
    var nextMember = 0
    var nodes: [DecisionTrees<Number>.Node] = []
    nodes.reserveCapacity(count + weights.count)
    let questions = modes.values(as: UInt8.self)
    for index in 0..<count {
      guard questions[index] < DecisionTrees<Number>.Question.leaf.rawValue,
        let question = DecisionTrees<Number>.Question(rawValue: questions[index])
      else { throw context.malformed("node \(index) has mode \(questions[index])") }
      guard let feature = Int32(exactly: features[index]), feature >= 0, feature < .max else {
        throw context.malformed("node \(index) asks for feature \(features[index])")
      }
      /// The leaves stand behind the nodes.
      func child(_ number: Int, _ isLeaf: Int) throws(ModelFormatError) -> Int32 {
        guard number >= 0, number < (isLeaf != 0 ? weights.count : count) else {
          throw context.malformed(
            "node \(index) leads to \(isLeaf != 0 ? "leaf" : "node") \(number)")
        }
        return Int32(truncatingIfNeeded: isLeaf != 0 ? count + number : number)
      }
      var node = DecisionTrees<Number>.Node(threshold: splits[index], question: question)
      node.feature = feature
      node.whenTrue = try child(whenTrue[index], trueIsLeaf[index])
      node.whenFalse = try child(whenFalse[index], falseIsLeaf[index])
      node.nanIsTrue = !tracks.isEmpty && tracks[index] == 1
      if question == .member {
        // The sets stand in the order of the nodes that ask for one, a NaN behind each.
        var set: [Number] = []
        while nextMember < members.count, !members[nextMember].isNaN {
          set.append(members[nextMember])
          nextMember += 1
        }
        nextMember += 1
        guard !set.isEmpty else { throw context.malformed("the set of node \(index) is empty") }
        node.set = Int32(truncatingIfNeeded: sets.count)
        sets.append(set)
      }
      nodes.append(node)
    }
    var packed: [DecisionTrees<Number>.Weight] = []
    packed.reserveCapacity(weights.count)
    for (index, weight) in weights.enumerated() {
      guard let target = Int32(exactly: targets[index]) else {
        throw context.malformed("leaf \(index) is for target \(targets[index])")
      }
      var leaf = DecisionTrees<Number>.Node(threshold: weight, question: .leaf)
      leaf.whenTrue = Int32(truncatingIfNeeded: index)
      leaf.whenFalse = 1
      nodes.append(leaf)
      packed.append(DecisionTrees<Number>.Weight(target: target, value: weight))
    }
    for root in roots where root < 0 || root >= count {
      throw context.malformed("a tree begins at node \(root) of \(count)")
    }
    do {
      return try DecisionTrees(
        nodes: nodes, roots: roots.map { Int32(truncatingIfNeeded: $0) }, weights: packed,
        sets: sets, targetCount: targetCount)
    } catch {
      throw context.malformed(error.reason)
    }
  }
}
