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
    /// In `thresholds`; behind the last stands infinity.
    var start: Int
    var count: Int
    /// A value's bucket is `(value - lowest) * scale`; `firstRanks` has each bucket's first rank.
    var lowest: Double
    var scale: Double
    var buckets: Int
    /// Thresholds that a bucket has at most.
    var steps: Int
  }

  /// LightGBM's `kZeroThreshold`, a float32: what is no larger counts as zero.
  static let nearZero = 1.0000000180025095e-35
  private static let bucketCount = 512
  private static let columnThresholds = 255

  private var sources: [Source] = []
  private var thresholds: [Double] = []
  private var firstRanks: [Int32] = []
  private let categorySets: CategorySets
  private let arithmetic: TreeArithmetic
  private var indices: [Question: Int] = [:]
  private(set) var count = 0

  /// - Parameter thresholds: What each question compares with, in any order; none NaN.
  init(
    _ thresholds: [Question: [Double]], categorySets: CategorySets, _ arithmetic: TreeArithmetic
  ) {
    self.categorySets = categorySets
    self.arithmetic = arithmetic
    // In the features' order, so that a row is read from front to back.
    for question in thresholds.keys.sorted(by: { $0.isBefore($1) }) {
      indices[question] = sources.count
      append(question, thresholds[question] ?? [])
    }
  }

  private mutating func append(_ question: Question, _ values: [Double]) {
    let sorted = Set(values).sorted()
    let columns = max(1, (sorted.count + Self.columnThresholds - 1) / Self.columnThresholds)
    var source = Source(
      question: question, firstColumn: count, columnCount: columns, start: thresholds.count,
      count: sorted.count, lowest: 0, scale: 0, buckets: firstRanks.count, steps: 0)
    count += columns
    defer { sources.append(source) }
    guard question.categorySet < 0 else { return }
    thresholds += sorted
    thresholds.append(.infinity)
    let finite = sorted.filter(\.isFinite)
    if let low = finite.first, let high = finite.last, (high - low).isFinite, high > low {
      let scale = Double(Self.bucketCount - 1) / (high - low)
      if scale.isFinite { (source.lowest, source.scale) = (low, scale) }
    }
    // Rounding keeps the order, so what has a lower bucket is less.
    var counts = [Int32](repeating: 0, count: Self.bucketCount)
    for value in sorted {
      counts[RankColumns.bucket(value, source.lowest, source.scale)] += 1
    }
    source.steps = Int(counts.max() ?? 0)
    var rank: Int32 = 0
    for bucketCount in counts {
      firstRanks.append(rank)
      rank += bucketCount
    }
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

  @inline(__always)
  private static func bucket(_ value: Double, _ lowest: Double, _ scale: Double) -> Int {
    var place = (value - lowest) * scale
    // Also for NaN, which no comparison is true of.
    place = place > 0 ? place : 0
    place = place < Double(bucketCount - 1) ? place : Double(bucketCount - 1)
    // Whole numbers stand in the low bits of what is so large; rounding keeps the order too.
    return Int(truncatingIfNeeded: (place + 0x1p52).bitPattern & UInt64(bucketCount - 1))
  }

  /// How many thresholds are less: `value <= threshold` for those whose rank is not less.
  @inline(__always)
  private func rank(_ value: Double, _ source: Source) -> Int {
    // `append` has made the tables: a bucket is one of `bucketCount`, and behind the thresholds
    // stands infinity, which is less than nothing.
    let bucket = RankColumns.bucket(value, source.lowest, source.scale)
    let thresholds = self.thresholds.span
    var rank = unsafe Int(firstRanks.span[unchecked: source.buckets + bucket])
    if source.steps <= 6 {
      for _ in 0..<source.steps {
        rank &+= unsafe thresholds[unchecked: source.start + rank] < value ? 1 : 0
      }
      return rank
    }
    var low = rank
    var high = min(rank + source.steps, source.count)
    while low < high {
      let middle = (low + high) / 2
      if unsafe thresholds[unchecked: source.start + middle] < value {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  /// Writes the codes of rows.
  ///
  /// - Parameters:
  ///   - features: Row-major, `featureCount` a row.
  ///   - rows: At most `cellBytes`.
  ///   - codes: `count` cells of `cellBytes`: a byte for each row, in the rows' order.
  func encode<Element: BinaryFloatingPoint & BitwiseCopyable>(
    _ features: Span<Element>, featureCount: Int, rows: Range<Int>,
    codes: UnsafeMutablePointer<Int8>, cellBytes: Int
  ) {
    precondition(rows.count <= cellBytes && rows.upperBound * featureCount <= features.count)
    // So many rows that they stay in the nearest cache while column after column is read.
    var start = rows.lowerBound
    while start < rows.upperBound {
      let end = min(start + 64, rows.upperBound)
      for source in sources {
        let cell = codes + source.firstColumn * cellBytes - rows.lowerBound
        let feature = Int(source.question.feature)
        if source.question.categorySet >= 0 {
          for row in start..<end {
            cell[row] = categoryCode(
              Double(features[row * featureCount + feature]), source.question)
          }
        } else if source.columnCount == 1, source.question.zero == .compared {
          let nanRank = source.question.nanGoesFirst ? 0 : Self.columnThresholds
          for row in start..<end {
            // `TreeEnsemble.init` has checked every feature index, the precondition the rows.
            let value = Double(unsafe features[unchecked: row &* featureCount &+ feature])
            let rank = value.isNaN ? nanRank : self.rank(value, source)
            cell[row] = Int8(truncatingIfNeeded: rank &- 128)
          }
        } else {
          for row in start..<end {
            let rank = carefulRank(Double(features[row * featureCount + feature]), source)
            for column in 0..<source.columnCount {
              let inColumn = min(max(rank - column * Self.columnThresholds, 0), 255)
              cell[column * cellBytes + row] = Int8(inColumn - 128)
            }
          }
        }
      }
      start = end
    }
  }

  private func carefulRank(_ value: Double, _ source: Source) -> Int {
    if value.isNaN { return source.question.nanGoesFirst ? 0 : .max / 2 }
    guard abs(value) <= RankColumns.nearZero else { return rank(value, source) }
    return switch source.question.zero {
    case .compared: rank(value, source)
    case .isZero: rank(0, source)
    case .goesFirst: 0
    case .goesSecond: .max / 2
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
