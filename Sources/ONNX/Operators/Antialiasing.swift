import Tensors

// Antialiased images, as ONNX Runtime sums them: along the last axis first, rounded to the element's
// type before the other; bytes with weights of 22 bits.
// Source: ONNX Runtime, `upsample_aa.cc` and `upsample_aa.h`.

/// What each place of the output along an axis is made of.
struct AntialiasFilter {
  /// The first place of the input.
  private(set) var starts: [Int] = []
  /// Where the weights of each end.
  private(set) var ends: [Int] = []
  private(set) var weights: [Float] = []

  /// - Parameter reach: How far `weight` goes before it is 0.
  /// - Parameter coordinate: Where a place of the output lies in the input.
  init(
    _ axis: Resize.Axis, reach: Float, excludesOutside: Bool, _ scratch: ONNXScratch,
    coordinate: (Int) -> Float, weight: (Float) -> Float
  ) throws(OperatorError) {
    let scale = 1 / axis.scale
    let support = scale >= 1 ? reach * scale : reach
    let inverse = scale >= 1 ? 1 / scale : 1
    guard support < 0x1p30 else { throw OperatorError("scale \(axis.scale) is too small") }
    // Each weight with its part of 2²², and where those of a place begin and end; while a place's are
    // made, what lies outside the axis too.
    let reached = 2 * Double(support) + 2
    let bytes = Double(axis.output) * (min(reached, Double(axis.input) + 1) * 8 + 16) + reached * 12
    try scratch.checkRoom(Int(min(bytes, 0x1p62)), for: "the weights of an antialiased axis")
    for place in 0..<axis.output {
      if place & 255 == 0 { try scratch.stopAtDeadline() }
      let center = 0.5 + (scale == 1 ? Float(place) : coordinate(place))
      guard center.magnitude < 0x1p31 else {
        throw OperatorError("place \(place) lies at \(center)")
      }
      let first = Int((Double(center - support) + 0.5).rounded(.down))
      let end = Int((Double(center + support) + 0.5).rounded(.down))
      let inside = max(first, 0)..<max(min(end, axis.input), max(first, 0))
      let range = excludesOutside ? inside : first..<max(end, first)
      var terms = range.map { weight((Float($0) - center + 0.5) * inverse) }
      let total = terms.reduce(0, +)
      if !excludesOutside {
        // What lies outside is the outermost place once more.
        let before = inside.lowerBound - first
        let behind = max(end - axis.input, 0)
        guard before + behind < terms.count else {
          throw OperatorError("place \(place) lies outside")
        }
        for index in 0..<before { terms[before] += terms[index] }
        let last = terms.count - behind - 1
        for index in (last + 1)..<max(terms.count, last + 1) { terms[last] += terms[index] }
        terms = Array(terms[before...last])
      }
      let share = total == 0 ? 1 : 1 / total
      terms = terms.map { $0 * share }
      starts.append(inside.lowerBound)
      weights += terms
      ends.append(weights.count)
    }
  }

  /// The weights in parts of 2²².
  private var parts: [Int32] {
    // A weight is a share of a sum, or a little more.
    weights.map { Int32(exactly: ($0 * 0x1p22).rounded()) ?? .max }
  }

  /// The elements with the axis of length `length`, `inner` of them behind it, filtered.
  private func apply<Element: ResizedElement>(
    _ values: [Element], length: Int, inner: Int, _ scratch: ONNXScratch,
    sum: (_ terms: Range<Int>, _ value: (Int) -> Element) -> Element
  ) throws(OperatorError) -> [Element] {
    var result: [Element] = []
    let outer = values.count / (length * inner)
    result.reserveCapacity(outer * starts.count * inner)
    for block in 0..<outer {
      for place in starts.indices {
        if place & 63 == 0 { try scratch.stopAtDeadline() }
        let terms = (place == 0 ? 0 : ends[place - 1])..<ends[place]
        let first = (block * length + starts[place]) * inner
        for column in 0..<inner {
          result.append(sum(terms) { values[first + $0 * inner + column] })
        }
      }
    }
    return result
  }

  func bytes(
    _ values: [UInt8], length: Int, inner: Int, _ scratch: ONNXScratch
  ) throws(OperatorError) -> [UInt8] {
    let parts = parts
    return try apply(values, length: length, inner: inner, scratch) { terms, value in
      var sum: Int32 = 1 << 21
      for (index, term) in terms.enumerated() { sum &+= parts[term] &* Int32(value(index)) }
      return UInt8(min(max(sum >> 22, 0), 255))
    }
  }

  func floats(
    _ values: [Float], length: Int, inner: Int, _ scratch: ONNXScratch
  ) throws(OperatorError) -> [Float] {
    try apply(values, length: length, inner: inner, scratch) { terms, value in
      var sum: Float = 0
      for (index, term) in terms.enumerated() { sum += value(index) * weights[term] }
      return sum
    }
  }

  func integers(
    _ values: [Int32], length: Int, inner: Int, _ scratch: ONNXScratch
  ) throws(OperatorError) -> [Int32] {
    try apply(values, length: length, inner: inner, scratch) { terms, value in
      var sum: Float = 0
      for (index, term) in terms.enumerated() { sum += Float(value(index)) * weights[term] }
      return Int32(cutting: sum.rounded())
    }
  }
}

extension Resize {
  func runAntialiased(
    _ input: Tensor, _ axes: [Axis], _ block: ResizedBlock, _ shape: Shape, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    var output = try scratch.memory(0, shape)
    let column = block.axes.lowerBound + 1
    // None of these products is larger than an element count.
    let inner = axes[(column + 1)...].reduce(1) { $0 * $1.input }
    let narrowed = try checkedShape(
      shape.array.indices.map { $0 == column ? shape[$0] : input.shape[$0] })
    let size = type.byteSize
    let bytes = [input.shape, narrowed, shape].reduce(0) { $0 + $1.elementCount * size }
    try scratch.checkRoom(bytes, for: "what lies between two axes")
    // The last axis first. Where channels come last, one that keeps its size is summed all the same.
    let passes = [(column, inner), (column - 1, inner * axes[column].output)].filter {
      block.hasChannelsLast || axes[$0.0].input != axes[$0.0].output
    }
    var filters: [AntialiasFilter] = []
    for (axis, _) in passes { filters.append(try filter(axes[axis], scratch)) }
    func run<Element: TensorElement>(
      _ apply: (AntialiasFilter, [Element], Int, Int) throws(OperatorError) -> [Element]
    ) throws(OperatorError) {
      var values = elements(of: input, Element.self)
      for (filter, pass) in zip(filters, passes) {
        values = try apply(filter, values, axes[pass.0].input, pass.1)
      }
      lay(values, in: &output)
    }
    switch type {
    case .uint8:
      try run { (filter, values: [UInt8], length, inner) throws(OperatorError) in
        try filter.bytes(values, length: length, inner: inner, scratch)
      }
    case .int32:
      try run { (filter, values: [Int32], length, inner) throws(OperatorError) in
        try filter.integers(values, length: length, inner: inner, scratch)
      }
    default:
      try run { (filter, values: [Float], length, inner) throws(OperatorError) in
        try filter.floats(values, length: length, inner: inner, scratch)
      }
    }
    scratch.give(0, output)
  }

  private func filter(
    _ axis: Axis, _ scratch: ONNXScratch
  ) throws(OperatorError) -> AntialiasFilter {
    let a = cubicCoefficient
    return try AntialiasFilter(
      axis, reach: mode == .linear ? 1 : 2, excludesOutside: excludesOutside, scratch,
      coordinate: { coordinate($0, axis) },
      weight: { place in
        let x = place.magnitude
        if mode == .linear { return x < 1 ? 1 - x : 0 }
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
      })
  }

  private func elements<Element: TensorElement>(of tensor: Tensor, _: Element.Type) -> [Element] {
    let values = tensor.values(as: Element.self)
    return values.indices.map { values[$0] }
  }

  private func lay<Element: TensorElement>(_ values: [Element], in output: inout Tensor) {
    var target = output.mutableValues(as: Element.self)
    for index in target.indices { target[index] = values[index] }
  }
}
