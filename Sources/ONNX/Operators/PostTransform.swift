import Executors
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// What an ai.onnx.ml operator does to a row of scores before it gives them.
///
/// Everything but `none` is computed in float32, for double scores too, as ONNX Runtime does.
enum PostTransform: String, Sendable {
  case none = "NONE"
  case logistic = "LOGISTIC"
  case softmax = "SOFTMAX"
  case softmaxZero = "SOFTMAX_ZERO"
  case probit = "PROBIT"

  init(attributeOf context: inout NodeContext) throws(ModelFormatError) {
    let name = try context.string("post_transform") ?? "NONE"
    guard let found = PostTransform(rawValue: name) else {
      throw context.malformed(
        "post_transform '\(name)' is none of NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO, PROBIT")
    }
    self = found
  }

  /// Replaces each row of `columns` scores.
  func apply<Number: TensorElement & BinaryFloatingPoint>(
    rowsOf columns: Int, _ scores: inout MutableSpan<Number>
  ) {
    switch self {
    case .none: break
    case .logistic:
      for index in scores.indices {
        scores[index] = Number(Activations.logistic(Float(scores[index])))
      }
    case .probit:
      for index in scores.indices {
        scores[index] = Number(PostTransform.probit(Float(scores[index])))
      }
    case .softmax:
      for start in stride(from: 0, to: scores.count, by: max(columns, 1)) {
        softmax(start..<(start + columns), &scores)
      }
    case .softmaxZero:
      for start in stride(from: 0, to: scores.count, by: max(columns, 1)) {
        softmaxZero(start..<(start + columns), &scores)
      }
    }
  }

  private func largest<Number: TensorElement & BinaryFloatingPoint>(
    _ row: Range<Int>, _ scores: borrowing MutableSpan<Number>
  ) -> Float {
    var largest = -Float.greatestFiniteMagnitude
    for index in row where Float(scores[index]) > largest { largest = Float(scores[index]) }
    return largest
  }

  private func softmax<Number: TensorElement & BinaryFloatingPoint>(
    _ row: Range<Int>, _ scores: inout MutableSpan<Number>
  ) {
    let largest = largest(row, scores)
    var sum: Float = 0
    for index in row {
      let power = expf(Float(scores[index]) - largest)
      scores[index] = Number(power)
      sum += power
    }
    for index in row { scores[index] = Number(Float(scores[index]) / sum) }
  }

  /// Scores of zero stay zero: they belong to classes that no leaf spoke for.
  private func softmaxZero<Number: TensorElement & BinaryFloatingPoint>(
    _ row: Range<Int>, _ scores: inout MutableSpan<Number>
  ) {
    let largest = largest(row, scores)
    let nearZero = Number(expf(-largest))
    var sum: Float = 0
    for index in row {
      let score = Float(scores[index])
      if score > 0.0000001 || score < -0.0000001 {
        let power = expf(score - largest)
        scores[index] = Number(power)
        sum += power
      } else {
        scores[index] *= nearZero
      }
    }
    for index in row { scores[index] /= Number(sum) }
  }

  /// √2 · erf⁻¹(2x − 1), by Winitzki's approximation.
  static func probit(_ value: Float) -> Float {
    let argument = 2 * value - 1
    let sign: Float = argument < 0 ? -1 : 1
    let logarithm = logf((1 - argument) * (1 + argument))
    let half = 2 / (Float.pi(rounded: ()) * 0.147) + 0.5 * logarithm
    let quotient = 1 / Float(0.147) * logarithm
    let root = -half + (half * half - quotient).squareRoot()
    return Float(2).squareRoot() * (sign * root.squareRoot())
  }
}

extension Float {
  /// π as C rounds it; Swift's `Float.pi` is rounded toward zero.
  fileprivate static func pi(rounded: Void) -> Float { Float(Double.pi) }
}
