/// The objectives of tree models that are run, for the support matrix.
package enum TreeSupport {
  package static var xgboostObjectives: [String] { XGBoostObjective.all.map(\.name).sorted() }

  /// Every name that LightGBM writes and that its reader takes: an error is one that it does not.
  package static var lightGBMObjectives: [String] {
    [
      "binary", "cross_entropy", "cross_entropy_lambda", "custom", "fair", "gamma", "huber",
      "lambdarank", "mape", "multiclass", "multiclassova", "poisson", "quantile", "rank_xendcg",
      "regression", "regression_l1", "tweedie", "xentlambda", "xentropy",
    ].filter { (try? LightGBMObjective.link($0, groupCount: 2)) != nil }
  }
}
