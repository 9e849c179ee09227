import Tensors
import Testing

@testable import Executors

/// Rows in blocks against a walk that anyone can read, and against rows alone: the same bits.
@Suite struct BlockTreeKernelTests {
  private static let nearZero = 1.0000000180025095e-35
  /// Where comparing goes wrong if it goes wrong.
  private static let edges: [Double] = [
    0, -0.0, 1, -1, 0.5, 2, nearZero, -nearZero, nearZero.nextUp, nearZero.nextDown,
    (-nearZero).nextUp, (-nearZero).nextDown, 1e-40, -1e-40, .leastNonzeroMagnitude, 1e300, -1e300,
    1e30, -1e30,
    .infinity, -.infinity,
  ]

  /// A tree of `leafCount` leaves, split where it comes.
  private static func tree(
    _ leafCount: Int, features: Int, thresholds: [Double], _ arithmetic: TreeArithmetic,
    categorySets: Int,
    zeroRules: [TreeNode.ZeroRule] = [.compared, .compared, .goesTrue, .goesFalse],
    using random: inout SystemRandomNumberGenerator
  ) -> [TreeNode] {
    var nodes: [TreeNode] = [.leaf(number: 0, value: .random(in: -1...1, using: &random))]
    var leaves = [0]
    while leaves.count < leafCount {
      let place = leaves.remove(at: .random(in: 0..<leaves.count, using: &random))
      let isCategory = categorySets > 0 && Int.random(in: 0..<8, using: &random) == 0
      let zero: TreeNode.ZeroRule =
        arithmetic == .float32
        ? .compared : zeroRules.randomElement(using: &random)!
      nodes[place] = TreeNode(
        feature: Int32.random(in: 0..<Int32(features), using: &random),
        threshold: thresholds.randomElement(using: &random)!,
        whenTrue: Int32(nodes.count), whenFalse: Int32(nodes.count + 1),
        categorySet: isCategory ? Int32.random(in: 0..<Int32(categorySets), using: &random) : 0,
        comparison: isCategory
          ? .inCategorySet : arithmetic == .float32 ? .lessThan : .lessOrEqual,
        nanGoesTrue: Bool.random(using: &random), zeroRule: zero)
      for _ in 0..<2 {
        leaves.append(nodes.count)
        nodes.append(
          .leaf(number: Int32(leaves.count), value: .random(in: -1...1, using: &random)))
      }
    }
    return nodes
  }

  /// Source: `FORMATS.md`; the plainest form of it.
  private static func leaf(
    _ ensemble: TreeEnsemble, _ tree: TreeEnsemble.Tree, _ row: [Double],
    _ arithmetic: TreeArithmetic
  ) -> Double {
    var node = ensemble.nodes[tree.nodes.lowerBound]
    while !node.isLeaf {
      let value = row[Int(node.feature)]
      let isZero = arithmetic == .float64 && abs(value) <= nearZero
      let goesTrue: Bool
      if value.isNaN {
        goesTrue = node.nanGoesTrue
      } else if node.comparison == .inCategorySet {
        let highest = arithmetic == .float32 ? 0x1p24 : 0x1p31
        let isCategory = (arithmetic == .float32 ? value >= 0 : value > -1) && value < highest
        goesTrue =
          isCategory
          && ensemble.categorySets.contains(set: Int(node.categorySet), category: Int(value))
      } else if isZero, node.zeroRule != .compared {
        goesTrue = node.zeroRule == .goesTrue
      } else if arithmetic == .float32 {
        goesTrue = Float(value) < Float(node.threshold)
      } else {
        goesTrue = (isZero ? 0 : value) <= node.threshold
      }
      node =
        ensemble.nodes[tree.nodes.lowerBound + Int(goesTrue ? node.whenTrue : node.whenFalse)]
    }
    return node.threshold
  }

  private static func compare<Element: TreeSum>(
    _: Element.Type, _ arithmetic: TreeArithmetic, leafCounts: ClosedRange<Int>, trees: Int,
    groups: Int, manyThresholds: Bool, rowCount: Int, level: Int32, features: Int = 3
  ) throws {
    var random = SystemRandomNumberGenerator()
    var thresholds = edges
    if manyThresholds { thresholds = (0..<2000).map { _ in .random(in: -3...3, using: &random) } }
    // Nothing is less than -inf: an ensemble that asks for it is walked.
    if arithmetic == .float32 {
      thresholds = thresholds.map { Double(Float($0)) }.filter { $0 > -.infinity }
    }
    var sets = CategorySets()
    if !manyThresholds {
      for set: [Int32] in [[0, 3, 5], [1], [2, 40, 100]] {
        let isTaken = sets.append(categories: set)
        #expect(isTaken)
      }
    }
    var nodes: [TreeNode] = []
    var spans: [TreeEnsemble.Tree] = []
    for index in 0..<trees {
      let tree = tree(
        .random(in: leafCounts, using: &random), features: features, thresholds: thresholds,
        arithmetic, categorySets: sets.count, using: &random)
      spans.append(
        TreeEnsemble.Tree(nodes: nodes.count..<nodes.count + tree.count, group: index % groups))
      nodes += tree
    }
    let ensemble = try TreeEnsemble(
      format: "test", featureCount: features, groupCount: groups, nodes: nodes, trees: spans,
      categorySets: sets)
    let kernel = try #require(
      BlockTreeKernel(ensemble, arithmetic, isWorthwhile: true, maxLevel: level))
    let values =
      thresholds.flatMap { [$0, $0.nextUp, $0.nextDown, Double(Float($0).nextDown)] }
      + [.nan, 0, 1, 2, 3, 5, 40, 100, -0.5, 0x1p24, 0x1p31]
    var rows = (0..<rowCount * features).map { _ in values.randomElement(using: &random)! }
    if arithmetic == .float32 { rows = rows.map { Double(Float($0)) } }
    let start = (0..<rowCount * groups).map { Element($0 % 7) }
    var expected = start
    for row in 0..<rowCount {
      for tree in spans {
        let values = Array(rows[row * features..<(row + 1) * features])
        expected[row * groups + tree.group] += Element(leaf(ensemble, tree, values, arithmetic))
      }
    }
    let table = rows.map { Element($0) }
    let bundles = BundleTreeKernel(ensemble, arithmetic, kernel.columns, isWorthwhile: true)
    if let bundles {
      for part in [0..<rowCount, rowCount / 3..<rowCount - rowCount / 4] {
        var margins = start
        var all = margins.mutableSpan
        bundles.addMargins(features: table.span, rows: part, margins: &all)
        for index in margins.indices {
          let isIn = part.contains(index / groups)
          #expect(margins[index] == (isIn ? expected : start)[index], "\(leafCounts), bundles")
        }
      }
    } else {
      // A row's codes fit four vectors, or there are no bundles.
      #expect(!BundleTreeKernel.isSupported || kernel.columns.count > 256)
    }
    var margins = start
    var all = margins.mutableSpan
    kernel.addMargins(features: table.span, rows: 0..<rowCount, margins: &all)
    #expect(margins == expected, "\(leafCounts), \(rowCount) rows")
    // A part of the rows; the others stay as they are.
    margins = start
    let part = rowCount / 3..<rowCount - rowCount / 4
    var some = margins.mutableSpan
    kernel.addMargins(features: table.span, rows: part, margins: &some)
    for index in margins.indices {
      let isIn = part.contains(index / groups)
      #expect(margins[index] == (isIn ? expected : start)[index])
    }
  }

  @Test(arguments: [1, 2, 31, 32, 33, 64, 65, 256], [0, 1, 2] as [Int32])
  func `random trees of every size answer as a walk does`(leaves: Int, level: Int32) throws {
    for rowCount in [1, 63, 64, 65, 130, 256, 300] {
      for range in [leaves...leaves, 1...leaves] {
        try Self.compare(
          Double.self, .float64, leafCounts: range, trees: 5, groups: 2, manyThresholds: false,
          rowCount: rowCount, level: level)
        try Self.compare(
          Float.self, .float32, leafCounts: range, trees: 5, groups: 1, manyThresholds: false,
          rowCount: rowCount, level: level)
      }
    }
  }

  @Test(arguments: [0, 1, 2] as [Int32])
  func `more thresholds than a byte has values are no difference`(level: Int32) throws {
    for rowCount in [100, 500] {
      try Self.compare(
        Double.self, .float64, leafCounts: 200...256, trees: 10, groups: 1, manyThresholds: true,
        rowCount: rowCount, level: level)
      try Self.compare(
        Float.self, .float32, leafCounts: 200...256, trees: 10, groups: 3, manyThresholds: true,
        rowCount: rowCount, level: level)
    }
  }

  /// More trees than a bundle has, and than a pair of bundles; more columns than one vector of codes.
  @Test(arguments: [1, 63, 64, 65, 128, 130, 200])
  func `any number of trees goes through bundles`(trees: Int) throws {
    try Self.compare(
      Double.self, .float64, leafCounts: 1...40, trees: trees, groups: 1, manyThresholds: false,
      rowCount: 11, level: 2)
    try Self.compare(
      Float.self, .float32, leafCounts: 1...40, trees: trees, groups: 3, manyThresholds: true,
      rowCount: 11, level: 2)
    try Self.compare(
      Double.self, .float64, leafCounts: 1...9, trees: trees, groups: 7, manyThresholds: false,
      rowCount: 9, level: 2, features: 40)
  }

  /// Large trees, rows alone and in eights, with all that is no usual number.
  @Test(arguments: [1, 7, 8, 9, 130, 300], [false, true])
  func `walks side by side answer as a walk does`(rowCount: Int, manyThresholds: Bool) throws {
    try Self.compareWalks(
      Double.self, .float64, leaves: 700, trees: 9, groups: 2, manyThresholds: manyThresholds,
      rowCount: rowCount)
    try Self.compareWalks(
      Float.self, .float32, leaves: 300, trees: 17, groups: 1, manyThresholds: manyThresholds,
      rowCount: rowCount)
  }

  private static func compareWalks<Element: TreeSum>(
    _: Element.Type, _ arithmetic: TreeArithmetic, leaves: Int, trees: Int, groups: Int,
    manyThresholds: Bool, rowCount: Int
  ) throws {
    var random = SystemRandomNumberGenerator()
    let features = 5
    // With either infinity NaN cannot always be told by one: such trees are walked one by one.
    var thresholds =
      manyThresholds
      ? (0..<2000).map { _ in Double.random(in: -3...3, using: &random) }
      : edges.filter(\.isFinite)
    if arithmetic == .float32 { thresholds = thresholds.map { Double(Float($0)) } }
    if arithmetic == .float32 { thresholds = thresholds.filter(\.isFinite) }
    var nodes: [TreeNode] = []
    var spans: [TreeEnsemble.Tree] = []
    for index in 0..<trees {
      let tree = tree(
        .random(in: 1...leaves, using: &random), features: features, thresholds: thresholds,
        arithmetic, categorySets: 0, zeroRules: [.compared], using: &random)
      spans.append(
        TreeEnsemble.Tree(nodes: nodes.count..<nodes.count + tree.count, group: index % groups))
      nodes += tree
    }
    let ensemble = try TreeEnsemble(
      format: "test", featureCount: features, groupCount: groups, nodes: nodes, trees: spans)
    let values =
      thresholds.flatMap { [$0, $0.nextUp, Double(Float($0).nextDown)] } + edges + [.nan]
    let rows = (0..<rowCount * features).map { _ in Element(values.randomElement(using: &random)!) }
    var expected = [Element](repeating: 0, count: rowCount * groups)
    for row in 0..<rowCount {
      for tree in spans {
        let values = rows[row * features..<(row + 1) * features].map { Double($0) }
        expected[row * groups + tree.group] += Element(leaf(ensemble, tree, values, arithmetic))
      }
    }
    for kernels in [TreeKernels.walks, .plain] {
      var margins = [Element](repeating: 0, count: rowCount * groups)
      if let rows = rows as? [Double], var doubles = margins as? [Double] {
        var span = doubles.mutableSpan
        DoubleTreeKernel(ensemble, kernels).addMargins(
          features: rows.span, rowCount: rowCount, rows: 0..<rowCount, margins: &span)
        margins = doubles.map { Element($0) }
      } else if let rows = rows as? [Float], var floats = margins as? [Float] {
        var span = floats.mutableSpan
        FloatTreeKernel(ensemble, kernels).addMargins(
          features: rows.span, rowCount: rowCount, rows: 0..<rowCount, margins: &span)
        margins = floats.map { Element($0) }
      }
      #expect(margins == expected, "\(rowCount) rows, \(kernels)")
    }
  }

  /// The kernels of older CPUs, and Swift alone, give what the fastest gives.
  @Test(arguments: Fixtures.models)
  func `all kernels give one answer`(file: String) throws {
    let path = "\(Fixtures.folder)/\(file)"
    let features = try Fixtures.array(
      "\(Fixtures.folder)/\(file.split(separator: ".")[0]).X.npy")
    let reference = try NativeModel.load(path: path, kernels: .plain)
    let isFloat = reference.signature.inputs[0].elementType == .float32
    let width = features.shape[1]
    var random = SystemRandomNumberGenerator()
    var known = Self.edges + [.nan, .nan, 3, 7, -0.5]
    if features.elementType == .float32 {
      let values = features.values(as: Float.self)
      known += (0..<min(values.count, 400)).map { Double(values[$0]) }
    } else {
      let values = features.values(as: Double.self)
      known += (0..<min(values.count, 400)).flatMap { [values[$0], values[$0].nextUp] }
    }
    for rowCount in [1, 3, 4, 13, 70] {
      let rows = (0..<rowCount * width).map { _ in known.randomElement(using: &random)! }
      let table =
        isFloat
        ? Tensor(rows.map { Float($0) }, shape: Shape(rowCount, width))
        : Tensor(rows, shape: Shape(rowCount, width))
      let expected = try answer(reference, table, reference.makeScratch())
      for kernels in [TreeKernels.best, .avx2, .portable, .walks] {
        let model = try NativeModel.load(path: path, kernels: kernels)
        let found = try answer(model, table, model.makeScratch())
        #expect(found == expected, "\(rowCount) rows, \(kernels)")
      }
    }
  }

  @Test func `larger trees are walked`() throws {
    var random = SystemRandomNumberGenerator()
    let nodes = Self.tree(
      257, features: 2, thresholds: [1, 2], .float64, categorySets: 0, using: &random)
    let ensemble = try TreeEnsemble(
      format: "test", featureCount: 2, groupCount: 1, nodes: nodes,
      trees: [TreeEnsemble.Tree(nodes: 0..<nodes.count, group: 0)])
    #expect(BlockTreeKernel(ensemble, .float64) == nil)
  }

  /// Every fixture, rows of its own numbers and of all that is no usual number.
  @Test(arguments: Fixtures.models)
  func `a block answers as its rows alone do`(file: String) throws {
    let model = try NativeModel.load(path: "\(Fixtures.folder)/\(file)")
    let features = try Fixtures.array(
      "\(Fixtures.folder)/\(file.split(separator: ".")[0]).X.npy")
    let width = features.shape[1]
    var random = SystemRandomNumberGenerator()
    var known = Self.edges + [.nan, .nan, 3, 7, -0.5]
    if features.elementType == .float32 {
      let values = features.values(as: Float.self)
      known += (0..<min(values.count, 400)).map { Double(values[$0]) }
    } else {
      let values = features.values(as: Double.self)
      known += (0..<min(values.count, 400)).flatMap { [values[$0], values[$0].nextUp] }
    }
    let rowCount = 300
    let rows = (0..<rowCount * width).map { _ in known.randomElement(using: &random)! }
    let table =
      model.signature.inputs[0].elementType == .float32
      ? Tensor(rows.map { Float($0) }, shape: Shape(rowCount, width))
      : Tensor(rows, shape: Shape(rowCount, width))
    let scratch = model.makeScratch()
    let together = try answer(model, table, scratch)
    for row in 0..<rowCount {
      let alone = try answer(model, table.rows(row..<row + 1), scratch)
      let per = together.count / rowCount
      #expect(Array(together[row * per..<(row + 1) * per]) == alone, "row \(row)")
    }
  }

  private func answer(
    _ model: any ModelExecutor, _ rows: Tensor, _ scratch: Scratch
  ) throws -> [UInt64] {
    guard case .tensor(let tensor) = try model.predict([rows], outputs: [0], scratch: scratch)[0]
    else { return [] }
    if tensor.elementType == .float32 {
      let values = tensor.values(as: Float.self)
      return values.indices.map { UInt64(values[$0].bitPattern) }
    }
    let values = tensor.values(as: Double.self)
    return values.indices.map { values[$0].bitPattern }
  }
}
