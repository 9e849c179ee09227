import Executors
import Tensors

/// What a convolution or a pooling says of the window it moves: one entry for each spatial axis.
struct WindowAttributes: Sendable {
  enum Padding: Sendable { case explicit, none, sameUpper, sameLower }

  /// The most spatial axes.
  static let maxAxes = 3

  var kernel: [Int]?
  var strides: [Int]?
  var dilations: [Int]?
  /// All begins, then all ends.
  var pads: [Int]?
  var padding: Padding
  var roundsUp: Bool

  /// Reads the attributes that both families share.
  init(_ context: inout NodeContext, roundsUp: Bool = false) throws(ModelFormatError) {
    kernel = try context.integers("kernel_shape")
    strides = try context.integers("strides")
    dilations = try context.integers("dilations")
    pads = try context.integers("pads")
    self.roundsUp = roundsUp
    switch try context.string("auto_pad") ?? "NOTSET" {
    case "NOTSET": padding = .explicit
    case "VALID": padding = .none
    case "SAME_UPPER": padding = .sameUpper
    case "SAME_LOWER": padding = .sameLower
    case let other: throw context.malformed("auto_pad is '\(other)'")
    }
    for (name, sizes, least) in [
      ("kernel_shape", kernel, 1), ("strides", strides, 1), ("dilations", dilations, 1),
      ("pads", pads, 0),
    ] {
      for size in sizes ?? [] where size < least || size > Int(Int32.max) {
        throw context.malformed("\(name) has \(size)")
      }
    }
    let count = kernel?.count ?? strides?.count ?? dilations?.count
    if let count {
      guard count <= WindowAttributes.maxAxes else {
        throw context.unsupported("a window of \(count) axes is not run")
      }
      guard strides?.count ?? count == count, dilations?.count ?? count == count,
        pads?.count ?? 2 * count == 2 * count
      else {
        throw context.malformed("kernel_shape, strides, dilations and pads do not fit together")
      }
    }
  }

  /// The window's places in an input of spatial size `input`, as three axes: missing leading
  /// ones have size 1.
  func axes(input: [Int], kernel: [Int]) throws(OperatorError) -> [WindowAxis] {
    let count = input.count
    guard count >= 1, count <= WindowAttributes.maxAxes, kernel.count == count,
      strides?.count ?? count == count, dilations?.count ?? count == count,
      pads?.count ?? 2 * count == 2 * count
    else {
      throw OperatorError("a window of \(kernel) does not fit spatial dimensions \(input)")
    }
    var axes: [WindowAxis] = []
    for _ in count..<WindowAttributes.maxAxes { axes.append(WindowAxis()) }
    for index in 0..<count {
      axes.append(
        try axis(
          input: input[index], kernel: kernel[index], stride: strides?[index] ?? 1,
          dilation: dilations?[index] ?? 1, before: pads?[index] ?? 0,
          after: pads?[index + count] ?? 0))
    }
    return axes
  }

  private func axis(
    input: Int, kernel: Int, stride: Int, dilation: Int, before: Int, after: Int
  ) throws(OperatorError) -> WindowAxis {
    // Every attribute is below 2³¹ and every dimension below 2⁶⁰: only the product may overflow.
    let (reach, overflows) = (kernel - 1).multipliedReportingOverflow(by: dilation)
    guard !overflows, reach < 1 << 60, kernel > 0 else {
      throw OperatorError("a window of \(kernel) with dilation \(dilation)")
    }
    var axis = WindowAxis(
      input: input, output: 0, kernel: kernel, stride: stride, dilation: dilation, before: before,
      after: after)
    switch padding {
    case .explicit, .none:
      if padding == .none {
        axis.before = 0
        axis.after = 0
      }
      let room = input + axis.before + axis.after - reach - 1
      guard room >= 0 else {
        throw OperatorError(
          "a window of \(reach + 1) is larger than the padded input of \(room + reach + 1)")
      }
      axis.output = room / stride + 1
      if roundsUp, room % stride != 0, axis.output * stride < input + axis.before {
        // The last window begins inside the input or its leading padding.
        axis.output += 1
      }
    case .sameUpper, .sameLower:
      axis.output = (input + stride - 1) / stride
      let lacking = (axis.output - 1) * stride + reach + 1 - input
      // ONNX Runtime takes padding away then, and moves every window.
      guard lacking > -2 else {
        throw OperatorError(
          "SAME padding of windows of \(reach + 1) at every \(stride) of \(input) is not run")
      }
      let total = max(0, lacking)
      axis.before = padding == .sameUpper ? total / 2 : total - total / 2
      axis.after = total - axis.before
    }
    return axis
  }
}

/// One spatial axis of a moving window.
struct WindowAxis: Sendable {
  var input = 1
  var output = 1
  var kernel = 1
  var stride = 1
  var dilation = 1
  var before = 0
  var after = 0

  /// Where the window of output `place` begins; negative in the padding.
  @inline(__always) func start(_ place: Int) -> Int { place * stride - before }

  /// The taps of the window at `place` that lie inside the input.
  @inline(__always) func taps(_ place: Int) -> Range<Int> {
    let start = start(place)
    let first = start >= 0 ? 0 : (-start + dilation - 1) / dilation
    let end = start >= input ? 0 : (input - 1 - start) / dilation + 1
    return min(first, kernel)..<max(min(first, kernel), min(end, kernel))
  }

  /// How many taps lie inside the input and its padding.
  @inline(__always) func paddedTaps(_ place: Int) -> Int {
    let start = start(place)
    return max(0, min(kernel, (input + after - 1 - start) / dilation + 1))
  }

  /// The outputs whose window has tap `tap` inside the input.
  @inline(__always) func outputs(reading tap: Int) -> Range<Int> {
    let offset = start(0) + tap * dilation
    let first = offset >= 0 ? 0 : (-offset + stride - 1) / stride
    let end = offset >= input ? 0 : (input - 1 - offset) / stride + 1
    return min(first, output)..<max(min(first, output), min(end, output))
  }
}
