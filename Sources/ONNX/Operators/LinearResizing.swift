import Tensors

// Linear interpolation along two or three axes that follow each other, as ONNX Runtime sums it: in
// float whatever the elements are, the corners in one order, and cut off to the element's type.
// Bytes of images whose channels come last are summed as integers, with weights of 10 bits.
// Source: ONNX Runtime, `upsample.cc` and `upsample.h`.

/// The axes of a tensor that are resized, and what lies around them.
struct ResizedBlock {
  /// Two or three.
  let axes: Range<Int>
  /// Whether the channels come behind the axes.
  let hasChannelsLast: Bool

  /// Nil for axes that ONNX Runtime does not resize together.
  init?(_ axes: [Resize.Axis]) {
    func isKept(_ places: Int...) -> Bool { places.allSatisfy { axes[$0].isKept } }
    switch axes.count {
    case 2, 3: self.axes = 0..<axes.count
    case 4 where isKept(0, 1): self.axes = 2..<4
    case 4 where isKept(0, 3): self.axes = 1..<3
    case 5 where isKept(0, 1): self.axes = 2..<5
    default: return nil
    }
    hasChannelsLast = self.axes.upperBound < axes.count
  }
}

/// The two places of the input between which a place of the output lies.
struct LinearTaps {
  var first: Int
  var second: Int
  var firstWeight: Float
  var secondWeight: Float
  /// In 1024ths.
  var firstPart: Int32
  var secondPart: Int32
  let isOutside: Bool

  /// - Parameter place: Where it lies, perhaps outside.
  init(_ place: Float, size: Int, isOutside: Bool) {
    let last = size - 1
    // What is no number is at the start: `max` of ONNX Runtime keeps its first argument.
    let inside = place > 0 ? min(place, Float(last)) : 0
    first = min(Int(inside), last)
    second = min(first + 1, last)
    firstWeight = (inside - Float(second)).magnitude
    secondWeight = (inside - Float(first)).magnitude
    let parts = Int(inside * 1024)
    firstPart = Int32(truncatingIfNeeded: (parts - second * 1024).magnitude)
    secondPart = Int32(truncatingIfNeeded: (parts - first * 1024).magnitude)
    if first == second {
      (firstWeight, secondWeight) = (0.5, 0.5)
      (firstPart, secondPart) = (512, 512)
    }
    self.isOutside = isOutside
  }
}

/// What is summed up and cut off to.
protocol ResizedElement: TensorElement {
  var asFloat: Float { get }
  init(cutting sum: Float)
}

extension Float: ResizedElement {
  var asFloat: Float { self }
  init(cutting sum: Float) { self = sum }
}

extension ResizedElement where Self: FixedWidthInteger {
  var asFloat: Float { Float(self) }
  /// As x86 casts to 32 bits, and those to less.
  init(cutting sum: Float) {
    let fits = sum > -0x1p31 - 1 && sum < 0x1p31
    self.init(truncatingIfNeeded: fits ? Int32(sum) : .min)
  }
}

extension Int32: ResizedElement {}
extension Int8: ResizedElement {}
extension UInt8: ResizedElement {}

/// The weights of the four corners around a place of an image.
private protocol WeightedCorners {
  associatedtype Element: ResizedElement
  init(_ row: LinearTaps, _ column: LinearTaps)
  /// The upper two, then the lower two.
  func sum(_ a: Element, _ b: Element, _ c: Element, _ d: Element) -> Element
}

private struct FloatCorners<Element: ResizedElement>: WeightedCorners {
  private let a, b, c, d: Float

  init(_ row: LinearTaps, _ column: LinearTaps) {
    a = column.firstWeight * row.firstWeight
    b = column.secondWeight * row.firstWeight
    c = column.firstWeight * row.secondWeight
    d = column.secondWeight * row.secondWeight
  }

  func sum(_ a: Element, _ b: Element, _ c: Element, _ d: Element) -> Element {
    Element(
      cutting: self.a * a.asFloat + self.b * b.asFloat + self.c * c.asFloat + self.d * d.asFloat)
  }
}

/// Weights of 20 bits; with the 8 of an element they fit into 32.
private struct PartCorners<Element: ResizedElement & FixedWidthInteger>: WeightedCorners {
  private let a, b, c, d: Int32

  init(_ row: LinearTaps, _ column: LinearTaps) {
    a = column.firstPart &* row.firstPart
    b = column.secondPart &* row.firstPart
    c = column.firstPart &* row.secondPart
    d = column.secondPart &* row.secondPart
  }

  func sum(_ a: Element, _ b: Element, _ c: Element, _ d: Element) -> Element {
    let upper = self.a &* Int32(truncatingIfNeeded: a) &+ self.b &* Int32(truncatingIfNeeded: b)
    let lower = self.c &* Int32(truncatingIfNeeded: c) &+ self.d &* Int32(truncatingIfNeeded: d)
    return Element(truncatingIfNeeded: (upper &+ lower) / (1 << 20))
  }
}

/// Resizes blocks of two or three axes.
struct LinearResizing {
  let block: ResizedBlock
  let axes: [Resize.Axis]
  /// For each of the block's axes and each place of the output along it.
  let taps: [[LinearTaps]]
  let extrapolation: Float

  /// Elements behind the axes.
  private let inner: Int
  /// Elements of the input in a block.
  private let blockSize: Int
  private let width: Int
  /// Elements in a slice of a volume.
  private let sliceSize: Int

  /// - Precondition: The axes are those of a tensor with elements.
  init(block: ResizedBlock, axes: [Resize.Axis], taps: [[LinearTaps]], extrapolation: Float) {
    self.block = block
    self.axes = axes
    self.taps = taps
    self.extrapolation = extrapolation
    // None of these products is larger than the input's element count.
    inner = axes[block.axes.upperBound...].reduce(1) { $0 * $1.input }
    let sizes = axes[block.axes].map(\.input)
    blockSize = sizes.reduce(inner, *)
    width = sizes[sizes.count - 1]
    sliceSize = sizes[(sizes.count - 2)...].reduce(inner, *)
  }

  func run<Element: ResizedElement>(
    _ input: Tensor, into output: inout Tensor, _ scratch: ONNXScratch, _: Element.Type
  ) throws(OperatorError) {
    guard taps.count == 3 else {
      return try runImages(input, into: &output, scratch, FloatCorners<Element>.self)
    }
    let source = input.values(as: Element.self)
    var target = output.mutableValues(as: Element.self)
    var place = 0
    for start in stride(from: 0, to: source.count, by: blockSize) {
      let values = source.extracting(start..<(start + blockSize))
      for depth in taps[0] {
        for row in taps[1] {
          try scratch.stopAtDeadline()
          volumeRow(values, depth, row, to: &target, at: &place)
        }
      }
    }
  }

  /// Images of bytes whose channels come last.
  func runParts<Element: ResizedElement & FixedWidthInteger>(
    _ input: Tensor, into output: inout Tensor, _ scratch: ONNXScratch, _: Element.Type
  ) throws(OperatorError) {
    try runImages(input, into: &output, scratch, PartCorners<Element>.self)
  }

  // Unchecked below: taps are within their axes, and `extracting` has checked the block.

  private func runImages<Corners: WeightedCorners>(
    _ input: Tensor, into output: inout Tensor, _ scratch: ONNXScratch, _: Corners.Type
  ) throws(OperatorError) {
    let source = input.values(as: Corners.Element.self)
    var target = output.mutableValues(as: Corners.Element.self)
    let outside = Corners.Element(cutting: extrapolation)
    var place = 0
    for start in stride(from: 0, to: source.count, by: blockSize) {
      let values = source.extracting(start..<(start + blockSize))
      for row in taps[0] {
        try scratch.stopAtDeadline()
        let (top, bottom) = (row.first * width, row.second * width)
        for column in taps[1] {
          let corners = Corners(row, column)
          let (i, j) = ((top + column.first) * inner, (top + column.second) * inner)
          let (k, l) = ((bottom + column.first) * inner, (bottom + column.second) * inner)
          let isOutside = row.isOutside || column.isOutside
          for step in 0..<inner {
            let sum = corners.sum(
              values[unchecked: i + step], values[unchecked: j + step],
              values[unchecked: k + step], values[unchecked: l + step])
            target[place] = isOutside ? outside : sum
            place += 1
          }
        }
      }
    }
  }

  private func volumeRow<Element: ResizedElement>(
    _ values: Span<Element>, _ depth: LinearTaps, _ row: LinearTaps,
    to target: inout MutableSpan<Element>, at place: inout Int
  ) {
    let (front, back) = (depth.first * sliceSize, depth.second * sliceSize)
    let (top, bottom) = (row.first * width, row.second * width)
    for column in taps[2] {
      /// Four corners in one of the two slices, added to what was there.
      func add(_ weight: Float, _ start: Int, to sum: Float?) -> Float {
        let a = column.firstWeight * row.firstWeight * weight
        let b = column.secondWeight * row.firstWeight * weight
        let c = column.firstWeight * row.secondWeight * weight
        let d = column.secondWeight * row.secondWeight * weight
        let first = a * values[unchecked: start + top + column.first].asFloat
        return (sum.map { $0 + first } ?? first)
          + b * values[unchecked: start + top + column.second].asFloat
          + c * values[unchecked: start + bottom + column.first].asFloat
          + d * values[unchecked: start + bottom + column.second].asFloat
      }
      let isOutside = depth.isOutside || row.isOutside || column.isOutside
      let sum = add(depth.secondWeight, back, to: add(depth.firstWeight, front, to: nil))
      target[place] = Element(cutting: isOutside ? extrapolation : sum)
      place += 1
    }
  }
}
