/// A weight for each feature and output: XGBoost's `gblinear`.
struct LinearModel: Sendable {
  let featureCount: Int
  /// Margins of a row: classes, targets, or 1.
  let groupCount: Int
  /// Shape `(featureCount + 1, groupCount)`; the last row is the bias.
  let weights: [Float]
  /// What every group's sum starts at, beside its bias.
  let baseMargin: Float

  /// - Throws: `ModelFormatError.malformed` when the sizes are not each other's.
  init(
    format: String, featureCount: Int, groupCount: Int, weights: [Float], baseMargin: Float
  ) throws(ModelFormatError) {
    func malformed(_ reason: String) -> ModelFormatError {
      .malformed(format: format, at: "the weights", reason: reason)
    }
    guard featureCount >= 1, featureCount < Int(Int32.max), groupCount >= 1 else {
      throw malformed("\(featureCount) features and \(groupCount) outputs")
    }
    let (count, overflows) = (featureCount + 1).multipliedReportingOverflow(by: groupCount)
    guard !overflows, weights.count == count else {
      throw malformed(
        "\(weights.count) weights for \(featureCount) features and \(groupCount) outputs")
    }
    self.featureCount = featureCount
    self.groupCount = groupCount
    self.weights = weights
    self.baseMargin = baseMargin
  }

  /// Writes the margins of every row: bias and base, then the products in the features' order,
  /// each rounded before it is added. A missing feature adds nothing.
  ///
  /// Source: xgboost/src/gbm/gblinear.cc.
  ///
  /// - Parameters:
  ///   - features: Shape `(rowCount, featureCount)`, row-major. NaN means missing.
  ///   - rows: Those that are scored; the others stay as they are.
  ///   - margins: Shape `(rowCount, groupCount)`.
  func writeMargins(
    features: Span<Float>, rowCount: Int, rows: Range<Int>, margins: inout MutableSpan<Float>
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount)
    precondition(features.count == rowCount * featureCount)
    precondition(margins.count == rowCount * groupCount)
    let weights = self.weights.span
    for row in rows {
      for group in 0..<groupCount {
        var margin = weights[featureCount * groupCount + group] + baseMargin
        for feature in 0..<featureCount {
          let value = features[row * featureCount + feature]
          if !value.isNaN { margin += value * weights[feature * groupCount + group] }
        }
        margins[row * groupCount + group] = margin
      }
    }
  }
}
