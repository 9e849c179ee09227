#if canImport(Glibc)
  import Glibc
#endif

/// XGBoost's step from margins to predictions, in float32 with the C library's functions.
///
/// A vector approximation of `expf` differs in the last bit; so would other widths. Source:
/// xgboost/src/objective, src/common/math.h.
enum FloatLink: Sendable, Equatable {
  case identity
  case sigmoid
  case exponential
  /// 1 above 0, else 0.
  case step
  case softmax
  /// The first class with the largest margin: one value a row.
  case bestClass

  /// Values a row has behind the link.
  func width(groupCount: Int) -> Int { self == .bestClass ? 1 : groupCount }

  /// - Parameters:
  ///   - margins: Shape `(rowCount, groupCount)`.
  ///   - predictions: Shape `(rowCount, width)`.
  func apply(
    margins: Span<Float>, groupCount: Int, predictions: inout MutableSpan<Float>
  ) {
    precondition(predictions.count * groupCount == margins.count * width(groupCount: groupCount))
    switch self {
    case .identity:
      for index in 0..<margins.count { predictions[index] = margins[index] }
    case .sigmoid:
      for index in 0..<margins.count { predictions[index] = sigmoid(margins[index]) }
    case .exponential:
      for index in 0..<margins.count { predictions[index] = expf(margins[index]) }
    case .step:
      for index in 0..<margins.count { predictions[index] = margins[index] > 0 ? 1 : 0 }
    case .softmax:
      for start in stride(from: 0, to: margins.count, by: groupCount) {
        softmax(margins.extracting(start..<start + groupCount), start, &predictions)
      }
    case .bestClass:
      for row in 0..<predictions.count {
        var best = 0
        for group in 1..<max(groupCount, 1)
        where margins[row * groupCount + group] > margins[row * groupCount + best] {
          best = group
        }
        predictions[row] = Float(best)
      }
    }
  }

  private func sigmoid(_ margin: Float) -> Float {
    // 88.7: beyond it `expf` overflows.
    1 / (expf(min(-margin, 88.7)) + 1 + 1e-16)
  }

  private func softmax(
    _ margins: Span<Float>, _ start: Int, _ predictions: inout MutableSpan<Float>
  ) {
    var largest = margins[0]
    for group in 1..<max(margins.count, 1) { largest = max(largest, margins[group]) }
    var sum = 0.0
    for group in 0..<margins.count {
      let power = expf(margins[group] - largest)
      predictions[start + group] = power
      sum += Double(power)
    }
    for group in 0..<margins.count { predictions[start + group] /= Float(sum) }
  }
}

/// LightGBM's step from raw scores to predictions, in float64.
///
/// Source: LightGBM/src/objective.
enum DoubleLink: Sendable, Equatable {
  case identity
  case sigmoid(steepness: Double)
  case exponential
  case softmax
  /// sign(r)·r²: the label was the root.
  case signedSquare
  /// log(1 + exp(r)).
  case softplus

  /// - Parameter values: Shape `(rowCount, groupCount)`; replaced in place.
  func apply(_ values: inout MutableSpan<Double>, groupCount: Int) {
    switch self {
    case .identity: break
    case .sigmoid(let steepness):
      for index in 0..<values.count {
        values[index] = 1 / (1 + exp(-steepness * values[index]))
      }
    case .exponential:
      for index in 0..<values.count { values[index] = exp(values[index]) }
    case .softmax:
      for start in stride(from: 0, to: values.count, by: groupCount) {
        softmax(&values, start..<start + groupCount)
      }
    case .signedSquare:
      for index in 0..<values.count {
        let root = values[index]
        values[index] = root < 0 ? -(root * root) : root * root
      }
    case .softplus:
      for index in 0..<values.count { values[index] = log1p(exp(values[index])) }
    }
  }

  private func softmax(_ values: inout MutableSpan<Double>, _ row: Range<Int>) {
    var largest = values[row.lowerBound]
    for index in row { largest = max(largest, values[index]) }
    var sum = 0.0
    for index in row {
      values[index] = exp(values[index] - largest)
      sum += values[index]
    }
    for index in row { values[index] /= sum }
  }
}
