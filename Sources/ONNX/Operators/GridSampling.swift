import Executors
import Tensors

extension OperatorTable {
  static let gridSampling: [OperatorDefinition] = [
    OperatorDefinition(
      "GridSample", [16, 20, 22], floats, others: [.same], minInputs: 2, maxInputs: 2
    ) { context throws(ModelFormatError) in
      let mode: GridSample.Mode
      // Version 20 names the modes for any number of axes.
      switch (try context.string("mode") ?? "bilinear", context.version) {
      case ("nearest", _): mode = .nearest
      case ("bilinear", ..<20), ("linear", 20...): mode = .linear
      case ("bicubic", ..<20), ("cubic", 20...): mode = .cubic
      case ("bilinear", _) where !context.node.attributes.contains { $0.name == "mode" }:
        mode = .linear
      case (let other, _): throw context.malformed("mode is '\(other)'")
      }
      let padding: GridSample.Padding
      switch try context.string("padding_mode") ?? "zeros" {
      case "zeros": padding = .zeros
      case "border": padding = .border
      case "reflection": padding = .reflection
      case let other: throw context.malformed("padding_mode is '\(other)'")
      }
      let type = try context.type(0)
      return BuiltOperator(
        GridSample(
          mode: mode, padding: padding,
          alignsCorners: try context.integer("align_corners") ?? 0 != 0, type: type), type)
    }
  ]
}

/// The input's values at places that a grid names, from −1 to 1 along each axis.
struct GridSample: FloatOperator {
  enum Mode: Sendable { case nearest, linear, cubic }
  enum Padding: Sendable { case zeros, border, reflection }

  let mode: Mode
  let padding: Padding
  /// Whether −1 and 1 are the middles of the outer places, or their edges.
  let alignsCorners: Bool
  let type: ElementType

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let input = try scratch.input(0)
    let grid = try scratch.input(1)
    let axes = input.shape.rank - 2
    guard axes == 2 || axes == 3, grid.shape.rank == input.shape.rank,
      grid.shape[axes + 1] == axes, grid.shape[0] == input.shape[0]
    else { throw OperatorError("an input of \(input.shape) with a grid of \(grid.shape)") }
    guard mode != .cubic || axes == 2 else {
      throw OperatorError("cubic interpolation of \(axes) axes is not run")
    }
    let sizes = Array(input.shape.array[2...])
    let channels = input.shape[1]
    let shape = try checkedShape(
      [input.shape[0], channels] + Array(grid.shape.array[1..<(axes + 1)]))
    guard shape.elementCount == 0 || sizes.allSatisfy({ $0 > 0 }) else {
      throw OperatorError("the images of \(input.shape) are empty")
    }
    var output = try scratch.memory(0, shape)
    if shape.elementCount > 0 {
      let source = input.values(as: Element.self)
      let places = grid.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      let count = shape.elementCount / (input.shape[0] * channels)
      let imageSize = sizes.reduce(1, *)
      var taps = [AxisTaps<Element>](repeating: AxisTaps(places: [0], weights: [1]), count: 3)
      for sample in 0..<input.shape[0] {
        for place in 0..<count {
          if channels > 256 || place & 63 == 0 { try scratch.stopAtDeadline() }
          // The grid names the last axis first.
          for axis in 0..<axes {
            let value = places[(sample * count + place) * axes + axis]
            taps[2 - axis] = self.taps(value, size: sizes[axes - 1 - axis])
          }
          for channel in 0..<channels {
            let image = (sample * channels + channel) * imageSize
            let (height, width) = (sizes[axes - 2], sizes[axes - 1])
            target[(sample * channels + channel) * count + place] = weighted(taps[0]) { z in
              weighted(taps[1]) { y in
                weighted(taps[2]) { x in
                  z < 0 || y < 0 || x < 0 ? 0 : source[image + (z * height + y) * width + x]
                }
              }
            }
          }
        }
      }
    }
    scratch.give(0, output)
  }

  /// Places along one axis, −1 for one outside, and their weights.
  private struct AxisTaps<Element: FloatElement> {
    var places: [Int]
    var weights: [Element]
  }

  @inline(__always)
  private func weighted<Element: FloatElement>(
    _ taps: AxisTaps<Element>, _ value: (Int) -> Element
  ) -> Element {
    var sum = taps.weights[0] * value(taps.places[0])
    for index in 1..<max(taps.places.count, 1) {
      sum += taps.weights[index] * value(taps.places[index])
    }
    return sum
  }

  private func taps<Element: FloatElement>(_ value: Element, size: Int) -> AxisTaps<Element> {
    let count = Element(size)
    let low: Element = alignsCorners ? 0 : -0.5
    let high = alignsCorners ? count - 1 : count - 0.5
    var place =
      alignsCorners
      ? (value + 1) / 2 * (count - 1) : ((value + 1) * count - 1) / 2
    if mode == .nearest { place = place.rounded(.toNearestOrEven) }
    if place < low || place > high {
      switch padding {
      case .zeros: break
      // A cubic's taps are moved to the border one by one.
      case .border where mode == .cubic: break
      case .border: place = min(max(place, 0), count - 1)
      case .reflection: place = reflected(place, low, high)
      }
    }
    let first = place.rounded(.down)
    let rest = place - first
    let start = whole(first)
    switch mode {
    case .nearest:
      return AxisTaps(places: [inside(whole(place), size, low, high)], weights: [1])
    case .linear:
      return AxisTaps(
        places: [inside(start, size, low, high), inside(start + 1, size, low, high)],
        weights: [first + 1 - place, rest])
    case .cubic:
      let steepness: Element = -0.75
      func far(_ x: Element) -> Element {
        ((steepness * x - 5 * steepness) * x + 8 * steepness) * x - 4 * steepness
      }
      func near(_ x: Element) -> Element {
        ((steepness + 2) * x - (steepness + 3)) * x * x + 1
      }
      return AxisTaps(
        places: (-1...2).map { inside(start + $0, size, low, high) },
        weights: [far(rest + 1), near(rest), near(1 - rest), far(2 - rest)])
    }
  }

  /// The place to read; −1 where there is nothing.
  private func inside<Element: FloatElement>(
    _ place: Int, _ size: Int, _ low: Element, _ high: Element
  ) -> Int {
    if place >= 0, place < size { return place }
    switch padding {
    case .zeros: return -1
    case .border: return min(max(place, 0), size - 1)
    case .reflection:
      return min(max(whole(reflected(Element(place), low, high)), 0), size - 1)
    }
  }

  private func reflected<Element: FloatElement>(
    _ place: Element, _ low: Element, _ high: Element
  ) -> Element {
    let range = high - low
    // One place has nothing to be reflected into.
    guard range > 0, place.isFinite else { return low }
    let beyond = place < low ? low - place : place > high ? place - high : -1
    if beyond < 0 { return place }
    let times = (beyond / range).rounded(.towardZero)
    let rest = beyond - times * range
    let turnsBack = times.truncatingRemainder(dividingBy: 2) == 0
    return (place < low) == turnsBack ? low + rest : high - rest
  }

  /// A grid may hold anything: what is far outside stays outside.
  private func whole<Element: FloatElement>(_ value: Element) -> Int {
    value > -1e9 ? (value < 1e9 ? Int(value) : 1_000_000_000) : -1_000_000_000
  }
}
