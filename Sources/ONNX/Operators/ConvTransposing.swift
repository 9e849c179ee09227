import Executors
import Tensors

extension OperatorTable {
  static let convTransposing: [OperatorDefinition] = [
    OperatorDefinition(
      "ConvTranspose", [1, 11, 22], floats, others: [.same], minInputs: 2, maxInputs: 3
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      let window = try WindowAttributes(&context)
      let groups = try context.integer("group") ?? 1
      guard groups > 0, groups < 1 << 31 else { throw context.malformed("group is \(groups)") }
      let extra = try context.integers("output_padding")
      let sizes = try context.integers("output_shape")
      for size in (extra ?? []) + (sizes ?? []) where size < 0 || size > Int(Int32.max) {
        throw context.malformed("output_padding or output_shape has \(size)")
      }
      return BuiltOperator(
        ConvTranspose(
          window: window, groups: groups, outputPadding: extra, outputShape: sizes, type: type),
        type)
    }
  ]
}

/// Each input place adds its window, weighted, to the output. One product for each output
/// channel gives all windows' values; a sample's bits depend on no other sample.
struct ConvTranspose: FloatOperator {
  let window: WindowAttributes
  let groups: Int
  let outputPadding: [Int]?
  let outputShape: [Int]?
  let type: ElementType

  private struct Axis {
    var input: Int
    var kernel: Int
    var stride: Int
    var dilation: Int
    var before: Int
    var output: Int
  }

  func takesInPlace(_ input: Int, _ tensor: Tensor) -> Bool { input == 1 }

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let weights = try scratch.input(1)
    let bias = scratch.optionalInput(2)
    let rank = input.shape.rank
    guard rank >= 3, rank <= 5, weights.shape.rank == rank, weights.shape[0] == input.shape[1],
      input.shape[1] % groups == 0
    else {
      throw OperatorError(
        "an input of shape \(input.shape), weights of \(weights.shape) and \(groups) groups")
    }
    let axes = try axes(input.shape, weights.shape)
    let channels = try checkedShape(weights.shape[1], groups).elementCount
    if let bias, bias.shape.elementCount != channels {
      throw OperatorError("a bias of \(bias.shape) for \(channels) channels")
    }
    let shape = try checkedShape(
      [input.shape[0], channels] + axes.suffix(rank - 2).map(\.output))
    var output = try scratch.memory(0, shape)
    if shape.elementCount > 0 {
      do {
        var target = output.mutableValues(as: Element.self)
        let places = axes[0].output * axes[1].output * axes[2].output
        for image in 0..<(shape.elementCount / places) {
          var value: Element = 0
          if let bias { value = bias.values(as: Element.self)[image % channels] }
          for place in 0..<places { target[image * places + place] = value }
        }
        if input.shape.elementCount > 0 {
          try add(
            input.values(as: Element.self), weights.unalignedBytes(as: Element.self), axes,
            samples: shape[0], inputChannels: input.shape[1], channels: channels, to: &target,
            scratch)
        }
      }
    }
    scratch.give(0, output)
  }

  private func axes(_ input: Shape, _ weights: Shape) throws(OperatorError) -> [Axis] {
    let count = input.rank - 2
    let kernel = window.kernel ?? Array(weights.array[2...])
    guard kernel == Array(weights.array[2...]), window.strides?.count ?? count == count,
      window.dilations?.count ?? count == count, window.pads?.count ?? 2 * count == 2 * count,
      outputPadding?.count ?? count == count,
      outputShape.map({ $0.count == count || $0.count == count + 2 }) ?? true
    else { throw OperatorError("a window of \(kernel) for an input of shape \(input)") }
    var axes = [Axis](
      repeating: Axis(input: 1, kernel: 1, stride: 1, dilation: 1, before: 0, output: 1),
      count: 3 - count)
    for index in 0..<count {
      let size = input[index + 2]
      let stride = window.strides?[index] ?? 1
      let dilation = window.dilations?[index] ?? 1
      let extra = outputPadding?[index] ?? 0
      guard size < 1 << 31, kernel[index] > 0, kernel[index] < 1 << 31 else {
        throw OperatorError("a window of \(kernel) for an input of shape \(input)")
      }
      // All factors are below 2³¹.
      let reach = (kernel[index] - 1) * dilation + 1
      let whole = stride * (size - 1) + extra + reach
      var before = window.pads?[index] ?? 0
      var output = whole - before - (window.pads?[index + count] ?? 0)
      let wanted = outputShape.map { $0[index + $0.count - count] }
      switch window.padding {
      case .none, .explicit:
        // A shape that is asked for decides about the padding, even where none was to be.
        if let wanted {
          output = wanted
          let total = max(whole - output, 0)
          before = total - total / 2
        } else if window.padding == .none {
          before = 0
          output = whole
        }
      case .sameUpper, .sameLower:
        // A window narrower than its stride leaves no room for padding.
        output = wanted ?? min(size * stride, whole)
        let total = max(whole - output, 0)
        before = window.padding == .sameUpper ? total / 2 : total - total / 2
      }
      guard output >= 0 else {
        throw OperatorError("pads \(window.pads ?? []) leave nothing of \(whole) places")
      }
      axes.append(
        Axis(
          input: size, kernel: kernel[index], stride: stride, dilation: dilation, before: before,
          output: output))
    }
    return axes
  }

  private func add<Element: FloatElement>(
    _ source: Span<Element>, _ weights: RawSpan, _ axes: [Axis], samples: Int,
    inputChannels: Int, channels: Int, to target: inout MutableSpan<Element>,
    _ scratch: ONNXScratch
  ) throws(OperatorError) {
    let places = axes[0].input * axes[1].input * axes[2].input
    let taps = axes[0].kernel * axes[1].kernel * axes[2].kernel
    let outputPlaces = axes[0].output * axes[1].output * axes[2].output
    let inner = inputChannels / groups
    let perGroup = channels / groups
    // The product lies beside the memory that is counted.
    let (count, overflows) = taps.multipliedReportingOverflow(by: places)
    guard !overflows, count <= scratch.maxBytes / MemoryLayout<Element>.size else {
      throw OperatorError("\(taps) taps at \(places) places take too much memory")
    }
    var factors = [Element](repeating: 0, count: taps * inner)
    var values = [Element](repeating: 0, count: count)
    for channel in 0..<channels {
      let group = channel / perGroup
      // (inner, channels, taps) as (taps, inner) of this one channel.
      for row in 0..<inner {
        let start = ((group * inner + row) * perGroup + channel % perGroup) * taps
        for tap in 0..<taps {
          // Inside: the weights' shape gave all of these.
          factors[tap * inner + row] = weights.unsafeLoadUnaligned(
            fromByteOffset: (start + tap) * MemoryLayout<Element>.size, as: Element.self)
        }
      }
      for sample in 0..<samples {
        try scratch.stopAtDeadline()
        for index in values.indices { values[index] = 0 }
        let start = (sample * inputChannels + group * inner) * places
        var product = values.mutableSpan
        Element.addProduct(
          factors.span, source.extracting(start..<(start + inner * places)), rows: taps,
          inner: inner, columns: places, to: &product)
        addWindows(values, axes, at: (sample * channels + channel) * outputPlaces, to: &target)
      }
    }
  }

  /// - Parameter values: Shape `(taps, places)`.
  private func addWindows<Element: FloatElement>(
    _ values: [Element], _ axes: [Axis], at start: Int, to target: inout MutableSpan<Element>
  ) {
    let (a, b, c) = (axes[0], axes[1], axes[2])
    var index = 0
    for tapA in 0..<a.kernel {
      for tapB in 0..<b.kernel {
        for tapC in 0..<c.kernel {
          for placeA in 0..<a.input {
            let outA = placeA * a.stride + tapA * a.dilation - a.before
            for placeB in 0..<b.input {
              let outB = placeB * b.stride + tapB * b.dilation - b.before
              guard outA >= 0, outA < a.output, outB >= 0, outB < b.output else {
                index += c.input
                continue
              }
              let row = start + (outA * b.output + outB) * c.output
              for placeC in 0..<c.input {
                let outC = placeC * c.stride + tapC * c.dilation - c.before
                if outC >= 0, outC < c.output { target[row + outC] += values[index] }
                index += 1
              }
            }
          }
        }
      }
    }
  }
}
