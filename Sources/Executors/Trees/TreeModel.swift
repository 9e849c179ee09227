/// What a reader makes of a tree model file.
struct TreeModel: Sendable {
  /// In which numbers the library works, and how it gets from sums of leaves to predictions.
  enum Arithmetic: Sendable {
    /// XGBoost: float32, sums that start at the base margin of each group.
    case float32(baseMargins: [Float], link: FloatLink)
    /// LightGBM: float64, sums that start at 0; a random forest's prediction is divided by its
    /// rounds first.
    case float64(link: DoubleLink, averagedRounds: Int)
  }

  /// `XGBoost gbtree, binary:logistic`: what the summary begins with.
  var kind: String
  var ensemble: TreeEnsemble
  var arithmetic: Arithmetic
  /// The columns' names where the file has real ones.
  var columns: [String]?
  /// The columns whose categories the file names.
  var categories: [Int: ColumnCategories] = [:]
  /// What a user should know of how the file was taken; may be empty.
  var note = ""
}
