import Executors
import Tensors

// Resize and its forerunner Upsample: each axis on its own, as a sum of a few weighted places of
// the input. Coordinates are float32, as ONNX Runtime computes them.
// Source: ONNX Operators.md, onnx/reference/ops/op_resize.py.

extension OperatorTable {
  static let resizing: [OperatorDefinition] = [
    OperatorDefinition(
      "Resize", [10, 11, 13, 18, 19], numbers.union([.bool]),
      others: [.one(of: floats), .one(of: [.float32]), .int64], maxInputs: 4
    ) { context throws(ModelFormatError) in
      let version = context.version
      guard version >= 11 || context.inputTypes.count <= 2 else {
        throw context.malformed("version \(version) has 2 inputs")
      }
      var resize = Resize(
        type: try context.type(0),
        mode: try interpolation(&context),
        scaleInput: version == 10 ? 1 : 2, sizeInput: version == 10 ? nil : 3)
      if version == 10 {
        resize.coordinates = .asymmetric
        resize.rounding = .simple
      } else {
        resize.roiInput = 1
        let name = try context.string("coordinate_transformation_mode") ?? "half_pixel"
        guard let coordinates = ResizeCoordinates(rawValue: name) else {
          throw context.unsupported("coordinate_transformation_mode '\(name)' is not run")
        }
        resize.coordinates = coordinates
        let rounding = try context.string("nearest_mode") ?? "round_prefer_floor"
        guard let rounding = ResizeRounding(rawValue: rounding) else {
          throw context.unsupported("nearest_mode '\(rounding)' is not run")
        }
        resize.rounding = rounding
        resize.cubicCoefficient = try context.float("cubic_coeff_a") ?? -0.75
        resize.excludesOutside = try context.integer("exclude_outside") ?? 0 != 0
        resize.extrapolation = try context.float("extrapolation_value") ?? 0
      }
      if version >= 18 {
        resize.isAntialiased = try context.integer("antialias") ?? 0 != 0
        resize.axes = try context.integers("axes")
        let policy = try context.string("keep_aspect_ratio_policy") ?? "stretch"
        guard let policy = ResizePolicy(rawValue: policy) else {
          throw context.unsupported("keep_aspect_ratio_policy '\(policy)' is not run")
        }
        // ONNX Runtime passes over axes that are counted from the end.
        guard policy == .stretch || resize.axes?.contains(where: { $0 < 0 }) != true else {
          throw context.unsupported(
            "a keep_aspect_ratio_policy with axes that are counted from the end is not run")
        }
        resize.policy = policy
      }
      try checkType(resize, context)
      return BuiltOperator(resize, resize.type)
    },
    OperatorDefinition(
      "Upsample", [7, 9], numbers.union([.bool]), others: [.one(of: [.float32])], maxInputs: 2
    ) { context throws(ModelFormatError) in
      var resize = Resize(
        type: try context.type(0), mode: try interpolation(&context), scaleInput: 1,
        sizeInput: nil)
      resize.coordinates = .asymmetric
      resize.rounding = .floor
      resize.onlyEnlarges = true
      if context.version < 9 {
        let scales = try context.floats("scales") ?? []
        guard scales.allSatisfy({ $0 >= 1 && $0.isFinite }) else {
          throw context.unsupported("scales \(scales); Upsample takes 1 or more")
        }
        resize.fixedScales = scales
      }
      try checkType(resize, context)
      return BuiltOperator(resize, resize.type)
    },
  ]

  private static func checkType(
    _ resize: Resize, _ context: NodeContext
  ) throws(ModelFormatError) {
    if resize.mode == .nearest || floats.contains(resize.type) { return }
    // Antialiased int8 loses all that is negative in ONNX Runtime, and what is cut out has no answer.
    let isRun =
      resize.isAntialiased
      ? [.uint8, .int32].contains(resize.type) && resize.coordinates != .cropAndResize
      : resize.mode == .linear && [.uint8, .int8, .int32].contains(resize.type)
    guard isRun else {
      let name = (resize.isAntialiased ? "antialiased " : "") + resize.mode.rawValue
      throw context.unsupported("\(name) of \(resize.type.name) is not run")
    }
  }

  private static func interpolation(
    _ context: inout NodeContext
  ) throws(ModelFormatError) -> ResizeMode {
    let name = try context.string("mode") ?? "nearest"
    guard let mode = ResizeMode(rawValue: name) else {
      throw context.unsupported("mode '\(name)' is not run")
    }
    return mode
  }
}

enum ResizeMode: String, Sendable { case nearest, linear, cubic }

enum ResizeCoordinates: String, Sendable {
  case halfPixel = "half_pixel"
  case halfPixelSymmetric = "half_pixel_symmetric"
  case pytorchHalfPixel = "pytorch_half_pixel"
  case alignCorners = "align_corners"
  case asymmetric
  case halfPixelForNearest = "tf_half_pixel_for_nn"
  case cropAndResize = "tf_crop_and_resize"
}

enum ResizeRounding: String, Sendable {
  case preferFloor = "round_prefer_floor"
  case preferCeil = "round_prefer_ceil"
  case floor, ceil
  /// That of version 10, which has no such attribute: down where an axis grows, up where it shrinks.
  case simple = ""
}

enum ResizePolicy: String, Sendable {
  case stretch
  case notLarger = "not_larger"
  case notSmaller = "not_smaller"
}

struct Resize: Operator {
  let type: ElementType
  let mode: ResizeMode
  let scaleInput: Int
  let sizeInput: Int?
  var roiInput: Int?
  var fixedScales: [Float]?
  var coordinates = ResizeCoordinates.halfPixel
  var rounding = ResizeRounding.preferFloor
  /// Scales below 1 are refused, as of Upsample.
  var onlyEnlarges = false
  var policy = ResizePolicy.stretch
  var axes: [Int]?
  var isAntialiased = false
  var excludesOutside = false
  var cubicCoefficient: Float = -0.75
  var extrapolation: Float = 0

  init(type: ElementType, mode: ResizeMode, scaleInput: Int, sizeInput: Int?) {
    self.type = type
    self.mode = mode
    self.scaleInput = scaleInput
    self.sizeInput = sizeInput
  }

  /// What one axis becomes.
  struct Axis {
    var input: Int
    var output: Int
    var scale: Float
    var roiStart: Float = 0
    var roiEnd: Float = 1

    /// Whatever is cut out of it, as in ONNX Runtime.
    var isKept: Bool { input == output && scale == 1 }
  }

  /// An axis has a table of its places beside the output: none that is resized may be longer.
  static let maxPlaces = 1 << 24

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let axes = try resized(input.shape, scratch)
    let shape = try checkedShape(axes.map(\.output))
    guard input.shape.elementCount > 0 || shape.elementCount == 0 else {
      throw OperatorError("an input of shape \(input.shape) has nothing to resize to \(shape)")
    }
    if shape.elementCount == 0 {
      scratch.give(0, try scratch.memory(0, shape))
    } else if shape == input.shape {
      // Whatever the scale, and whatever is cut out: ONNX Runtime copies.
      scratch.give(0, input)
    } else if axes.contains(where: { !$0.isKept && $0.output > Resize.maxPlaces }) {
      throw OperatorError("\(input.shape) resized to \(shape) has too long an axis")
    } else if isAntialiased, axes.contains(where: { $0.input == $0.output && $0.scale != 1 }) {
      // ONNX Runtime passes over such an axis in some layouts.
      throw OperatorError("an antialiased axis keeps its size by a scale that is not 1: \(shape)")
    } else if mode == .nearest {
      try runNearest(input, axes, shape, scratch)
    } else if mode == .linear, !isAntialiased, !excludesOutside, type != .float64,
      let block = ResizedBlock(axes)
    {
      try runLinear(input, axes, block, shape, scratch)
    } else if [.float32, .uint8, .int32].contains(type), isAntialiased,
      coordinates != .cropAndResize, let block = ResizedBlock(axes),
      block.axes.count == 2
    {
      try runAntialiased(input, axes, block, shape, scratch)
    } else if ![.float32, .float64].contains(type) {
      throw OperatorError(
        "\(mode) of \(type.name) is run for images, not from \(input.shape) to \(shape)")
    } else if type == .float64 {
      try interpolate(input, axes, shape, scratch, Double.self)
    } else {
      try interpolate(input, axes, shape, scratch, Float.self)
    }
  }

  private func floats(_ tensor: Tensor) throws(OperatorError) -> [Float] {
    let tensor = try asFloat(tensor)
    let values = tensor.values(as: Float.self)
    return values.indices.map { values[$0] }
  }

  private func resized(_ shape: Shape, _ scratch: ONNXScratch) throws(OperatorError) -> [Axis] {
    var result = (0..<shape.rank).map { Axis(input: shape[$0], output: shape[$0], scale: 1) }
    var chosen: [Int] = []
    for axis in axes ?? Array(0..<shape.rank) {
      chosen.append(try checkedAxis(axis, rank: shape.rank))
    }
    guard Set(chosen).count == chosen.count else { throw OperatorError("an axis is given twice") }
    var scales = fixedScales ?? []
    if fixedScales == nil, let given = scratch.optionalInput(scaleInput) {
      scales = try floats(given)
    }
    let sizes =
      try sizeInput.flatMap { index throws(OperatorError) in
        try scratch.integers(index)
      } ?? []
    if !sizes.isEmpty {
      guard sizes.count == chosen.count else {
        throw OperatorError("\(sizes.count) sizes for \(chosen.count) axes")
      }
      var ratio: Float?
      for (index, axis) in chosen.enumerated() {
        guard sizes[index] > 0, sizes[index] <= Int(Int32.max), shape[axis] > 0 else {
          throw OperatorError("size \(sizes[index]) for axis \(axis) of \(shape)")
        }
        result[axis].output = sizes[index]
        result[axis].scale = Float(sizes[index]) / Float(shape[axis])
        ratio =
          policy == .notLarger
          ? min(ratio ?? .infinity, result[axis].scale) : max(ratio ?? 0, result[axis].scale)
      }
      if policy != .stretch, let ratio {
        for axis in chosen {
          result[axis].scale = ratio
          // An empty tensor's other dimensions may be as large as an Int.
          let output = (ratio * Float(shape[axis])).rounded()
          guard output.isFinite, output <= Float(Int32.max / 2) else {
            throw OperatorError("scale \(ratio) for axis \(axis) of \(shape)")
          }
          result[axis].output = Int(output)
        }
      }
    } else {
      guard scales.count == chosen.count else {
        throw OperatorError("\(scales.count) scales for \(chosen.count) axes")
      }
      for (index, axis) in chosen.enumerated() {
        let output = scales[index] * Float(shape[axis])
        guard scales[index] >= 1 || !onlyEnlarges else {
          throw OperatorError("scale \(scales[index]) for axis \(axis); Upsample takes 1 or more")
        }
        guard scales[index] > 0, scales[index].isFinite, output <= Float(Int32.max / 2) else {
          throw OperatorError("scale \(scales[index]) for axis \(axis) of \(shape)")
        }
        result[axis].scale = scales[index]
        result[axis].output = Int(output)
      }
    }
    if coordinates == .cropAndResize, let roiInput, let given = scratch.optionalInput(roiInput) {
      let roi = try floats(given)
      guard roi.count == 2 * chosen.count, roi.allSatisfy(\.isFinite) else {
        throw OperatorError("a roi of \(roi.count) numbers for \(chosen.count) axes")
      }
      for (index, axis) in chosen.enumerated() {
        result[axis].roiStart = roi[index]
        result[axis].roiEnd = roi[index + chosen.count]
      }
    }
    return result
  }

  /// Where output place `x` lies in the input.
  func coordinate(_ x: Int, _ axis: Axis) -> Float {
    let place = Float(x)
    switch coordinates {
    case .asymmetric: return place / axis.scale
    case .halfPixel: return (place + 0.5) / axis.scale - 0.5
    case .pytorchHalfPixel: return axis.output > 1 ? (place + 0.5) / axis.scale - 0.5 : 0
    case .halfPixelForNearest: return (place + 0.5) / axis.scale
    case .alignCorners:
      return axis.output == 1 ? 0 : place * Float(axis.input - 1) / Float(axis.output - 1)
    case .halfPixelSymmetric:
      let adjustment = Float(axis.output) / (axis.scale * Float(axis.input))
      let offset = Float(axis.input) / 2 * (1 - adjustment)
      // In double, as ONNX Runtime does here alone.
      return Float(Double(offset) + (Double(place) + 0.5) / Double(axis.scale) - 0.5)
    case .cropAndResize:
      let last = Float(axis.input - 1)
      let x =
        axis.output == 1
        ? 0.5 * (axis.roiStart + axis.roiEnd) * last
        : axis.roiStart * last
          + place * (axis.roiEnd - axis.roiStart) * last / Float(axis.output - 1)
      // Where ends as large as a float's cancel out, it is nowhere: outside.
      return x.isNaN ? -1 : x
    }
  }

  private func isOutside(_ x: Float, _ axis: Axis) -> Bool {
    coordinates == .cropAndResize && (x < 0 || x > Float(axis.input - 1))
  }

  /// As near as ONNX Runtime takes for half.
  private func isHalf(_ x: Float) -> Bool {
    (Double(x) - Double(x).rounded(.down) - 0.5).magnitude <= 1e-6
  }

  private func nearest(_ x: Float, _ axis: Axis) -> Float {
    switch rounding {
    case .simple: x.rounded(axis.scale < 1 ? .up : .down)
    case .floor: x.rounded(.down)
    case .ceil: x.rounded(.up)
    case .preferFloor: isHalf(x) ? x.rounded(.down) : (x + 0.5).rounded(.down)
    case .preferCeil: isHalf(x) ? x.rounded(.down) + 1 : (x + 0.5).rounded(.down)
    }
  }

  private func runNearest(
    _ input: Tensor, _ axes: [Axis], _ shape: Shape, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    // Asked for first: it knows what memory is left.
    var writer = try scratch.writer(0, shape)
    // The place in the input of each place of each axis; -1 outside.
    var tables: [[Int]] = []
    for axis in axes {
      tables.append(
        (0..<axis.output).map { place in
          if axis.isKept { return place }
          let x = coordinate(place, axis)
          if isOutside(x, axis) { return -1 }
          return min(
            max(Int(nearest(min(max(x, -2), Float(axis.input) + 1), axis)), 0), axis.input - 1)
        })
    }
    let strides = rowMajorStrides(input.shape)
    let last = axes.count - 1
    let outside = try converted(Tensor([extrapolation], shape: Shape()), to: type)
    guard last >= 0 else {
      writer.append(from: input, start: 0, count: 1)
      scratch.give(0, writer.finish())
      return
    }
    var counters = [Int](repeating: 0, count: last)
    for line in 0..<(shape.elementCount / shape[last]) {
      if line & 255 == 255 { try scratch.stopAtDeadline() }
      var start = 0
      var isInside = true
      for axis in 0..<last {
        let place = tables[axis][counters[axis]]
        isInside = isInside && place >= 0
        start += max(place, 0) * strides[axis]
      }
      if isInside, axes[last].isKept {
        writer.append(from: input, start: start, count: shape[last])
      } else {
        for place in tables[last] {
          if isInside, place >= 0 {
            writer.append(from: input, start: start + place, count: 1)
          } else {
            writer.append(from: outside, start: 0, count: 1)
          }
        }
      }
      var axis = last - 1
      while axis >= 0 {
        counters[axis] += 1
        if counters[axis] < shape[axis] { break }
        counters[axis] = 0
        axis -= 1
      }
    }
    scratch.give(0, writer.finish())
  }

  private func runLinear(
    _ input: Tensor, _ axes: [Axis], _ block: ResizedBlock, _ shape: Shape, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    var output = try scratch.memory(0, shape)
    let count = axes[block.axes].reduce(0) { $0 + $1.output }
    try scratch.checkRoom(count * MemoryLayout<LinearTaps>.stride, for: "a table of places")
    let taps = axes[block.axes].map { axis in
      (0..<axis.output).map { place in
        let x = axis.isKept ? Float(place) : coordinate(place, axis)
        return LinearTaps(x, size: axis.input, isOutside: isOutside(x, axis))
      }
    }
    let resizing = LinearResizing(
      block: block, axes: axes, taps: taps, extrapolation: extrapolation)
    switch (type, block.hasChannelsLast) {
    case (.uint8, true): try resizing.runParts(input, into: &output, scratch, UInt8.self)
    case (.uint8, false): try resizing.run(input, into: &output, scratch, UInt8.self)
    case (.int8, true): try resizing.runParts(input, into: &output, scratch, Int8.self)
    case (.int8, false): try resizing.run(input, into: &output, scratch, Int8.self)
    case (.int32, _): try resizing.run(input, into: &output, scratch, Int32.self)
    default: try resizing.run(input, into: &output, scratch, Float.self)
    }
    scratch.give(0, output)
  }

  private func cubic(_ distance: Float) -> Float {
    let a = cubicCoefficient
    let x = distance.magnitude
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }

  /// Places of the input and their weights for one place of the output.
  private func weights(_ x: Float, _ axis: Axis) -> [(place: Int, weight: Float)] {
    // The place on the left or at x itself, so that the ratio is in (0, 1].
    let base = x.rounded(.up) - 1
    let ratio = x - base
    let narrowing = isAntialiased ? min(axis.scale, 1) : 1
    let reach: Float = mode == .linear ? 1 : 2
    let first = Int((-reach / narrowing).rounded(.down)) + 1
    var result: [(place: Int, weight: Float)] = []
    var sum: Float = 0
    for step in first...(1 - first) {
      let distance = (Float(step) - ratio) * narrowing
      var weight = mode == .linear ? max(0, 1 - distance.magnitude) : cubic(distance)
      let place = Int(base) + step
      if excludesOutside, place < 0 || place >= axis.input { weight = 0 }
      sum += weight
      result.append((min(max(place, 0), axis.input - 1), weight))
    }
    if (isAntialiased || excludesOutside) && sum != 0 {
      for index in result.indices { result[index].weight /= sum }
    }
    return result
  }

  private func interpolate<Element: FloatElement>(
    _ input: Tensor, _ axes: [Axis], _ shape: Shape, _ scratch: ONNXScratch, _: Element.Type
  ) throws(OperatorError) {
    // Asked for before the temporaries: it knows what memory is left.
    var output = try scratch.memory(0, shape)
    var values: [Element] = []
    let source = input.values(as: Element.self)
    values.reserveCapacity(source.count)
    for index in source.indices { values.append(source[index]) }
    var sizes = input.shape.array
    var outside = [[Bool]](repeating: [], count: axes.count)
    for (number, axis) in axes.enumerated() where !axis.isKept {
      guard Float(axis.input) / axis.scale < Float(Int32.max) else {
        throw OperatorError("scale \(axis.scale) is too small")
      }
      let inner = try checkedShape(Array(sizes[(number + 1)...])).elementCount
      let outer = try checkedShape(Array(sizes[..<number])).elementCount
      sizes[number] = axis.output
      let count = try checkedShape(sizes).elementCount
      guard count <= scratch.maxBytes / 8 else {
        throw OperatorError("\(input.shape) resized to \(shape) takes too much memory")
      }
      var result = [Element](repeating: 0, count: count)
      outside[number] = [Bool](repeating: false, count: axis.output)
      for place in 0..<axis.output {
        if place & 15 == 0 { try scratch.stopAtDeadline() }
        let x = coordinate(place, axis)
        outside[number][place] = isOutside(x, axis)
        let limited = min(max(x, -4), Float(axis.input) + 4)
        let terms = weights(limited, axis)
        for block in 0..<outer {
          let target = (block * axis.output + place) * inner
          for term in terms where term.weight != 0 {
            let weight = Element(term.weight)
            let from = (block * axis.input + term.place) * inner
            for column in 0..<inner { result[target + column] += weight * values[from + column] }
          }
        }
      }
      values = result
    }
    if coordinates == .cropAndResize { fillOutside(outside, sizes, &values) }
    do {
      var target = output.mutableValues(as: Element.self)
      for index in target.indices { target[index] = values[index] }
    }
    scratch.give(0, output)
  }

  private func fillOutside<Element: FloatElement>(
    _ outside: [[Bool]], _ sizes: [Int], _ values: inout [Element]
  ) {
    var inner = 1
    for axis in sizes.indices.reversed() {
      if !outside[axis].isEmpty {
        for index in values.indices where outside[axis][index / inner % sizes[axis]] {
          values[index] = Element(extrapolation)
        }
      }
      inner *= sizes[axis]
    }
  }
}
