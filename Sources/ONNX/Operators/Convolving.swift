import Executors
import Tensors

extension OperatorTable {
  static let convolving: [OperatorDefinition] = [
    OperatorDefinition("Conv", [1, 11, 22], floats, others: [.same], minInputs: 2, maxInputs: 3) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let window = try WindowAttributes(&context)
      let groups = try context.integer("group") ?? 1
      guard groups > 0 else { throw context.malformed("group is \(groups)") }
      return BuiltOperator(Conv(window: window, groups: groups, type: type), type)
    }
  ]
}

/// The sizes of one convolution, checked.
struct ConvolutionShape {
  let samples: Int
  let inputChannels: Int
  let outputChannels: Int
  let groups: Int
  /// Always three axes.
  let axes: [WindowAxis]
  let output: Shape

  init(
    input: Shape, weights: Shape, groups: Int, window: WindowAttributes
  ) throws(OperatorError) {
    guard input.rank >= 3, weights.rank == input.rank else {
      throw OperatorError("an input of shape \(input) with weights of shape \(weights)")
    }
    let kernel = Array(weights.array[2...])
    guard window.kernel ?? kernel == kernel else {
      throw OperatorError("kernel_shape is \(window.kernel ?? []), the weights' shape \(weights)")
    }
    let (channels, overflows) = weights[1].multipliedReportingOverflow(by: groups)
    guard !overflows, channels == input[1], weights[0] % groups == 0 else {
      throw OperatorError("an input of shape \(input), weights of \(weights) and \(groups) groups")
    }
    samples = input[0]
    inputChannels = input[1]
    outputChannels = weights[0]
    self.groups = groups
    axes = try window.axes(input: Array(input.array[2...]), kernel: kernel)
    output = try checkedShape(
      [samples, outputChannels] + axes.suffix(input.rank - 2).map(\.output))
  }

  var places: Int { axes[0].output * axes[1].output * axes[2].output }
  var inputPlaces: Int { axes[0].input * axes[1].input * axes[2].input }
  var taps: Int { axes[0].kernel * axes[1].kernel * axes[2].kernel }
  /// The weights of one output channel.
  var inner: Int { inputChannels / groups * taps }

  /// Whether the input is the column matrix: one tap, on every place.
  var isPointwise: Bool {
    axes.allSatisfy { $0.kernel == 1 && $0.stride == 1 && $0.before == 0 && $0.after == 0 }
  }
}

/// Weights · columns, sample by sample and group by group: a sample's bits depend on no other.
///
/// The columns, one for each output place, are laid out a tile at a time.
struct Conv: FloatOperator {
  let window: WindowAttributes
  let groups: Int
  let type: ElementType

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool {
    input == 1 && !isDepthwise(tensor.shape)
  }

  /// Whether each group has one input channel, and few output channels.
  private func isDepthwise(_ weights: Shape) -> Bool {
    weights.rank > 1 && weights[1] == 1 && weights[0] / groups < 4
  }

  /// Elements of a tile of columns: it stays in the second-level cache.
  static let tileElements = 1 << 17

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let weights = try scratch.input(1)
    let bias = scratch.optionalInput(2)
    let shape = try ConvolutionShape(
      input: input.shape, weights: weights.shape, groups: groups, window: window)
    if let bias, bias.shape.elementCount != shape.outputChannels {
      throw OperatorError("a bias of \(bias.shape) for \(shape.outputChannels) channels")
    }
    var output = try scratch.memory(0, shape.output)
    if shape.output.elementCount > 0 {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      layOutBias(bias, shape, to: &target)
      if isDepthwise(weights.shape) {
        try convolveDepthwise(
          source, weights.values(as: Element.self), shape, to: &target, scratch)
      } else {
        try convolve(
          source, weights.unalignedBytes(as: Element.self), shape, to: &target, scratch)
      }
    }
    scratch.give(0, output)
  }

  private func layOutBias<Element: FloatElement>(
    _ bias: Tensor?, _ shape: ConvolutionShape, to target: inout MutableSpan<Element>
  ) {
    let places = shape.places
    var values = [Element](repeating: 0, count: shape.outputChannels)
    if let bias {
      let given = bias.values(as: Element.self)
      for channel in given.indices { values[channel] = given[channel] }
    }
    for image in 0..<(shape.samples * shape.outputChannels) {
      let value = values[image % shape.outputChannels]
      for place in (image * places)..<((image + 1) * places) { target[unchecked: place] = value }
    }
  }

  private func convolve<Element: FloatElement>(
    _ source: Span<Element>, _ weights: RawSpan, _ shape: ConvolutionShape,
    to target: inout MutableSpan<Element>, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    let places = shape.places
    let rows = shape.outputChannels / groups
    let inner = shape.inner
    let groupSize = shape.inputChannels / groups * shape.inputPlaces
    // Wide enough for the product's own tiles, unless one column is large itself.
    let least = inner > Conv.tileElements ? 4 : 64
    let tile = min(places, max(least, Conv.tileElements / max(inner, 1) / 16 * 16))
    let isDirect = shape.isPointwise
    let isWhole = tile == places
    var columns = [Element](repeating: 0, count: isDirect ? 0 : inner * tile)
    var part = [Element](repeating: 0, count: isWhole || isDirect ? 0 : rows * tile)
    for block in 0..<(shape.samples * groups) {
      // A look at the clock costs as much as a small group.
      if block & 15 == 15 { try scratch.stopAtDeadline() }
      let group = block % groups
      let image = source.extracting((block * groupSize)..<((block + 1) * groupSize))
      let groupBytes = rows * inner * MemoryLayout<Element>.size
      let factors = weights.extracting((group * groupBytes)..<((group + 1) * groupBytes))
      let start = block * rows * places
      var results = target._mutatingExtracting(start..<(start + rows * places))
      if isDirect {
        Element.addProduct(
          weights: factors, image, rows: rows, inner: inner, columns: places, to: &results)
        continue
      }
      for first in stride(from: 0, to: places, by: tile) {
        if first > 0 { try scratch.stopAtDeadline() }
        let count = min(tile, places - first)
        var matrix = columns.mutableSpan
        var used = matrix._mutatingExtracting(0..<(inner * count))
        layOutColumns(image, shape, places: first..<(first + count), padding: 0, to: &used)
        let right = columns.span.extracting(0..<(inner * count))
        if isWhole {
          Element.addProduct(
            weights: factors, right, rows: rows, inner: inner, columns: count, to: &results)
          continue
        }
        var sums = part.mutableSpan
        for row in 0..<rows {
          for column in 0..<count {
            sums[unchecked: row * count + column] =
              results[unchecked: row * places + first + column]
          }
        }
        var usedSums = sums._mutatingExtracting(0..<(rows * count))
        Element.addProduct(
          weights: factors, right, rows: rows, inner: inner, columns: count, to: &usedSums)
        for row in 0..<rows {
          for column in 0..<count {
            results[unchecked: row * places + first + column] =
              usedSums[unchecked: row * count + column]
          }
        }
      }
    }
  }

  /// One input channel for each group: a row of outputs at a time, tap after tap.
  private func convolveDepthwise<Element: FloatElement>(
    _ source: Span<Element>, _ weights: Span<Element>, _ shape: ConvolutionShape,
    to target: inout MutableSpan<Element>, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    let perGroup = shape.outputChannels / groups
    let taps = shape.taps
    let line = LineTaps(width)
    for channel in 0..<(shape.samples * shape.outputChannels) {
      if channel & 15 == 15 { try scratch.stopAtDeadline() }
      let output = channel % shape.outputChannels
      let image =
        (channel / shape.outputChannels * groups + output / perGroup) * shape.inputPlaces
      for z in 0..<depth.output {
        for y in 0..<height.output {
          let row = ((channel * depth.output + z) * height.output + y) * width.output
          var results = target._mutatingExtracting(row..<(row + width.output))
          for zTap in depth.taps(z) {
            for yTap in height.taps(y) {
              let start =
                image
                + ((depth.start(z) + zTap * depth.dilation) * height.input
                  + height.start(y) + yTap * height.dilation) * width.input
              let first = output * taps + (zTap * height.kernel + yTap) * width.kernel
              line.add(
                source.extracting(start..<(start + width.input)),
                weights.extracting(first..<(first + width.kernel)), to: &results)
            }
          }
        }
      }
    }
  }
}

/// One line of outputs and the taps of one line of the window: which outputs each tap reaches.
private struct LineTaps {
  let width: WindowAxis
  let reached: [Range<Int>]
  /// The outputs that every tap reaches.
  let inside: Range<Int>

  init(_ width: WindowAxis) {
    self.width = width
    let reached = (0..<width.kernel).map { width.outputs(reading: $0) }
    self.reached = reached
    let first = reached.map(\.lowerBound).max() ?? 0
    inside = first..<max(first, reached.map(\.upperBound).min() ?? 0)
  }

  /// Adds to each output its taps in order; the sums are the same whatever is done at once.
  @inline(__always)
  func add<Element: FloatElement>(
    _ source: Span<Element>, _ weights: Span<Element>, to results: inout MutableSpan<Element>
  ) {
    precondition(
      source.count == width.input && weights.count == width.kernel
        && results.count == width.output)
    let first = width.start(0)
    let isFused = width.stride == 1 && (width.kernel == 3 || width.kernel == 5)
    let fused = isFused ? inside : 0..<0
    // Unchecked: `outputs(reading:)` gives those whose tap lies in the line.
    for tap in 0..<width.kernel {
      let factor = weights[tap]
      let from = first + tap * width.dilation
      let range = reached[tap]
      if isFused {
        for x in range.lowerBound..<min(range.upperBound, max(range.lowerBound, fused.lowerBound)) {
          results[unchecked: x] += factor * source[unchecked: from + x]
        }
        for x in max(
          range.lowerBound, fused.upperBound)..<max(
            range.upperBound, fused.upperBound, range.lowerBound)
        {
          results[unchecked: x] += factor * source[unchecked: from + x]
        }
      } else if width.stride == 1 {
        for x in range { results[unchecked: x] += factor * source[unchecked: from + x] }
      } else {
        for x in range {
          results[unchecked: x] += factor * source[unchecked: from + x * width.stride]
        }
      }
    }
    if !isFused { return }
    let step = width.dilation
    let (a, b, c) = (weights[0], weights[1], weights[2])
    if width.kernel == 3 {
      for x in fused {
        let from = first + x
        results[unchecked: x] =
          ((results[unchecked: x] + a * source[unchecked: from])
            + b * source[unchecked: from + step]) + c * source[unchecked: from + 2 * step]
      }
    } else {
      let (d, e) = (weights[3], weights[4])
      for x in fused {
        let from = first + x
        let start =
          (results[unchecked: x] + a * source[unchecked: from])
          + b * source[unchecked: from + step]
        let middle =
          (start + c * source[unchecked: from + 2 * step])
          + d * source[unchecked: from + 3 * step]
        results[unchecked: x] = middle + e * source[unchecked: from + 4 * step]
      }
    }
  }
}

/// Lays out the columns of `places`: a row for each weight of an output channel, in the weights'
/// order, a column for each place. What lies in the padding is `padding`.
@inline(__always)
func layOutColumns<Element: TensorElement>(
  _ image: Span<Element>, _ shape: ConvolutionShape, places: Range<Int>, padding: Element,
  to columns: inout MutableSpan<Element>
) {
  let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
  precondition(columns.count == shape.inner * places.count, "a tile of another size")
  precondition(image.count == shape.inputChannels / shape.groups * shape.inputPlaces)
  image.withUnsafeBufferPointer { image in
    columns.withUnsafeMutableBufferPointer { columns in
      guard let from = image.baseAddress, let to = columns.baseAddress else { return }
      var row = to
      for channel in 0..<(shape.inputChannels / shape.groups) {
        for zTap in 0..<depth.kernel {
          for yTap in 0..<height.kernel {
            for xTap in 0..<width.kernel {
              let inside = width.outputs(reading: xTap)
              let xFirst = width.start(0) + xTap * width.dilation
              var x = places.lowerBound % width.output
              var y = places.lowerBound / width.output % height.output
              var z = places.lowerBound / width.output / height.output
              var left = places.count
              while left > 0 {
                // One line of outputs, or what of it is in this tile.
                let end = min(width.output, x + left)
                let zPlace = depth.start(z) + zTap * depth.dilation
                let yPlace = height.start(y) + yTap * height.dilation
                let isLine =
                  zPlace >= 0 && zPlace < depth.input && yPlace >= 0 && yPlace < height.input
                let low = isLine ? min(max(inside.lowerBound, x), end) : end
                let high = isLine ? max(min(inside.upperBound, end), low) : end
                // `inside` lies in the line, and the line in the image.
                if low > x { row.update(repeating: padding, count: low - x) }
                if high > low {
                  let line =
                    from + ((channel * depth.input + zPlace) * height.input + yPlace) * width.input
                    + xFirst
                  if width.stride == 1 {
                    (row + (low - x)).update(from: line + low, count: high - low)
                  } else {
                    for column in low..<high {
                      row[column - x] = line[column * width.stride]
                    }
                  }
                }
                if end > high { (row + (high - x)).update(repeating: padding, count: end - high) }
                row += end - x
                left -= end - x
                x = 0
                y += 1
                if y == height.output {
                  y = 0
                  z += 1
                }
              }
            }
          }
        }
      }
    }
  }
}
