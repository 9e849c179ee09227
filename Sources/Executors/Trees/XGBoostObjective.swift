#if canImport(Glibc)
  import Glibc
#endif

/// What an XGBoost objective does to base score and margins: one row of a table each.
///
/// Source: xgboost/src/objective; checked against 2.1 and 3.2.
struct XGBoostObjective {
  /// How the base score, given in the output's space, becomes a margin.
  enum BaseMargin {
    case same, logit, logarithm
  }

  let name: String
  let base: BaseMargin
  let link: FloatLink

  static func named(_ name: String) -> XGBoostObjective? { all.first { $0.name == name } }

  /// The margin that sums start at; none that `takes` takes when `score` is none of this output's.
  func baseMargin(_ score: Float) -> Float {
    switch base {
    case .same: score
    // 0 and 1, of a target that has one value alone, are as far out as the library lets them.
    case .logit:
      0...1 ~= score ? -logf(1 / min(max(score, 1e-6), 1 - 1e-6) - 1) : .nan
    case .logarithm: logf(score)
    }
  }

  func takes(_ margin: Float) -> Bool {
    // Counts that were all 0 are predicted as 0.
    margin.isFinite || (name == "count:poisson" && margin == -.infinity)
  }

  static let all: [XGBoostObjective] = [
    XGBoostObjective(name: "binary:logistic", base: .logit, link: .sigmoid),
    XGBoostObjective(name: "binary:logitraw", base: .same, link: .identity),
    XGBoostObjective(name: "binary:hinge", base: .same, link: .step),
    XGBoostObjective(name: "multi:softprob", base: .same, link: .softmax),
    XGBoostObjective(name: "multi:softmax", base: .same, link: .bestClass),
    XGBoostObjective(name: "reg:squarederror", base: .same, link: .identity),
    XGBoostObjective(name: "reg:linear", base: .same, link: .identity),
    XGBoostObjective(name: "reg:squaredlogerror", base: .same, link: .identity),
    XGBoostObjective(name: "reg:logistic", base: .logit, link: .sigmoid),
    XGBoostObjective(name: "reg:pseudohubererror", base: .same, link: .identity),
    XGBoostObjective(name: "reg:absoluteerror", base: .same, link: .identity),
    XGBoostObjective(name: "reg:quantileerror", base: .same, link: .identity),
    XGBoostObjective(name: "reg:gamma", base: .logarithm, link: .exponential),
    XGBoostObjective(name: "reg:tweedie", base: .logarithm, link: .exponential),
    XGBoostObjective(name: "count:poisson", base: .logarithm, link: .exponential),
    XGBoostObjective(name: "survival:cox", base: .logarithm, link: .exponential),
    XGBoostObjective(name: "survival:aft", base: .logarithm, link: .exponential),
    XGBoostObjective(name: "rank:pairwise", base: .same, link: .identity),
    XGBoostObjective(name: "rank:ndcg", base: .same, link: .identity),
    XGBoostObjective(name: "rank:map", base: .same, link: .identity),
  ]
}
