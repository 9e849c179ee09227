import Executors
import Tensors

/// Decision trees as ai.onnx.ml writes them, checked and ready to walk.
///
/// The ensemble form of XGBoost and LightGBM does not hold them: each node has a comparison of
/// its own, a leaf may speak for several targets, and two nodes may lead to one child (a set of
/// categories is often written as a chain of equalities). So they have a form of their own here.
///
/// `Number` is the type in which thresholds are compared and leaves are added: float64 for
/// float64 rows, else float32.
struct DecisionTrees<Number: TensorElement & BinaryFloatingPoint>: Sendable {
  enum Question: UInt8, Sendable {
    case lessOrEqual, less, greaterOrEqual, greater, equal, notEqual, member, leaf
  }

  struct Node: BitwiseCopyable, Sendable {
    /// What the feature is compared with; a leaf's one value.
    var threshold: Number
    /// -1 in a leaf.
    var feature: Int32 = -1
    /// The place of the child when the answer is yes; a leaf's first weight.
    var whenTrue: Int32 = 0
    /// The place of the other child; how many weights a leaf has.
    var whenFalse: Int32 = 0
    /// For `member`: the set that is asked for.
    var set: Int32 = 0
    var question: Question
    var nanIsTrue = false

    var isLeaf: Bool { feature < 0 }
  }

  struct Weight: BitwiseCopyable, Sendable {
    var target: Int32
    var value: Number
  }

  let nodes: [Node]
  let roots: [Int32]
  let weights: [Weight]
  /// The members of each set, ascending.
  let sets: [[Number]]
  let targetCount: Int
  /// A row needs at least as many.
  let featureCount: Int
  /// The question of every node that asks one, where there is only one kind.
  private let onlyQuestion: Question?
  /// The same trees for walks side by side; nil where they do not go so.
  private let forest: WalkedForest?

  /// - Throws: The reason, with the number of a node, when a child does not exist, a node
  ///   leads to itself, or a weight belongs to no target.
  init(
    nodes: [Node], roots: [Int32], weights: [Weight], sets: [[Number]], targetCount: Int
  ) throws(OperatorError) {
    guard targetCount > 0, targetCount <= Int(Int32.max) else {
      throw OperatorError("\(targetCount) targets; 1 or more are expected")
    }
    guard nodes.count <= Int(Int32.max), weights.count <= Int(Int32.max) else {
      throw OperatorError("\(nodes.count) nodes and \(weights.count) weights are too many")
    }
    guard !roots.isEmpty else { throw OperatorError("there are no trees") }
    for weight in weights where weight.target < 0 || Int(weight.target) >= targetCount {
      throw OperatorError("a leaf speaks for target \(weight.target); there are \(targetCount)")
    }
    for root in roots where root < 0 || Int(root) >= nodes.count {
      throw OperatorError("a tree begins at node \(root) of \(nodes.count)")
    }
    var lastFeature: Int32 = 0
    var questions: Set<Question> = []
    for (index, node) in nodes.enumerated() {
      if node.isLeaf {
        let (end, overflows) = node.whenTrue.addingReportingOverflow(node.whenFalse)
        guard node.whenTrue >= 0, node.whenFalse >= 0, !overflows, Int(end) <= weights.count
        else { throw OperatorError("leaf \(index) has weights that are not there") }
        continue
      }
      guard node.question != .leaf, node.question != .member || Int(node.set) < sets.count else {
        throw OperatorError("node \(index) asks for a set that is not there")
      }
      for child in [node.whenTrue, node.whenFalse] where child < 0 || Int(child) >= nodes.count {
        throw OperatorError("node \(index) leads to node \(child) of \(nodes.count)")
      }
      lastFeature = max(lastFeature, node.feature)
      questions.insert(node.question)
    }
    self.nodes = nodes
    self.roots = roots
    self.weights = weights
    self.sets = sets.map { $0.sorted() }
    self.targetCount = targetCount
    featureCount = Int(lastFeature) + 1
    let only = questions.count == 1 ? questions.first : nil
    onlyQuestion = only
    try Self.checkEnds(nodes, roots)
    forest =
      only == .lessOrEqual || only == .less
      ? WalkedForest(
        isDouble: Number.elementType == .float64, nodeCount: nodes.count,
        node: { index in
          let node = nodes[index]
          return WalkedForest.Node(
            threshold: Double(node.threshold), feature: node.feature, whenTrue: node.whenTrue,
            whenFalse: node.whenFalse, nanGoesTrue: node.nanIsTrue)
        },
        roots: roots, asksLess: only == .less, featureCount: Int(lastFeature) + 1,
        targets: weights.map(\.target), weights: weights.map { Double($0.value) },
        targetCount: targetCount) : nil
  }

  /// Every walk ends: no node can be met twice on the way down.
  private static func checkEnds(_ nodes: [Node], _ roots: [Int32]) throws(OperatorError) {
    var states = [VisitState](repeating: .unknown, count: nodes.count)
    // Depth first without recursion: a tree may be as deep as the file allows.
    var stack: [(node: Int, children: Int)] = []
    for root in roots {
      stack.append((Int(root), 0))
      while let (index, children) = stack.last {
        let node = nodes[index]
        if children == 0 {
          if states[index] == .done {
            stack.removeLast()
            continue
          }
          guard states[index] == .unknown else {
            throw OperatorError("node \(index) leads back to itself")
          }
          states[index] = .open
        }
        if node.isLeaf || children == 2 {
          states[index] = .done
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].children += 1
        stack.append((Int(children == 0 ? node.whenTrue : node.whenFalse), 0))
      }
    }
  }

  enum Aggregate: Sendable { case sum, average, minimum, maximum }

  /// The scores of rows, one after the other, and which of them a leaf spoke for.
  struct Scores {
    var values: [Number]
    var isSpokenFor: [Bool]

    init(count: Int) {
      values = [Number](repeating: 0, count: count)
      isSpokenFor = [Bool](repeating: false, count: count)
    }
  }

  private static var blockRows: Int { 64 }
  /// Walks side by side between two looks at the clock: some milliseconds.
  private static var maxWalks: Int { 1 << 18 }

  /// The scores of every row: from 0, leaf after leaf in the order of the trees, so that a
  /// row's bits depend on nothing else.
  ///
  /// - Parameter features: Shape `(rowCount, width)` with `width >= featureCount`.
  /// - Complexity: O(rows × trees × depth).
  func scores(
    of features: Span<Number>, rowCount: Int, width: Int, aggregate: Aggregate,
    _ scratch: ONNXScratch
  ) throws(OperatorError) -> Scores {
    precondition(features.count == rowCount * width && width >= featureCount)
    var scores = Scores(count: rowCount * targetCount)
    if let forest, aggregate == .sum || aggregate == .average {
      var start = 0
      while start < rowCount {
        if start > 0 { try scratch.stopAtDeadline() }
        let count = min(max(Self.maxWalks / roots.count, 8), rowCount - start)
        features.withUnsafeBytes { features in
          scores.values.withUnsafeMutableBytes { values in
            scores.isSpokenFor.withUnsafeMutableBufferPointer { isSpokenFor in
              guard let features = features.baseAddress, let values = values.baseAddress,
                let isSpokenFor = isSpokenFor.baseAddress
              else { return }
              let size = MemoryLayout<Number>.stride
              forest.addScores(
                features: features + start * width * size, width: width, rowCount: count,
                scores: values + start * targetCount * size,
                isSpokenFor: isSpokenFor + start * targetCount)
            }
          }
        }
        start += count
      }
      return scores
    }
    // A tree stays in the cache while a block of rows passes through it.
    var blockStart = 0
    while blockStart < rowCount {
      if blockStart > 0 { try scratch.stopAtDeadline() }
      let block = blockStart..<min(blockStart + Self.blockRows, rowCount)
      for root in roots {
        switch onlyQuestion {
        case .lessOrEqual:
          walk(root, features, block, width, aggregate, &scores) { node, value in
            value <= node.threshold || (node.nanIsTrue && value.isNaN)
          }
        case .less:
          walk(root, features, block, width, aggregate, &scores) { node, value in
            value < node.threshold || (node.nanIsTrue && value.isNaN)
          }
        default:
          walk(root, features, block, width, aggregate, &scores) { node, value in
            isTrue(node, value)
          }
        }
      }
      blockStart = block.upperBound
    }
    return scores
  }

  @inline(__always)
  private func walk(
    _ root: Int32, _ features: Span<Number>, _ rows: Range<Int>, _ width: Int,
    _ aggregate: Aggregate, _ scores: inout Scores, _ isTrue: (Node, Number) -> Bool
  ) {
    let nodes = nodes.span
    for row in rows {
      // `init` has checked every child and every feature, and that the walk ends.
      var node = nodes[unchecked: Int(root)]
      while node.feature >= 0 {
        let value = features[unchecked: row * width + Int(node.feature)]
        node = nodes[unchecked: Int(isTrue(node, value) ? node.whenTrue : node.whenFalse)]
      }
      if targetCount == 1 {
        // ONNX Runtime takes the first weight of a leaf and passes over others.
        add(node.threshold, to: row, aggregate, &scores)
      } else {
        for index in Int(node.whenTrue)..<Int(node.whenTrue + node.whenFalse) {
          let weight = weights[index]
          add(weight.value, to: row * targetCount + Int(weight.target), aggregate, &scores)
        }
      }
    }
  }

  @inline(__always)
  private func add(
    _ value: Number, to place: Int, _ aggregate: Aggregate, _ scores: inout Scores
  ) {
    switch aggregate {
    case .sum, .average: scores.values[place] += value
    case .minimum:
      if !scores.isSpokenFor[place] || value < scores.values[place] {
        scores.values[place] = value
      }
    case .maximum:
      if !scores.isSpokenFor[place] || value > scores.values[place] {
        scores.values[place] = value
      }
    }
    scores.isSpokenFor[place] = true
  }

  private func isTrue(_ node: Node, _ value: Number) -> Bool {
    if node.nanIsTrue, value.isNaN { return true }
    return switch node.question {
    case .lessOrEqual: value <= node.threshold
    case .less: value < node.threshold
    case .greaterOrEqual: value >= node.threshold
    case .greater: value > node.threshold
    case .equal: value == node.threshold
    case .notEqual: value != node.threshold
    case .member: isMember(value, of: sets[Int(node.set)])
    case .leaf: false
    }
  }

  private func isMember(_ value: Number, of set: [Number]) -> Bool {
    var low = 0
    var high = set.count
    while low < high {
      let middle = (low + high) / 2
      if set[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < set.count && set[low] == value
  }
}

private enum VisitState: UInt8 { case unknown, open, done }
