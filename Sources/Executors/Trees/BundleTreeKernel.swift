internal import CTreeKernel

/// Trees for one row, or for a few: the lanes of a vector are trees (`tree_rows.h`). The bits are
/// those of a walk.
struct BundleTreeKernel: Sendable {
  static let isSupported = swerve_has_bundles() != 0
  private static let lanes = Int(SWERVE_BUNDLE)
  /// Columns whose codes one permutation reaches.
  private static let vectorCodes = 64
  private static let maxColumns = Int(SWERVE_ROW_CODES)
  /// From so many rows on blocks are faster.
  static let maxRows = 40
  /// Rows that go through the trees together.
  private static let few = Int(SWERVE_FEW)

  private let columns: RankColumns
  /// A `swerve_question` after the other.
  private let questions: [UInt8]
  private let bundles: [swerve_bundle]
  private let leafStarts: [UInt32]
  /// Empty where there is one output.
  private let outputs: [UInt16]
  /// Float32 or float64 values.
  private let leafWords: [UInt32]
  private let featureCount: Int
  private let groupCount: Int

  /// nil where this CPU has no such vectors, or where walks are faster: few trees, or trees of
  /// very different sizes beside each other.
  ///
  /// - Precondition: No tree has more than `BlockTreeKernel.maxLeaves`, and `columns` know all that
  ///   the nodes ask.
  init?(
    _ ensemble: TreeEnsemble, _ arithmetic: TreeArithmetic, _ columns: RankColumns,
    isWorthwhile: Bool = false
  ) {
    guard Self.isSupported, columns.count <= Self.maxColumns,
      ensemble.groupCount <= Int(UInt16.max)
    else { return nil }
    let treeCount = ensemble.trees.count
    var packing = Packing(ensemble, arithmetic, columns)
    var bundles: [swerve_bundle] = []
    var words: [UInt32] = []
    var leafStarts: [UInt32] = []
    let wordsPerLeaf = arithmetic == .float32 ? 1 : 2
    var questionCount = 0
    var nodeCount = 0
    // Pairs of bundles are asked side by side: they have as many questions.
    for first in stride(from: 0, to: treeCount, by: 2 * Self.lanes) {
      var trees: [[Packing.Question]] = []
      for tree in ensemble.trees[first..<min(first + 2 * Self.lanes, treeCount)] {
        trees.append(packing.questions(of: tree))
        nodeCount += trees[trees.count - 1].count
        leafStarts.append(UInt32(words.count / wordsPerLeaf))
        for value in packing.leaves {
          switch arithmetic {
          case .float32: words.append(Float(value).bitPattern)
          case .float64:
            words.append(UInt32(truncatingIfNeeded: value.bitPattern))
            words.append(UInt32(truncatingIfNeeded: value.bitPattern >> 32))
          }
        }
      }
      let most = trees.reduce(0) { max($0, $1.count) }
      for start in stride(from: 0, to: trees.count, by: Self.lanes) {
        bundles.append(
          swerve_bundle(
            question_start: UInt32(questionCount), question_end: UInt32(questionCount + most)))
        packing.append(trees[start..<min(start + Self.lanes, trees.count)], questionCount: most)
        questionCount += most
      }
      let asked = questionCount * Self.lanes
      guard isWorthwhile || asked <= 4 * nodeCount + 64 * Self.lanes else { return nil }
    }
    guard isWorthwhile || columns.count <= 16 * treeCount else { return nil }
    self.columns = columns
    self.bundles = bundles
    self.leafStarts = leafStarts
    questions = packing.bytes
    leafWords = words
    outputs = ensemble.groupCount == 1 ? [] : ensemble.trees.map { UInt16($0.group) }
    featureCount = ensemble.featureCount
    groupCount = ensemble.groupCount
  }

  /// `BlockTreeKernel.addMargins` for few rows.
  func addMargins<Element: TreeSum>(
    features: Span<Element>, rows: Range<Int>, margins: inout MutableSpan<Element>
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound * groupCount <= margins.count)
    precondition(rows.upperBound * featureCount <= features.count)
    let vectors: Int32 = columns.count <= Self.vectorCodes ? 1 : 4
    let codeBytes = Self.few * Self.maxColumns
    withUnsafeTemporaryAllocation(byteCount: codeBytes, alignment: 64) { memory in
      guard let base = memory.baseAddress else { return }
      let codes = base.bindMemory(to: Int8.self, capacity: codeBytes)
      codes.initialize(repeating: 0, count: codeBytes)
      margins.withUnsafeMutableBufferPointer { margins in
        features.withUnsafeBufferPointer { features in
          guard let features = features.baseAddress, let margins = margins.baseAddress else {
            return
          }
          withTrees { trees, leaves in
            var row = rows.lowerBound
            while row < rows.upperBound {
              let count = rows.upperBound - row >= Self.few ? Self.few : 1
              for next in 0..<count {
                columns.encode(
                  row: features + (row + next) * featureCount, codes: codes + next * Self.maxColumns
                )
              }
              Element.addRows(
                &trees, leaves, codes, margins + row * groupCount, Int32(count), vectors)
              row += count
            }
          }
        }
      }
    }
  }

  private func withTrees(_ body: (inout swerve_row_trees, UnsafeRawPointer) -> Void) {
    questions.withUnsafeBytes { questions in
      bundles.withUnsafeBufferPointer { bundles in
        leafStarts.withUnsafeBufferPointer { starts in
          outputs.withUnsafeBufferPointer { outputs in
            leafWords.withUnsafeBytes { leaves in
              guard let leaves = leaves.baseAddress else { return }
              var trees = swerve_row_trees(
                questions: questions.baseAddress?.assumingMemoryBound(to: swerve_question.self),
                bundles: bundles.baseAddress, leaf_starts: starts.baseAddress,
                outputs: outputs.isEmpty ? nil : outputs.baseAddress,
                tree_count: starts.count, output_count: groupCount, bundle_count: bundles.count)
              body(&trees, leaves)
            }
          }
        }
      }
    }
  }

  /// Lays trees out for the kernel.
  private struct Packing {
    struct Question {
      var column: UInt8
      var limit: UInt8
      var from: UInt8
    }

    private let ensemble: TreeEnsemble
    private let arithmetic: TreeArithmetic
    private let columns: RankColumns
    private(set) var bytes: [UInt8] = []
    /// The last tree's leaf values, by leaf number.
    private(set) var leaves: [Double] = []

    init(_ ensemble: TreeEnsemble, _ arithmetic: TreeArithmetic, _ columns: RankColumns) {
      self.ensemble = ensemble
      self.arithmetic = arithmetic
      self.columns = columns
    }

    /// Parents before children. A leaf's number is that of the question whose second child it is
    /// the first leaf of, counted from 1; the tree's first is 0.
    mutating func questions(of tree: TreeEnsemble.Tree) -> [Question] {
      var questions: [Question] = []
      leaves = [0]
      var waiting = [(node: 0, from: 0)]
      while let (local, from) = waiting.popLast() {
        let node = ensemble.nodes[tree.nodes.lowerBound + local]
        if node.isLeaf {
          leaves[from] = node.threshold
          continue
        }
        guard let (question, threshold) = arithmetic.question(node) else {
          preconditionFailure("a node that `Survey` refused")
        }
        let place = columns.place(question, threshold: threshold)
        questions.append(
          Question(
            column: UInt8(place.column), limit: UInt8(bitPattern: place.limit), from: UInt8(from)))
        leaves.append(0)
        waiting.append((Int(node.whenFalse), questions.count))
        waiting.append((Int(node.whenTrue), from))
      }
      return questions
    }

    /// Adds a bundle: question after question, of each three vectors of a byte a tree.
    mutating func append(_ trees: ArraySlice<[Question]>, questionCount: Int) {
      let lanes = BundleTreeKernel.lanes
      let start = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: 3 * lanes * questionCount))
      for index in 0..<questionCount {
        let place = start + index * 3 * lanes
        for lane in 0..<lanes { bytes[place + lanes + lane] = 127 }
        for (lane, tree) in trees.enumerated() where index < tree.count {
          bytes[place + lane] = tree[index].column
          bytes[place + lanes + lane] = tree[index].limit
          bytes[place + 2 * lanes + lane] = tree[index].from
        }
      }
    }
  }
}
