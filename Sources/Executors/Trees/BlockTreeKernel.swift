internal import CTreeKernel

/// Trees for many rows at once: rows become bytes (`RankColumns`), and every node is asked for all
/// rows of a block with a comparison of bytes (`tree_kernel.h`). No step waits for what another
/// row's tree said, and none is guessed wrong. The bits are those of a walk.
struct BlockTreeKernel: Sendable {
  /// Trees of more leaves have nodes that few rows reach: walks are faster, and a leaf's
  /// number must be a byte.
  static let maxLeaves = 256
  /// Each column costs every row as much as some nodes.
  private static let minNodesPerColumn = 4
  private static let maxColumns = 4096
  /// Trees whose nodes are asked in turns.
  private static let treesInTurn = 4
  /// Outputs whose sums stay in the cache.
  private static let maxGroups = 256
  private static let bestLevel = swerve_tree_level()

  /// Which of the C functions run here.
  private let level: Int32
  let columns: RankColumns
  private let nodes: [swerve_tree_node]
  private let trees: [swerve_tree]
  /// In the form that `form` says.
  private let leafWords: [UInt32]
  private let form: Int32
  private let leafCells: Int
  private let cells: Int
  /// The row of 64 whose sum stands at a place.
  private let rowOfSum: [Int]
  private let featureCount: Int
  private let groupCount: Int
  /// Fewer rows are walked faster.
  let minRows: Int

  /// nil for an ensemble that is walked: its trees are too large, or its leaves are no values.
  ///
  /// - Parameters:
  ///   - isWorthwhile: Also where walking is probably faster.
  ///   - maxLevel: So that a test meets what runs on older CPUs.
  init?(
    _ ensemble: TreeEnsemble, _ arithmetic: TreeArithmetic, isWorthwhile: Bool = false,
    maxLevel: Int32 = .max
  ) {
    guard ensemble.leafVectors.isEmpty, ensemble.linearLeaves.count == 0, !ensemble.trees.isEmpty,
      ensemble.groupCount <= Self.maxGroups, let survey = Survey(ensemble, arithmetic),
      survey.largest <= Self.maxLeaves
    else { return nil }
    guard
      let columns = RankColumns(
        survey.thresholds, categorySets: ensemble.categorySets, arithmetic)
    else { return nil }
    self.columns = columns
    let columnCost = columns.count * Self.minNodesPerColumn
    guard columns.count <= Self.maxColumns,
      isWorthwhile
        || columns.areSpread && columnCost <= survey.nodeCount + 4 * ensemble.featureCount
    else { return nil }
    level = min(Self.bestLevel, maxLevel)
    leafCells = survey.largest
    featureCount = ensemble.featureCount
    groupCount = ensemble.groupCount
    let tableSize = survey.largest <= 32 ? 32 : 64
    let hasTables = level == 2 && survey.largest <= 64
    form = Int32(
      hasTables
        ? Int(tableSize == 32 ? SWERVE_LEAVES_32 : SWERVE_LEAVES_64)
        : Int(SWERVE_LEAVES_PLAIN))
    rowOfSum = (0..<Int32(SWERVE_GROUP)).map { place in
      guard hasTables else { return Int(place) }
      return Int(
        arithmetic == .float32 ? swerve_row_of_float_sum(place) : swerve_row_of_double_sum(place))
    }
    var packing = Packing(ensemble, arithmetic, columns, leafCells: leafCells)
    var words: [UInt32] = []
    for (index, tree) in ensemble.trees.enumerated() {
      if index % Self.treesInTurn == 0 { packing.interleave() }
      let wordsPerLeaf = arithmetic == .float32 ? 1 : 2
      packing.append(tree, leafStart: words.count / wordsPerLeaf)
      let count = hasTables ? tableSize : packing.leaves.count
      let values = packing.leaves + Array(repeating: 0, count: count - packing.leaves.count)
      switch arithmetic {
      case .float32: words += values.map { Float($0).bitPattern }
      case .float64 where hasTables:
        words += values.map { UInt32(truncatingIfNeeded: $0.bitPattern) }
        words += values.map { UInt32(truncatingIfNeeded: $0.bitPattern >> 32) }
      case .float64:
        for value in values {
          words.append(UInt32(truncatingIfNeeded: value.bitPattern))
          words.append(UInt32(truncatingIfNeeded: value.bitPattern >> 32))
        }
      }
    }
    packing.interleave()
    nodes = packing.nodes
    trees = packing.trees
    leafWords = words
    cells = leafCells + packing.maxDepth
    minRows = 6 + survey.nodeCount / ensemble.trees.count / 8
  }

  /// Adds the leaf each tree reaches to the margins of rows: `DoubleTreeKernel.addMargins` and
  /// `FloatTreeKernel.addMargins` for many of them. `Element` is the arithmetic's.
  func addMargins<Element: TreeSum>(
    features: Span<Element>, rows: Range<Int>, margins: inout MutableSpan<Element>
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound * groupCount <= margins.count)
    precondition(rows.upperBound * featureCount <= features.count)
    let cellBytes = Int(SWERVE_ROWS)
    let codeBytes = columns.count * cellBytes
    let areaBytes = cells * cellBytes
    let sumBytes = groupCount * cellBytes * MemoryLayout<Element>.stride
    withUnsafeTemporaryAllocation(byteCount: codeBytes + areaBytes + sumBytes, alignment: 64) {
      guard let base = $0.baseAddress else { return }
      let codes = base.bindMemory(to: Int8.self, capacity: codeBytes)
      let area = (base + codeBytes).bindMemory(to: Int8.self, capacity: areaBytes)
      let sums = (base + codeBytes + areaBytes).bindMemory(
        to: Element.self, capacity: groupCount * cellBytes)
      codes.initialize(repeating: 0, count: codeBytes)
      for leaf in 0..<leafCells {
        (area + leaf * cellBytes).initialize(
          repeating: Int8(truncatingIfNeeded: leaf), count: cellBytes)
      }
      (area + leafCells * cellBytes).initialize(
        repeating: 0, count: areaBytes - leafCells * cellBytes)
      var start = rows.lowerBound
      while start < rows.upperBound {
        let block = start..<min(start + cellBytes, rows.upperBound)
        columns.encode(
          features, featureCount: featureCount, rows: block, codes: codes, cellBytes: cellBytes,
          level: level)
        eachSum(of: block) { place, index in
          sums[place] = index < 0 ? 0 : unsafe margins[unchecked: index]
        }
        addLeaves(codes, area, sums, rowCount: block.count)
        eachSum(of: block) { place, index in
          if index >= 0 { unsafe margins[unchecked: index] = sums[place] }
        }
        start = block.upperBound
      }
    }
  }

  /// Each sum's place and its margin's; -1 where the block has no such row.
  @inline(__always)
  private func eachSum(of block: Range<Int>, _ body: (Int, Int) -> Void) {
    let groups = (block.count + Int(SWERVE_GROUP) - 1) / Int(SWERVE_GROUP)
    for output in 0..<groupCount {
      for group in 0..<groups {
        let firstRow = block.lowerBound + group * Int(SWERVE_GROUP)
        let firstPlace = output * Int(SWERVE_ROWS) + group * Int(SWERVE_GROUP)
        for place in 0..<Int(SWERVE_GROUP) {
          let row = firstRow + rowOfSum[place]
          body(firstPlace + place, row < block.upperBound ? row * groupCount + output : -1)
        }
      }
    }
  }

  private func addLeaves<Element: TreeSum>(
    _ codes: UnsafeMutablePointer<Int8>, _ area: UnsafeMutablePointer<Int8>,
    _ sums: UnsafeMutablePointer<Element>, rowCount: Int
  ) {
    let group = Int(SWERVE_GROUP)
    let groups = (rowCount + group - 1) / group
    // Four at once cost less than three one by one.
    let atOnce = groups > 2 ? 4 : 1
    leafWords.withUnsafeBytes { leaves in
      guard let leaves = leaves.baseAddress else { return }
      for first in stride(from: 0, to: groups, by: atOnce) {
        Element.addTrees(
          level, form, nodes, trees, leaves, codes + first * group, area,
          sums + first * group, Int32(atOnce))
      }
    }
  }
}
