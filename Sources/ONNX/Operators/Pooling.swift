import Executors
import Tensors

extension OperatorTable {
  static let pooling: [OperatorDefinition] =
    [
      OperatorDefinition("MaxPool", [1, 8, 10, 11, 12, 22], floats.union([.int8, .uint8])) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        let window = try pooledWindow(&context, dilates: 10)
        let order = context.version >= 8 ? try context.integer("storage_order") ?? 0 : 0
        return BuiltOperator(
          MaxPool(
            window: window, isColumnMajor: order != 0,
            hasPlaces: context.node.outputs.dropFirst().contains { $0 != nil }, type: type),
          type, .int64)
      },
      OperatorDefinition("AveragePool", [7, 10, 11, 19, 22], floats) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        let counts = try context.integer("count_include_pad") ?? 0 != 0
        let window = try pooledWindow(&context, dilates: 19)
        return BuiltOperator(
          WindowMean(window: window, countsPadding: counts, power: nil, type: type), type)
      },
      OperatorDefinition("LpPool", [2, 11, 18, 22], floats) { context throws(ModelFormatError) in
        let type = try context.type(0)
        let power = try context.integer("p") ?? 2
        guard power > 0 else { throw context.malformed("p is \(power)") }
        let window = try pooledWindow(&context, dilates: 18)
        return BuiltOperator(
          WindowMean(window: window, countsPadding: false, power: power, type: type), type)
      },
    ]
    + ([
      ("GlobalAveragePool", [1, 22], GlobalPool.mean), ("GlobalMaxPool", [1, 22], .largest),
      ("GlobalLpPool", [2, 22], .length),
    ] as [(String, [Int], GlobalPool)]).map { name, versions, kind in
      OperatorDefinition(name, versions, floats) { context throws(ModelFormatError) in
        let type = try context.type(0)
        let power = kind == .length ? try context.integer("p") ?? 2 : 2
        guard power > 0 else { throw context.malformed("p is \(power)") }
        return BuiltOperator(GlobalPooling(kind: kind, power: power, type: type), type)
      }
    }

  private static func pooledWindow(
    _ context: inout NodeContext, dilates: Int
  ) throws(ModelFormatError) -> WindowAttributes {
    if context.version < dilates,
      context.node.attributes.contains(where: { $0.name == "dilations" })
    {
      throw context.malformed("version \(context.version) has no attribute 'dilations'")
    }
    var window = try WindowAttributes(&context)
    if [.sameUpper, .sameLower].contains(window.padding),
      window.dilations?.contains(where: { $0 != 1 }) == true
    {
      // ONNX Runtime gives it another size than ONNX.
      throw context.unsupported("SAME padding with dilations is not run")
    }
    // Only the versions that know it have it; an older one that does is refused as unread.
    let name = context.node.operatorName
    if context.version >= (name == "LpPool" ? 18 : 10) {
      window.roundsUp = try context.integer("ceil_mode") ?? 0 != 0
    }
    guard window.kernel != nil else { throw context.malformed("it has no kernel_shape") }
    return window
  }
}

/// The places of a window in each image of an input.
private struct PoolShape {
  let images: Int
  let axes: [WindowAxis]
  let output: Shape

  init(_ input: Shape, _ window: WindowAttributes) throws(OperatorError) {
    guard input.rank >= 3 else {
      throw OperatorError("shape \(input) has no spatial dimensions")
    }
    axes = try window.axes(input: Array(input.array[2...]), kernel: window.kernel ?? [])
    output = try checkedShape(
      [input[0], input[1]] + axes.suffix(input.rank - 2).map(\.output))
    images = try checkedShape([input[0], input[1]]).elementCount
  }

  var inputPlaces: Int { axes[0].input * axes[1].input * axes[2].input }

  /// Calls `body(image, z, y, x)` for each output, in order.
  @inline(__always)
  func visit(
    _ scratch: ONNXScratch, _ body: (Int, Int, Int, Int) -> Void
  ) throws(OperatorError) {
    if output.elementCount == 0 { return }
    // Taps between two looks at the clock, which cost as much as many small windows.
    let taps = axes.reduce(1) { $0 * min($1.kernel, $1.input) }
    var left = 1 << 16
    for image in 0..<images {
      for z in 0..<axes[0].output {
        for y in 0..<axes[1].output {
          for x in 0..<axes[2].output {
            body(image, z, y, x)
            left -= taps
            if left < 0 {
              try scratch.stopAtDeadline()
              left = 1 << 16
            }
          }
        }
      }
    }
  }
}

/// The largest value in each window, and where it stood in the whole input.
///
/// A leading NaN stays and a later one never wins, as in ONNX Runtime's kernel for doubles, places
/// and dilations. Its kernels for floats alone differ: along a line of one dimension no NaN wins,
/// and the smallest answer is the smallest finite number. In more dimensions what a NaN does there
/// depends on the lane of a vector it falls in, and here it does as it does elsewhere.
struct MaxPool: Operator {
  let window: WindowAttributes
  /// How places are counted: along columns first.
  let isColumnMajor: Bool
  /// Whether the node names an output for places, asked for or not.
  let hasPlaces: Bool
  let type: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch type {
    case .float64: try run(scratch, as: Double.self)
    case .int8: try run(scratch, as: Int8.self)
    case .uint8: try run(scratch, as: UInt8.self)
    default: try run(scratch, as: Float.self)
    }
  }

  private func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let shape = try PoolShape(input.shape, window)
    var output = try scratch.memory(0, shape.output)
    let isLine =
      type == .float32 && input.shape.rank == 3 && !hasPlaces && !isColumnMajor
      && window.dilations?.first ?? 1 == 1
    let wantsPlaces = scratch.wants(output: 1)
    var places = try scratch.memory(1, wantsPlaces ? shape.output : Shape(0))
    // A list of a window's taps may be long: those of an ordinary one are few.
    if !isLine, !wantsPlaces, shape.axes[2].kernel <= 64 {
      var target = output.mutableValues(as: Element.self)
      try largest(input.values(as: Element.self), shape, to: &target, scratch)
    } else {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      var targetPlaces = places.mutableValues(as: Int64.self)
      let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
      var index = 0
      try shape.visit(scratch) { image, z, y, x in
        let first = image * shape.inputPlaces
        var best = isLine ? Element.lowestFinite : Element.lowest
        var found = (isLine ? 0 : -1, 0, 0)
        let xTaps = width.taps(x)
        for zTap in depth.taps(z) {
          let zPlace = depth.start(z) + zTap * depth.dilation
          for yTap in height.taps(y) {
            let yPlace = height.start(y) + yTap * height.dilation
            let line = first + (zPlace * height.input + yPlace) * width.input
            for xTap in xTaps {
              let xPlace = width.start(x) + xTap * width.dilation
              // Unchecked: `taps` gives places inside the input.
              let value = source[unchecked: line + xPlace]
              if value > best || found.0 < 0 {
                best = value
                found = (zPlace, yPlace, xPlace)
              }
            }
          }
        }
        target[index] = best
        if wantsPlaces {
          let (a, b, c) = found
          targetPlaces[index] = Int64(
            isColumnMajor
              ? first + (c * height.input + b) * depth.input + a
              : first + (a * height.input + b) * width.input + c)
        }
        index += 1
      }
    }
    scratch.give(0, output)
    if wantsPlaces { scratch.give(1, places) }
  }
}

extension MaxPool {
  /// A line of outputs at a time, tap after tap: a leading NaN stays, a later one never wins.
  private func largest<Element: NumberElement>(
    _ source: Span<Element>, _ shape: PoolShape, to target: inout MutableSpan<Element>,
    _ scratch: ONNXScratch
  ) throws(OperatorError) {
    if shape.output.elementCount == 0 { return }
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    let reached = (0..<width.kernel).map { width.outputs(reading: $0) }
    let taps = (0..<width.output).map { width.taps($0) }
    let first = width.start(0)
    var left = 1 << 16
    for image in 0..<shape.images {
      for z in 0..<depth.output {
        for y in 0..<height.output {
          let line = ((image * depth.output + z) * height.output + y) * width.output
          for x in 0..<width.output { target[line + x] = Element.lowest }
          var isFirst = true
          for zTap in depth.taps(z) {
            for yTap in height.taps(y) {
              let from =
                ((image * depth.input + depth.start(z) + zTap * depth.dilation) * height.input
                  + height.start(y) + yTap * height.dilation) * width.input
              if isFirst {
                for x in 0..<width.output where !taps[x].isEmpty {
                  target[line + x] =
                    source[from + width.start(x) + taps[x].lowerBound * width.dilation]
                }
                isFirst = false
              }
              // Unchecked: `outputs(reading:)` gives those whose tap lies in the line.
              for xTap in 0..<width.kernel {
                let tap = from + first + xTap * width.dilation
                for x in reached[xTap] {
                  let value = source[unchecked: tap + x * width.stride]
                  let best = target[unchecked: line + x]
                  target[unchecked: line + x] = value > best ? value : best
                }
              }
              left -= width.output * width.kernel
              if left < 0 {
                try scratch.stopAtDeadline()
                left = 1 << 16
              }
            }
          }
        }
      }
    }
  }
}

/// AveragePool, and LpPool, whose windows' p-norms are taken.
struct WindowMean: FloatOperator {
  let window: WindowAttributes
  let countsPadding: Bool
  /// The p of LpPool; nil for the mean.
  let power: Int?
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let shape = try PoolShape(input.shape, window)
    var output = try scratch.memory(0, shape.output)
    // A list of a window's taps may be long: those of an ordinary one are few.
    if power == nil, shape.axes[2].kernel <= 64 {
      var target = output.mutableValues(as: Element.self)
      try average(input.values(as: Element.self), shape, to: &target, scratch)
    } else {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
      var index = 0
      try shape.visit(scratch) { image, z, y, x in
        let first = image * shape.inputPlaces
        var sum: Element = 0
        let zTaps = depth.taps(z)
        let yTaps = height.taps(y)
        let xTaps = width.taps(x)
        for zTap in zTaps {
          let zPlace = depth.start(z) + zTap * depth.dilation
          for yTap in yTaps {
            let yPlace = height.start(y) + yTap * height.dilation
            let line = first + (zPlace * height.input + yPlace) * width.input + width.start(x)
            for xTap in xTaps {
              // Unchecked: `taps` gives places inside the input.
              let value = source[unchecked: line + xTap * width.dilation]
              if let power {
                sum += norm(value.magnitude, power)
              } else {
                sum += value
              }
            }
          }
        }
        if let power {
          target[index] = root(sum, power)
        } else {
          // Padding may be of any size: the product is no integer then.
          let count =
            countsPadding
            ? Element(depth.paddedTaps(z)) * Element(height.paddedTaps(y))
              * Element(width.paddedTaps(x))
            : Element(zTaps.count * yTaps.count * xTaps.count)
          target[index] = count == 0 ? 0 : sum / count
        }
        index += 1
      }
    }
    scratch.give(0, output)
  }
}

extension WindowMean {
  /// A line of outputs at a time, tap after tap.
  private func average<Element: FloatElement>(
    _ source: Span<Element>, _ shape: PoolShape, to target: inout MutableSpan<Element>,
    _ scratch: ONNXScratch
  ) throws(OperatorError) {
    if shape.output.elementCount == 0 { return }
    let (depth, height, width) = (shape.axes[0], shape.axes[1], shape.axes[2])
    let reached = (0..<width.kernel).map { width.outputs(reading: $0) }
    let counts = (0..<width.output).map {
      Element(countsPadding ? width.paddedTaps($0) : width.taps($0).count)
    }
    let first = width.start(0)
    var left = 1 << 16
    for image in 0..<shape.images {
      for z in 0..<depth.output {
        for y in 0..<height.output {
          let line = ((image * depth.output + z) * height.output + y) * width.output
          // Unchecked: `outputs(reading:)` gives those whose tap lies in the line.
          for x in 0..<width.output { target[unchecked: line + x] = 0 }
          for zTap in depth.taps(z) {
            for yTap in height.taps(y) {
              let from =
                ((image * depth.input + depth.start(z) + zTap * depth.dilation) * height.input
                  + height.start(y) + yTap * height.dilation) * width.input + first
              for xTap in 0..<width.kernel {
                let tap = from + xTap * width.dilation
                for x in reached[xTap] {
                  target[unchecked: line + x] += source[unchecked: tap + x * width.stride]
                }
              }
              left -= width.output * width.kernel
              if left < 0 {
                try scratch.stopAtDeadline()
                left = 1 << 16
              }
            }
          }
          let taps =
            countsPadding
            ? Element(depth.paddedTaps(z)) * Element(height.paddedTaps(y))
            : Element(depth.taps(z).count * height.taps(y).count)
          for x in 0..<width.output {
            // Padding may be of any size: the product is no integer then.
            let count = taps * counts[x]
            target[unchecked: line + x] = count == 0 ? 0 : target[unchecked: line + x] / count
          }
        }
      }
    }
  }
}

@inline(__always)
private func norm<Element: FloatElement>(_ value: Element, _ power: Int) -> Element {
  power == 1 ? value : power == 2 ? value * value : Element.pow(value, Element(power))
}

@inline(__always)
private func root<Element: FloatElement>(_ sum: Element, _ power: Int) -> Element {
  power == 1 ? sum : power == 2 ? sum.squareRoot() : Element.pow(sum, 1 / Element(power))
}

enum GlobalPool: Sendable { case mean, largest, length }

/// One value for each channel's whole image.
struct GlobalPooling: FloatOperator {
  let kind: GlobalPool
  let power: Int
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    guard rank >= 2 else { throw OperatorError("shape \(input.shape) has no channels") }
    let length = try checkedShape(Array(input.shape.array[2...])).elementCount
    let shape = try checkedShape(
      [input.shape[0], input.shape[1]] + [Int](repeating: 1, count: rank - 2))
    guard length > 0 || shape.elementCount == 0 else {
      throw OperatorError("the images of \(input.shape) are empty")
    }
    var output = try scratch.memory(0, shape)
    do {
      let source = input.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      for image in target.indices {
        let values = source.extracting((image * length)..<((image + 1) * length))
        switch kind {
        case .mean: target[image] = sum(of: values) { $0 } / Element(length)
        case .length:
          target[image] = root(sum(of: values) { norm($0.magnitude, power) }, power)
        case .largest:
          var best = values[0]
          for index in 1..<length where values[index] > best { best = values[index] }
          target[image] = best
        }
      }
    }
    scratch.give(0, output)
  }
}

/// The sum of `body` of each value, in an order that depends on their count alone.
@inline(__always)
func sum<Element: FloatElement>(
  of values: Span<Element>, _ body: (Element) -> Element
) -> Element {
  var (a, b, c, d) = (Element.nothing, Element.nothing, Element.nothing, Element.nothing)
  var (e, f, g, h) = (a, b, c, d)
  var index = 0
  // Unchecked: eight values are there each time.
  while index + 8 <= values.count {
    a += body(values[unchecked: index])
    b += body(values[unchecked: index + 1])
    c += body(values[unchecked: index + 2])
    d += body(values[unchecked: index + 3])
    e += body(values[unchecked: index + 4])
    f += body(values[unchecked: index + 5])
    g += body(values[unchecked: index + 6])
    h += body(values[unchecked: index + 7])
    index += 8
  }
  var total = ((a + e) + (c + g)) + ((b + f) + (d + h))
  while index < values.count {
    total += body(values[unchecked: index])
    index += 1
  }
  return total
}
