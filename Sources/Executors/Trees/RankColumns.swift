internal import CTreeKernel

/// Rows as bytes. A feature is only ever compared with the thresholds that the trees have for it, so
/// a value can be replaced by its rank among them without changing one decision.
///
/// What a node does with NaN, with zero and with categories is part of the code too: nodes that
/// differ in it ask columns of their own. A feature with more than 255 thresholds has several
/// columns, each for a stretch of them.
struct RankColumns: Sendable {
  /// What a node asks of a value besides its threshold.
  struct Question: Hashable, Sendable {
    /// What becomes of values that count as zero.
    enum Zero: Int, Sendable {
      /// Nothing counts as zero, or it makes no difference.
      case compared
      /// They are compared as 0 is.
      case isZero
      case goesFirst
      case goesSecond
    }

    var feature: Int32
    var nanGoesFirst: Bool
    var zero: Zero
    /// -1: it compares.
    var categorySet: Int32

    fileprivate func isBefore(_ other: Question) -> Bool {
      if feature != other.feature { return feature < other.feature }
      if categorySet != other.categorySet { return categorySet < other.categorySet }
      if nanGoesFirst != other.nanGoesFirst { return nanGoesFirst }
      return zero.rawValue < other.zero.rawValue
    }
  }

  /// Where a node finds its answer: rows whose code is greater than `limit` go to the second child.
  struct Place {
    var column: Int
    var limit: Int8
  }

  private struct Source: Sendable {
    var question: Question
    var firstColumn: Int
    var columnCount: Int
    /// In `thresholds`; behind the last stand infinities.
    var start: Int
    /// In `thresholds` too: every eighth one, for those of one column.
    var pivots = 0
    var pivotVectors = 0
    /// In `firstRanks`.
    var buckets: Int
    var bucketCount: Int
    /// A value's bucket is `(value - lowest) * scale`.
    var lowest = 0.0
    var scale = 0.0
    /// Thresholds that a bucket has at most.
    var steps = 0
  }

  /// LightGBM's `kZeroThreshold`, a float32: what is no larger counts as zero.
  static let nearZero = 1.0000000180025095e-35
  private static let bucketCounts = [64, 256, 1024, 4096]
  private static let columnThresholds = 255
  /// More of one feature's are too many for their places' type.
  private static let maxThresholds = 60_000

  private var sources: [Source] = []
  private var thresholds: [Double] = []
  private var firstRanks: [UInt16] = []
  private let categorySets: CategorySets
  private let arithmetic: TreeArithmetic
  private var indices: [Question: Int] = [:]
  /// Those of `sources` that C encodes, and the places of the others.
  private var plainSources: [swerve_source] = []
  private var carefulSources: [Int] = []
  private(set) var count = 0
  /// Whether values are found in few steps: false where thresholds lie heaped in one place.
  private(set) var areSpread = true

  /// - Parameter thresholds: What each question compares with, in any order; none NaN.
  init?(
    _ thresholds: [Question: [Double]], categorySets: CategorySets, _ arithmetic: TreeArithmetic
  ) {
    self.categorySets = categorySets
    self.arithmetic = arithmetic
    // In the features' order, so that a row is read from front to back.
    for question in thresholds.keys.sorted(by: { $0.isBefore($1) }) {
      indices[question] = sources.count
      let sorted = Set(thresholds[question] ?? []).sorted()
      guard sorted.count <= Self.maxThresholds else { return nil }
      append(question, sorted)
    }
    for (index, source) in sources.enumerated() {
      guard isPlain(source) else {
        carefulSources.append(index)
        continue
      }
      plainSources.append(
        swerve_source(
          feature: UInt32(source.question.feature), first_column: UInt32(source.firstColumn),
          thresholds: UInt32(source.start), pivots: UInt32(source.pivots),
          buckets: UInt32(source.buckets), pivot_vectors: Int32(source.pivotVectors),
          steps: Int32(source.steps), nan_rank: nanRank(source),
          columns: Int32(source.columnCount), lowest: source.lowest, scale: source.scale,
          last_bucket: Double(source.bucketCount - 1), zero_limit: zeroLimit(source)))
    }
  }

  /// Whether C encodes it.
  private func isPlain(_ source: Source) -> Bool {
    source.question.categorySet < 0
      && (source.question.zero == .compared || source.question.zero == .isZero)
  }

  private func nanRank(_ source: Source) -> Int32 { source.question.nanGoesFirst ? 0 : 1 << 24 }

  private func zeroLimit(_ source: Source) -> Double {
    source.question.zero == .isZero ? Self.nearZero : -1
  }

  private mutating func append(_ question: Question, _ sorted: [Double]) {
    let columns = max(1, (sorted.count + Self.columnThresholds - 1) / Self.columnThresholds)
    var source = Source(
      question: question, firstColumn: count, columnCount: columns, start: thresholds.count,
      buckets: firstRanks.count, bucketCount: 1)
    count += columns
    defer { sources.append(source) }
    guard question.categorySet < 0 else { return }
    thresholds += sorted
    // Vectors read eight at once, from each eighth on.
    thresholds += repeatElement(.infinity, count: 16 - sorted.count % 8)
    if columns == 1 {
      source.pivots = thresholds.count
      let needed = (sorted.count / 8 + 7) / 8
      source.pivotVectors = needed <= 1 ? 1 : needed == 2 ? 2 : 4
      let pivots = stride(from: 7, to: sorted.count, by: 8).map { sorted[$0] }
      thresholds += pivots
      thresholds += repeatElement(.infinity, count: 8 * source.pivotVectors - pivots.count)
    }
    var counts: [Int] = [sorted.count]
    // As few buckets as leave one or two thresholds in each.
    for bucketCount in Self.bucketCounts where (counts.max() ?? 0) > 2 {
      source.bucketCount = bucketCount
      (source.lowest, source.scale) = Self.spread(sorted, over: bucketCount)
      counts = Array(repeating: 0, count: bucketCount)
      for value in sorted { counts[Self.bucket(value, source)] += 1 }
    }
    source.steps = counts.max() ?? 0
    if source.steps > 16 { areSpread = false }
    var rank = 0
    for bucketCount in counts {
      firstRanks.append(UInt16(rank))
      rank += bucketCount
    }
    // Vectors read two at once.
    firstRanks.append(0)
  }

  private static func spread(_ sorted: [Double], over bucketCount: Int) -> (Double, Double) {
    let finite = sorted.filter(\.isFinite)
    guard let low = finite.first, let high = finite.last else { return (0, 0) }
    let scale = Double(bucketCount - 1) / (high - low)
    return scale.isFinite ? (low, scale) : (0, 0)
  }

  /// As `tree_kernel.h` has it.
  private static func bucket(_ value: Double, _ source: Source) -> Int {
    let place = (value - source.lowest) * source.scale
    // Also for NaN, which no comparison is true of.
    return Int(min(place > 0 ? place : 0, Double(source.bucketCount - 1)))
  }

  func place(_ question: Question, threshold: Double) -> Place {
    guard let index = indices[question] else { preconditionFailure("\(question) is unknown") }
    let source = sources[index]
    guard question.categorySet < 0 else { return Place(column: source.firstColumn, limit: -128) }
    let rank = self.rank(threshold, source)
    return Place(
      column: source.firstColumn + rank / Self.columnThresholds,
      limit: Int8(rank % Self.columnThresholds - 128))
  }

  /// How many thresholds are less: `value <= threshold` for those whose rank is not less.
  private func rank(_ value: Double, _ source: Source) -> Int {
    var rank = Int(firstRanks[source.buckets + RankColumns.bucket(value, source)])
    // Behind the last threshold stands infinity.
    while thresholds[source.start + rank] < value { rank += 1 }
    return rank
  }

  /// Writes the codes of rows.
  ///
  /// - Parameters:
  ///   - features: Row-major, `featureCount` a row.
  ///   - rows: At most `cellBytes`.
  ///   - level: Which of the C functions.
  ///   - codes: `count` cells of `cellBytes`: a byte for each row, in the rows' order.
  func encode<Element: TreeSum>(
    _ features: Span<Element>, featureCount: Int, rows: Range<Int>,
    codes: UnsafeMutablePointer<Int8>, cellBytes: Int, level: Int32
  ) {
    precondition(rows.count <= cellBytes && rows.upperBound * featureCount <= features.count)
    features.withUnsafeBufferPointer { features in
      thresholds.withUnsafeBufferPointer { thresholds in
        firstRanks.withUnsafeBufferPointer { firstRanks in
          guard let first = features.baseAddress else { return }
          let firstRow = first + rows.lowerBound * featureCount
          for source in sources {
            let cell = codes + source.firstColumn * cellBytes
            // `TreeEnsemble.init` has checked every feature index.
            let values = firstRow + Int(source.question.feature)
            if isPlain(source), let start = thresholds.baseAddress,
              let ranks = firstRanks.baseAddress
            {
              var table = swerve_ranks(
                thresholds: start + source.start,
                pivots: source.pivotVectors > 0 ? start + source.pivots : nil,
                pivot_vectors: source.pivotVectors, first_ranks: ranks + source.buckets,
                lowest: source.lowest, scale: source.scale,
                last_bucket: Double(source.bucketCount - 1),
                zero_limit: zeroLimit(source),
                steps: Int32(source.steps), nan_rank: nanRank(source),
                columns: Int32(source.columnCount))
              Element.rank(values, featureCount, rows.count, &table, cell, level)
            } else {
              for row in 0..<rows.count {
                encode(Double(values[row * featureCount]), source, cell + row, cellBytes)
              }
            }
          }
        }
      }
    }
  }

  /// Writes the codes of one row, one behind the other, where there are bundles.
  ///
  /// - Parameters:
  ///   - row: As many values as the ensemble has features.
  ///   - codes: Room for `count`.
  func encode<Element: TreeSum>(
    row: UnsafePointer<Element>, codes: UnsafeMutablePointer<Int8>
  ) {
    Element.encodeRow(row, plainSources, thresholds, firstRanks, codes)
    for index in carefulSources {
      let source = sources[index]
      encode(Double(row[Int(source.question.feature)]), source, codes + source.firstColumn, 1)
    }
  }

  /// What is rare: categories, and zeros that go where missing values go.
  private func encode(
    _ value: Double, _ source: Source, _ code: UnsafeMutablePointer<Int8>, _ cellBytes: Int
  ) {
    if source.question.categorySet >= 0 {
      code.pointee = categoryCode(value, source.question)
      return
    }
    let rank = carefulRank(value, source)
    for column in 0..<source.columnCount {
      let inColumn = min(max(rank - column * Self.columnThresholds, 0), 255)
      code[column * cellBytes] = Int8(inColumn - 128)
    }
  }

  private func carefulRank(_ value: Double, _ source: Source) -> Int {
    if value.isNaN { return source.question.nanGoesFirst ? 0 : 1 << 24 }
    guard abs(value) <= RankColumns.nearZero else { return rank(value, source) }
    return switch source.question.zero {
    case .compared: rank(value, source)
    case .isZero: rank(0, source)
    case .goesFirst: 0
    case .goesSecond: 1 << 24
    }
  }

  private func categoryCode(_ value: Double, _ question: Question) -> Int8 {
    let goesFirst =
      value.isNaN
      ? question.nanGoesFirst
      : arithmetic.isCategory(value)
        && categorySets.contains(set: Int(question.categorySet), category: Int(value))
    return goesFirst ? -128 : 127
  }
}

/// What differs between trees of float32, as XGBoost's are, and of float64, as LightGBM's.
enum TreeArithmetic: Sendable {
  case float32, float64

  /// LightGBM cuts toward zero, so -0.5 is category 0; what fits no int32 is none. XGBoost: what is
  /// negative or over 2^24 is none.
  func isCategory(_ value: Double) -> Bool {
    switch self {
    case .float32: value >= 0 && value < 0x1p24
    case .float64: value > -1 && value < 0x1p31
    }
  }

  /// What a node asks, and a threshold so that it asks `value <= threshold`; nil where there is
  /// no such threshold.
  func question(_ node: TreeNode) -> (RankColumns.Question, Double)? {
    var question = RankColumns.Question(
      feature: node.feature, nanGoesFirst: node.nanGoesTrue, zero: .compared, categorySet: -1)
    if node.comparison == .inCategorySet {
      question.categorySet = node.categorySet
      return (question, 0)
    }
    guard !node.threshold.isNaN else { return nil }
    switch self {
    case .float32:
      // The next float32 below; below 0 comes the least negative one.
      let threshold = Float(node.threshold)
      guard threshold > -.infinity else { return nil }
      return (question, Double(threshold.nextDown))
    case .float64:
      question.zero = zero(node)
      return (question, node.threshold)
    }
  }

  /// Most thresholds lie to one side of all that counts as zero, and comparing says the same.
  private func zero(_ node: TreeNode) -> RankColumns.Question.Zero {
    let isAbove = node.threshold >= RankColumns.nearZero
    let isBelow = node.threshold < -RankColumns.nearZero
    return switch node.zeroRule {
    case .compared: isAbove || isBelow ? .compared : .isZero
    case .goesTrue: isAbove ? .compared : .goesFirst
    case .goesFalse: isBelow ? .compared : .goesSecond
    }
  }
}
