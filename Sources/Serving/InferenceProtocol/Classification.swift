internal import Documents
internal import Tensors

#if canImport(Glibc)
  internal import Glibc
#endif

/// The best classes of each row as text, `0.912000:2`, in place of the numbers: value, index.
/// Source: `WIRE.md` §2.1.
enum Classification {
  /// - Parameters:
  ///   - scores: Shape `(rows, …)` where the model takes rows; then the first dimension stays.
  ///   - count: How many at most.
  /// - Returns: A string tensor of shape `(rows, min(count, classes))`, or without the rows; nil
  ///   for strings, which have no order.
  static func best(_ count: Int, of scores: Tensor, hasRows: Bool) -> Tensor? {
    guard let values = doubles(scores) else { return nil }
    let rows = hasRows && scores.shape.rank > 0 ? scores.shape[0] : 1
    let classes = rows == 0 ? 0 : values.count / rows
    let kept = min(count, classes)
    let isFloat = [.float16, .bfloat16, .float32, .float64].contains(scores.elementType)
    var texts = ByteStrings()
    for row in 0..<rows {
      let places = (0..<classes).sorted { left, right in
        let first = values[row * classes + left]
        let second = values[row * classes + right]
        // NaN is the last; of equals the first one wins.
        if first.isNaN || second.isNaN { return !first.isNaN || (second.isNaN && left < right) }
        return first == second ? left < right : first > second
      }
      for place in places.prefix(kept) {
        let index = row * classes + place
        let value = isFloat ? fixedText(values[index]) : integerText(scores, index)
        texts.append("\(value):\(place)")
      }
    }
    let shape = hasRows && scores.shape.rank > 0 ? Shape(rows, kept) : Shape(kept)
    return Tensor(strings: texts, shape: shape)
  }

  /// Six decimals, as C++'s `std::to_string` writes them.
  private static func fixedText(_ value: Double) -> String {
    var text = [CChar](repeating: 0, count: 400)
    let count = withVaList([value]) { vsnprintf(&text, text.count, "%f", $0) }
    return String(decoding: text.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func integerText(_ tensor: Tensor, _ index: Int) -> String {
    var writer = JSONWriter()
    TensorText(tensor).writeElement(index, to: &writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  private static func doubles(_ tensor: Tensor) -> [Double]? {
    switch tensor.elementType {
    case .float32: convert(tensor, Float.self) { Double($0) }
    case .float64: convert(tensor, Double.self) { $0 }
    case .float16: convert(tensor, Float16.self) { Double($0) }
    case .bfloat16: convert(tensor, UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .int64: convert(tensor, Int64.self) { Double($0) }
    case .int32: convert(tensor, Int32.self) { Double($0) }
    case .int16: convert(tensor, Int16.self) { Double($0) }
    case .int8, .int4, .int2: convert(tensor, Int8.self) { Double($0) }
    case .uint64: convert(tensor, UInt64.self) { Double($0) }
    case .uint32: convert(tensor, UInt32.self) { Double($0) }
    case .uint16: convert(tensor, UInt16.self) { Double($0) }
    case .uint8, .bool, .uint4, .uint2: convert(tensor, UInt8.self) { Double($0) }
    case .string, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: nil
    }
  }

  private static func convert<Element: TensorElement>(
    _ tensor: Tensor, _: Element.Type, _ double: (Element) -> Double
  ) -> [Double] {
    let values = tensor.values(as: Element.self)
    var converted: [Double] = []
    converted.reserveCapacity(values.count)
    for index in values.indices { converted.append(double(values[index])) }
    return converted
  }
}
