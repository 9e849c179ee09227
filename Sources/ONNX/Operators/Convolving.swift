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

  /// Elements of a tile of columns: it stays in the second-level cache.
  static let tileElements = 1 << 16

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
      let factors = weights.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      layOutBias(bias, shape, to: &target)
      if shape.inputChannels == groups {
        convolveDepthwise(source, factors, shape, to: &target)
      } else {
        convolve(source, factors, shape, to: &target)
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
    _ source: Span<Element>, _ weights: Span<Element>, _ shape: ConvolutionShape,
    to target: inout MutableSpan<Element>
  ) {
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
      let group = block % groups
      let image = source.extracting((block * groupSize)..<((block + 1) * groupSize))
      let factors = weights.extracting((group * rows * inner)..<((group + 1) * rows * inner))
      let start = block * rows * places
      var results = target._mutatingExtracting(start..<(start + rows * places))
      if isDirect {
        Element.addProduct(
          factors, image, rows: rows, inner: inner, columns: places, to: &results)
        continue
      }
      for first in stride(from: 0, to: places, by: tile) {
        let count = min(tile, places - first)
        var matrix = columns.mutableSpan
        var used = matrix._mutatingExtracting(0..<(inner * count))
        layOutColumns(image, shape, places: first..<(first + count), padding: 0, to: &used)
        let right = columns.span.extracting(0..<(inner * count))
        if isWhole {
          Element.addProduct(
            factors, right, rows: rows, inner: inner, columns: count, to: &results)
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
          factors, right, rows: rows, inner: inner, columns: count, to: &usedSums)
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
    to target: inout MutableSpan<Element>
  ) {
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    let perGroup = shape.outputChannels / groups
    let taps = shape.taps
    for channel in 0..<(shape.samples * shape.outputChannels) {
      let output = channel % shape.outputChannels
      let image =
        (channel / shape.outputChannels * groups + output / perGroup) * shape.inputPlaces
      for z in 0..<depth.output {
        for y in 0..<height.output {
          let row = ((channel * depth.output + z) * height.output + y) * width.output
          for zTap in depth.taps(z) {
            for yTap in height.taps(y) {
              let line =
                image
                + ((depth.start(z) + zTap * depth.dilation) * height.input
                  + height.start(y) + yTap * height.dilation) * width.input
              for xTap in 0..<width.kernel {
                let factor =
                  weights[
                    output * taps + (zTap * height.kernel + yTap) * width.kernel + xTap]
                let inside = width.outputs(reading: xTap)
                let first = line + width.start(0) + xTap * width.dilation
                // Unchecked: `outputs(reading:)` gives those whose tap lies in the line.
                if width.stride == 1 {
                  for x in inside {
                    target[unchecked: row + x] += factor * source[unchecked: first + x]
                  }
                } else {
                  for x in inside {
                    target[unchecked: row + x] +=
                      factor * source[unchecked: first + x * width.stride]
                  }
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
  var row = 0
  for channel in 0..<(shape.inputChannels / shape.groups) {
    for zTap in 0..<depth.kernel {
      for yTap in 0..<height.kernel {
        for xTap in 0..<width.kernel {
          let inside = width.outputs(reading: xTap)
          let xFirst = width.start(0) + xTap * width.dilation
          var place = places.lowerBound
          while place < places.upperBound {
            // One line of outputs, or what of it is in this tile.
            let x = place % width.output
            let line = place / width.output
            let end = min(width.output, x + places.upperBound - place)
            let z = depth.start(line / height.output) + zTap * depth.dilation
            let y = height.start(line % height.output) + yTap * height.dilation
            let to = row * places.count + place - places.lowerBound - x
            let isLine = z >= 0 && z < depth.input && y >= 0 && y < height.input
            let low = isLine ? min(max(inside.lowerBound, x), end) : end
            let high = isLine ? max(min(inside.upperBound, end), low) : end
            // Unchecked: `to + x` runs over this tile's row, and `inside` over the line.
            for column in x..<low { columns[unchecked: to + column] = padding }
            if low < high {
              let from =
                ((channel * depth.input + z) * height.input + y) * width.input + xFirst
              if width.stride == 1 {
                for column in low..<high {
                  columns[unchecked: to + column] = image[unchecked: from + column]
                }
              } else {
                for column in low..<high {
                  columns[unchecked: to + column] = image[unchecked: from + column * width.stride]
                }
              }
            }
            for column in high..<end { columns[unchecked: to + column] = padding }
            place += end - x
          }
          row += 1
        }
      }
    }
  }
}
