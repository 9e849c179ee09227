/// A question, or a leaf. 24 bytes: a large model has tens of millions while it is read.
struct TreeNode: Sendable, BitwiseCopyable {
  enum Comparison: UInt8, Sendable {
    case lessThan, lessOrEqual, inCategorySet
  }

  /// What a node does with a value of zero (after tiny ones became zero, where they do).
  enum ZeroRule: UInt8, Sendable {
    case compared, goesTrue, goesFalse
  }

  /// What the feature is compared with; a leaf's value.
  var threshold: Double
  /// The feature asked for; -1 in a leaf.
  var feature: Int32
  /// The child when the answer is yes, counted in its tree; a leaf's number in its library.
  var whenTrue: Int32
  /// The other child; in a leaf of several values or a linear one the place of those in
  /// `TreeEnsemble.leafVectors` or `.linearLeaves`, else -1.
  var whenFalse: Int32
  /// Bits 0–1 comparison, 2 NaN, 3–4 zero, 5 on the category set.
  private var rules: UInt32

  init(
    feature: Int32, threshold: Double = 0, whenTrue: Int32, whenFalse: Int32 = -1,
    categorySet: Int32 = 0, comparison: Comparison = .lessThan, nanGoesTrue: Bool = false,
    zeroRule: ZeroRule = .compared
  ) {
    precondition(categorySet >= 0 && categorySet < CategorySets.maxCount, "set \(categorySet)")
    self.threshold = threshold
    self.feature = feature
    self.whenTrue = whenTrue
    self.whenFalse = whenFalse
    rules =
      UInt32(comparison.rawValue) | (nanGoesTrue ? 4 : 0) | UInt32(zeroRule.rawValue) << 3
      | UInt32(categorySet) << 5
  }

  var comparison: Comparison { Comparison(rawValue: UInt8(rules & 3)) ?? .lessThan }
  var nanGoesTrue: Bool { rules & 4 != 0 }
  var zeroRule: ZeroRule { ZeroRule(rawValue: UInt8(rules >> 3 & 3)) ?? .compared }
  var categorySet: Int32 { Int32(rules >> 5) }
  var isLeaf: Bool { feature < 0 }

  static func leaf(number: Int32, value: Double, row: Int32 = -1) -> TreeNode {
    TreeNode(feature: -1, threshold: value, whenTrue: number, whenFalse: row)
  }
}

/// Leaves that are linear models of the row (LightGBM's `linear_tree`): the constant, then the
/// terms added in order; the leaf's own value where a feature of the terms is missing.
struct LinearLeaves: Sendable {
  private(set) var constants: [Double] = []
  private(set) var features: [Int32] = []
  private(set) var coefficients: [Double] = []
  private(set) var starts: [Int32] = [0]

  var count: Int { constants.count }

  /// Adds a leaf; false when there is no room for it. Precondition: as many features as
  /// coefficients.
  mutating func append(
    constant: Double, features terms: ArraySlice<Int32>, coefficients factors: ArraySlice<Double>
  ) -> Bool {
    precondition(terms.count == factors.count)
    guard let end = Int32(exactly: features.count + terms.count) else { return false }
    constants.append(constant)
    features.append(contentsOf: terms)
    coefficients.append(contentsOf: factors)
    starts.append(end)
    return true
  }
}
