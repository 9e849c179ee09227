internal import Documents
internal import Executors
internal import Tensors

#if canImport(Glibc)
  internal import Glibc
#endif

/// The best classes of each row as text, `0.912000:2`, in place of the numbers: value, index, and
/// the class's name where the model has names. Source: `WIRE.md` §2.1.
///
/// Each element becomes a 64-bit rank that orders as the element does, so that no type is compared
/// through another. The best k of n are kept in a heap, the least of them on top, which most
/// elements do not enter.
enum Classification {
  /// How many elements are looked at between two looks at the clock.
  private static let stride = 1 << 16
  /// A text takes as long as so many of them.
  private static let stepsPerText = 1 << 6
  /// What a text takes at least: a length of four bytes, six decimals, a colon and a place. With
  /// the digits that most numbers have.
  static let bytesPerText = 24

  /// - Parameters:
  ///   - scores: Shape `(rows, …)` where the model takes rows; then the first dimension stays.
  ///   - count: How many at most.
  ///   - labels: A name for each class; of another number of them none is taken.
  ///   - maxBytes: Of all texts together.
  ///   - isOver: Asked now and then whether to give up.
  /// - Returns: A string tensor of shape `(rows, min(count, classes))`, or without the rows; nil
  ///   for strings, which have no order.
  static func best(
    _ count: Int, of scores: Tensor, hasRows: Bool, labels: [String] = [],
    maxBytes: Int = AnswerBudget.maxBytes, isOver: () -> Bool = { false }
  ) throws(ScoringError) -> Tensor? {
    guard let ranks = ranks(scores) else { return nil }
    let rows = hasRows && scores.shape.rank > 0 ? scores.shape[0] : 1
    let classes = classCount(scores.shape, hasRows: hasRows)
    let kept = min(count, classes)
    let isFloat = [.float16, .bfloat16, .float32, .float64].contains(scores.elementType)
    var texts = ByteStrings()
    var untilLook = stride
    for row in 0..<rows {
      let places = try largest(
        kept, of: ranks[(row * classes)..<((row + 1) * classes)], &untilLook, isOver)
      for place in places {
        untilLook -= stepsPerText
        if untilLook < 0 {
          untilLook = stride
          if isOver() { throw .executor(.deadlinePassed) }
          guard texts.byteCount <= maxBytes else {
            throw .answerTooLarge(byteCount: texts.byteCount, limit: maxBytes)
          }
        }
        let index = row * classes + place
        let value = isFloat ? fixedText(double(scores, index)) : integerText(scores, index)
        let label = labels.count == classes ? ":" + labels[place] : ""
        texts.append("\(value):\(place)\(label)")
      }
    }
    let shape = hasRows && scores.shape.rank > 0 ? Shape(rows, kept) : Shape(kept)
    return Tensor(strings: texts, shape: shape)
  }

  /// Bytes that the texts of `best` take at least, known before any is made.
  static func minByteCount(_ count: Int, of scores: Tensor, hasRows: Bool) -> Int {
    let rows = hasRows && scores.shape.rank > 0 ? scores.shape[0] : 1
    let classes = classCount(scores.shape, hasRows: hasRows)
    let texts = rows * min(count, classes)
    let (byteCount, overflows) = texts.multipliedReportingOverflow(by: bytesPerText)
    return overflows ? .max : byteCount
  }

  /// Values of a row, also where there are no rows.
  private static func classCount(_ shape: Shape, hasRows: Bool) -> Int {
    guard hasRows, shape.rank > 0 else { return shape.elementCount }
    if shape[0] > 0 { return shape.elementCount / shape[0] }
    return (1..<shape.rank).reduce(1) { classes, axis in
      let (product, overflows) = classes.multipliedReportingOverflow(by: shape[axis])
      return overflows ? .max : product
    }
  }

  /// The places of the `count` largest, largest first; of equals the first one wins.
  ///
  /// - Complexity: O(n log k).
  private static func largest(
    _ count: Int, of ranks: ArraySlice<UInt64>, _ untilLook: inout Int, _ isOver: () -> Bool
  ) throws(ScoringError) -> [Int] {
    guard count > 0 else { return [] }
    func look() throws(ScoringError) {
      untilLook -= 1
      guard untilLook < 0 else { return }
      untilLook = stride
      if isOver() { throw .executor(.deadlinePassed) }
    }
    var best = WorstFirst(ranks)
    best.places.reserveCapacity(count)
    for index in ranks.indices {
      try look()
      if best.places.count < count {
        best.insert(index)
      } else if best.isWorse(best.places[0], than: index) {
        best.replaceTop(by: index)
      }
    }
    var sorted: [Int] = []
    sorted.reserveCapacity(best.places.count)
    while let worst = best.popTop() {
      try look()
      sorted.append(worst - ranks.startIndex)
    }
    sorted.reverse()
    return sorted
  }

  /// A heap of places with the worst of them on top.
  private struct WorstFirst {
    let ranks: ArraySlice<UInt64>
    var places: [Int] = []

    init(_ ranks: ArraySlice<UInt64>) { self.ranks = ranks }

    /// Of equals the later one is worse.
    func isWorse(_ left: Int, than right: Int) -> Bool {
      ranks[left] == ranks[right] ? left > right : ranks[left] < ranks[right]
    }

    mutating func insert(_ place: Int) {
      var hole = places.count
      places.append(place)
      while hole > 0, isWorse(place, than: places[(hole - 1) / 2]) {
        places[hole] = places[(hole - 1) / 2]
        hole = (hole - 1) / 2
      }
      places[hole] = place
    }

    mutating func popTop() -> Int? {
      guard let top = places.first, let last = places.popLast() else { return nil }
      if !places.isEmpty { replaceTop(by: last) }
      return top
    }

    mutating func replaceTop(by place: Int) {
      var hole = 0
      while true {
        var child = 2 * hole + 1
        guard child < places.count else { break }
        if child + 1 < places.count, isWorse(places[child + 1], than: places[child]) { child += 1 }
        guard isWorse(places[child], than: place) else { break }
        places[hole] = places[child]
        hole = child
      }
      places[hole] = place
    }
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

  // MARK: Ranks

  private static func rank(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ 1 << 63 }

  /// NaN comes last; the two zeros are equal.
  private static func rank(_ value: Double) -> UInt64 {
    if value.isNaN { return 0 }
    let bits = (value == 0 ? 0 : value).bitPattern
    return bits >> 63 == 0 ? bits | 1 << 63 : ~bits
  }

  private static func double(_ tensor: Tensor, _ index: Int) -> Double {
    switch tensor.elementType {
    case .float32: Double(tensor.values(as: Float.self)[index])
    case .float64: tensor.values(as: Double.self)[index]
    case .float16: Double(tensor.values(as: Float16.self)[index])
    default: double(bfloat16: tensor.values(as: UInt16.self)[index])
    }
  }

  private static func double(bfloat16 bits: UInt16) -> Double {
    Double(Float(bitPattern: UInt32(bits) << 16))
  }

  private static func ranks(_ tensor: Tensor) -> [UInt64]? {
    switch tensor.elementType {
    case .float32: convert(tensor, Float.self) { rank(Double($0)) }
    case .float64: convert(tensor, Double.self) { rank($0) }
    case .float16: convert(tensor, Float16.self) { rank(Double($0)) }
    case .bfloat16: convert(tensor, UInt16.self) { rank(double(bfloat16: $0)) }
    case .int64: convert(tensor, Int64.self) { rank($0) }
    case .int32: convert(tensor, Int32.self) { rank(Int64($0)) }
    case .int16: convert(tensor, Int16.self) { rank(Int64($0)) }
    case .int8, .int4, .int2: convert(tensor, Int8.self) { rank(Int64($0)) }
    case .uint64: convert(tensor, UInt64.self) { $0 }
    case .uint32: convert(tensor, UInt32.self) { UInt64($0) }
    case .uint16: convert(tensor, UInt16.self) { UInt64($0) }
    case .uint8, .bool, .uint4, .uint2: convert(tensor, UInt8.self) { UInt64($0) }
    case .string, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: nil
    }
  }

  private static func convert<Element: TensorElement>(
    _ tensor: Tensor, _: Element.Type, _ rank: (Element) -> UInt64
  ) -> [UInt64] {
    let values = tensor.values(as: Element.self)
    var converted: [UInt64] = []
    converted.reserveCapacity(values.count)
    for index in values.indices { converted.append(rank(values[index])) }
    return converted
  }
}
