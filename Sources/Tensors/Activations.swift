#if canImport(Glibc)
  internal import Glibc
#endif

/// Activations in place, with the C library's `expf`, `exp`, `logf`: the same bits as the
/// libraries that use them, whatever the vector width of the machine.
package enum Activations {
  /// 1 / (1 + e⁻ˣ), taken from the side that does not overflow, as ONNX Runtime does for
  /// `post_transform` LOGISTIC.
  package static func logistic(_ value: Float) -> Float {
    let positive = 1 / (1 + expf(-abs(value)))
    return value < 0 ? 1 - positive : positive
  }

  /// 1 / (1 + e⁻ˣ).
  package static func sigmoid(_ value: Float) -> Float { 1 / (1 + expf(-value)) }
  package static func sigmoid(_ value: Double) -> Double { 1 / (1 + exp(-value)) }

  /// eˣ / Σ eˣ over each run of `columns` values, the largest subtracted first.
  package static func softmax(rowsOf columns: Int, _ values: inout MutableSpan<Float>) {
    guard columns > 0 else { return }
    var start = 0
    while start + columns <= values.count {
      let row = start..<(start + columns)
      var largest = -Float.infinity
      for index in row { largest = Float.maximum(largest, values[index]) }
      var sum: Float = 0
      for index in row {
        let value = expf(values[index] - largest)
        values[index] = value
        sum += value
      }
      for index in row { values[index] /= sum }
      start += columns
    }
  }

  package static func softmax(rowsOf columns: Int, _ values: inout MutableSpan<Double>) {
    guard columns > 0 else { return }
    var start = 0
    while start + columns <= values.count {
      let row = start..<(start + columns)
      var largest = -Double.infinity
      for index in row { largest = Double.maximum(largest, values[index]) }
      var sum: Double = 0
      for index in row {
        let value = exp(values[index] - largest)
        values[index] = value
        sum += value
      }
      for index in row { values[index] /= sum }
      start += columns
    }
  }

  /// x − max − log Σ e^(x − max) over each run of `columns` values.
  package static func logSoftmax(rowsOf columns: Int, _ values: inout MutableSpan<Float>) {
    guard columns > 0 else { return }
    var start = 0
    while start + columns <= values.count {
      let row = start..<(start + columns)
      var largest = -Float.infinity
      for index in row { largest = Float.maximum(largest, values[index]) }
      var sum: Float = 0
      for index in row { sum += expf(values[index] - largest) }
      let logarithm = logf(sum)
      for index in row { values[index] = values[index] - largest - logarithm }
      start += columns
    }
  }

  package static func logSoftmax(rowsOf columns: Int, _ values: inout MutableSpan<Double>) {
    guard columns > 0 else { return }
    var start = 0
    while start + columns <= values.count {
      let row = start..<(start + columns)
      var largest = -Double.infinity
      for index in row { largest = Double.maximum(largest, values[index]) }
      var sum: Double = 0
      for index in row { sum += exp(values[index] - largest) }
      let logarithm = log(sum)
      for index in row { values[index] = values[index] - largest - logarithm }
      start += columns
    }
  }
}
