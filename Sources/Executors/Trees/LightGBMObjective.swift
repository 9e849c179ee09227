/// The `objective=` line of a LightGBM file: a name and tokens such as `sigmoid:1`.
///
/// Source: LightGBM/src/objective/objective_function.cpp.
enum LightGBMObjective {
  static func link(_ line: String, groupCount: Int) throws(ModelFormatError) -> DoubleLink {
    var words = line.split(separator: " ").map(String.init)
    // A model trained with a function of one's own has no line.
    guard !words.isEmpty else { return .identity }
    let name = words.removeFirst()
    switch name {
    case "binary", "multiclassova":
      var steepness = 1.0
      for word in words where word.hasPrefix("sigmoid:") {
        guard let value = Double(word.dropFirst("sigmoid:".count)) else {
          throw .malformed(format: "LightGBM", at: "objective", reason: "'\(line)'")
        }
        steepness = value
      }
      return .sigmoid(steepness: steepness)
    case "multiclass": return .softmax
    case "poisson", "gamma", "tweedie": return .exponential
    case "cross_entropy", "xentropy": return .sigmoid(steepness: 1)
    case "cross_entropy_lambda", "xentlambda": return .softplus
    case "regression", "regression_l2": return words.contains("sqrt") ? .signedSquare : .identity
    case "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg",
      "custom", "none":
      return words.contains("sqrt") ? .signedSquare : .identity
    default:
      throw .unsupported(
        format: "LightGBM", what: "the objective '\(name)'",
        advice: "objectives that are run: binary, multiclass, multiclassova, poisson, gamma, "
          + "tweedie, cross_entropy, cross_entropy_lambda, regression, regression_l1, huber, "
          + "fair, quantile, mape, lambdarank, rank_xendcg, custom")
    }
  }
}
