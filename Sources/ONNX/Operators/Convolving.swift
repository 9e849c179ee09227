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
/// The columns, one for each output place, are read where they lie in the image (`WindowLines`), or
/// laid out a tile at a time where lines are short or a window is nearly all padding. Either way
/// the sums are the same.
struct Conv: FloatOperator {
  let window: WindowAttributes
  let groups: Int
  let type: ElementType

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 1 }

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
      let factors = weights.unalignedBytes(as: Element.self)
      if let lines = WindowLines(shape), scratch.hasRoom(lines.byteCount(of: Element.self)) {
        try convolve(source, factors, shape, lines, to: &target, scratch)
      } else {
        try convolve(source, factors, shape, to: &target, scratch)
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

  /// With the columns where they lie in the image, or in a copy of it that has its padding.
  private func convolve<Element: FloatElement>(
    _ source: Span<Element>, _ weights: RawSpan, _ shape: ConvolutionShape, _ lines: WindowLines,
    to target: inout MutableSpan<Element>, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    let places = shape.places
    let rows = shape.outputChannels / groups
    let groupSize = shape.inputChannels / groups * shape.inputPlaces
    let groupBytes = rows * shape.inner * MemoryLayout<Element>.size
    let width = shape.axes[2].output
    // So many lines that the deadline is kept.
    let products = scratch.pause == nil ? 1 << 28 : 1 << 24
    let most = max(1, products / max(1, rows * shape.inner * width))
    var padded = [Element](repeating: 0, count: lines.isCopy ? lines.count : 0)
    for block in 0..<(shape.samples * groups) {
      // A look at the clock costs as much as a small group.
      if block & 15 == 15 { try scratch.stopAtDeadline() }
      let group = block % groups
      let image = source.extracting((block * groupSize)..<((block + 1) * groupSize))
      let factors = weights.extracting((group * groupBytes)..<((group + 1) * groupBytes))
      if lines.isCopy {
        var copy = padded.mutableSpan
        lines.copy(image, shape, to: &copy)
      }
      for first in stride(from: 0, to: lines.starts.count, by: most) {
        if first > 0 { try scratch.stopAtDeadline() }
        let last = min(first + most, lines.starts.count)
        let start = block * rows * places + first * width
        var results = target._mutatingExtracting(
          start..<(start + (rows - 1) * places + (last - first) * width))
        if lines.isCopy {
          Element.addWindows(
            weights: factors, image: padded.span, steps: lines.steps.span,
            lines: lines.starts.span.extracting(first..<last), rows: rows, width: width,
            rowStep: places, to: &results)
        } else {
          Element.addWindows(
            weights: factors, image: image, steps: lines.steps.span,
            lines: lines.starts.span.extracting(first..<last), rows: rows, width: width,
            rowStep: places, to: &results)
        }
      }
    }
  }
}

/// Where the columns of a convolution lie in its image: element x of a line's column i is at the
/// line's start + x + the step of i.
///
/// With padding, or with a stride along the lines, it is a copy of the image that they lie in: with
/// zeros around it, and each line's places sorted by what they leave when divided by the stride.
private struct WindowLines {
  /// Of the image of one group that is read, or of its copy.
  let count: Int
  let isCopy: Bool
  let steps: [Int]
  let starts: [Int]
  /// Places of a copy's axes; the last of one remainder.
  private let depth: Int
  private let height: Int
  private let width: Int

  /// Nil where laying out columns is better, or the copy would be much larger than the image.
  init?(_ shape: ConvolutionShape) {
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    let channels = shape.inputChannels / shape.groups
    let rows = shape.outputChannels / shape.groups
    if shape.isPointwise || rows == 0 || shape.inner == 0 { return nil }
    // Lanes behind a short line's end are lost, which many rows pay for.
    let lanes = (width.output + 15) / 16 * 16
    guard rows <= 4 || (rows <= 64 && width.output * 5 >= lanes * 3) else { return nil }
    let hasPadding = shape.axes.contains { $0.before != 0 || $0.after != 0 }
    isCopy = hasPadding || width.stride != 1
    if !isCopy {
      self.depth = depth.input
      self.height = height.input
      self.width = width.input
    } else {
      guard let deep = WindowLines.reach(depth), let high = WindowLines.reach(height),
        let wide = WindowLines.reach(width)
      else { return nil }
      self.depth = deep
      self.height = high
      self.width = (wide + width.stride - 1) / width.stride
    }
    let pitch = isCopy ? self.width * width.stride : self.width
    var count = channels
    for size in [self.depth, self.height, pitch] {
      let (product, overflows) = count.multipliedReportingOverflow(by: size)
      guard !overflows else { return nil }
      count = product
    }
    let (most, overflows) = max(1 << 14, shape.inputPlaces).multipliedReportingOverflow(
      by: 4 * channels)
    guard !isCopy || (!overflows && count <= most) else { return nil }
    self.count = count
    var steps: [Int] = []
    steps.reserveCapacity(shape.inner)
    for channel in 0..<channels {
      for z in 0..<depth.kernel {
        for y in 0..<height.kernel {
          let line =
            ((channel * self.depth + z * depth.dilation) * self.height + y * height.dilation)
            * pitch
          for x in 0..<width.kernel {
            let place = x * width.dilation
            steps.append(
              line + place % width.stride * self.width + place / width.stride)
          }
        }
      }
    }
    self.steps = steps
    var starts: [Int] = []
    starts.reserveCapacity(depth.output * height.output)
    for z in 0..<depth.output {
      for y in 0..<height.output {
        starts.append((z * depth.stride * self.height + y * height.stride) * pitch)
      }
    }
    self.starts = starts
  }

  /// How many places of an axis the windows cover; nil where that is beyond all measure.
  private static func reach(_ axis: WindowAxis) -> Int? {
    let (first, overflows) = max(axis.output - 1, 0).multipliedReportingOverflow(by: axis.stride)
    let (window, overflowsToo) = (axis.kernel - 1).multipliedReportingOverflow(by: axis.dilation)
    guard !overflows, !overflowsToo, first < 1 << 40, window < 1 << 40 else { return nil }
    return first + window + 1
  }

  func byteCount<Element>(of _: Element.Type) -> Int {
    (isCopy ? count * MemoryLayout<Element>.size : 0)
      + (steps.count + starts.count) * MemoryLayout<Int>.size
  }

  /// Writes the image between the zeros of `copy`, which has them.
  func copy<Element: FloatElement>(
    _ image: Span<Element>, _ shape: ConvolutionShape, to copy: inout MutableSpan<Element>
  ) {
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    let pitch = self.width * width.stride
    let channels = shape.inputChannels / shape.groups
    precondition(image.count == channels * shape.inputPlaces && copy.count == count)
    // What the windows do not reach is left out.
    let inside = min(width.input, max(0, pitch - width.before))
    image.withUnsafeBufferPointer { image in
      copy.withUnsafeMutableBufferPointer { copy in
        guard let from = image.baseAddress, let to = copy.baseAddress else { return }
        for channel in 0..<channels {
          for z in 0..<min(depth.input, max(0, self.depth - depth.before)) {
            for y in 0..<min(height.input, max(0, self.height - height.before)) {
              let source = from + ((channel * depth.input + z) * height.input + y) * width.input
              let target =
                to
                + ((channel * self.depth + z + depth.before) * self.height + y + height.before)
                * pitch
              if width.stride == 1 {
                (target + width.before).update(from: source, count: inside)
                continue
              }
              for remainder in 0..<width.stride {
                // The first place with this remainder, and those after it.
                let shift = (remainder - width.before) % width.stride
                let first = shift < 0 ? shift + width.stride : shift
                var place = remainder * self.width + (first + width.before) / width.stride
                for x in stride(from: first, to: inside, by: width.stride) {
                  target[place] = source[x]
                  place += 1
                }
              }
            }
          }
        }
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
