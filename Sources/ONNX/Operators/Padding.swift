import Executors
import Tensors

extension OperatorTable {
  static let padding: [OperatorDefinition] = [
    OperatorDefinition(
      "Pad", [2, 11, 13, 18, 19, 21, 23, 24, 25], all, others: [.int64, .same, .index], maxInputs: 4
    ) {
      context throws(ModelFormatError) in
      let type = try context.type(0)
      let mode: Pad.Mode
      switch try context.string("mode") ?? "constant" {
      case "constant": mode = .constant
      case "reflect": mode = .reflect
      case "edge": mode = .edge
      case "wrap" where context.version >= 19: mode = .wrap
      case let other: throw context.malformed("mode is '\(other)'")
      }
      guard context.version < 11 else {
        return BuiltOperator(Pad(mode: mode, pads: nil, value: nil), type)
      }
      guard floats.contains(type), let pads = try context.integers("pads") else {
        throw context.malformed("version 2 takes floating point and the attribute 'pads'")
      }
      let value = try context.float("value") ?? 0
      let tensor =
        type == .float64
        ? Tensor([Double(value)], shape: Shape()) : Tensor([value], shape: Shape())
      return BuiltOperator(Pad(mode: mode, pads: pads, value: tensor), type)
    }
  ]
}

/// Adds elements at both ends of axes, or, where a pad is negative, takes some away first.
struct Pad: Operator {
  enum Mode: Sendable { case constant, reflect, edge, wrap }

  let mode: Mode
  /// Nil: pads, value and axes are inputs.
  let pads: [Int]?
  let value: Tensor?

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let rank = input.shape.rank
    var pads = pads ?? []
    var axes = Array(0..<rank)
    var value = value
    if self.pads == nil {
      pads = try scratch.integers(1) ?? []
      value = scratch.optionalInput(2) ?? Tensor(input.elementType, shape: Shape())
      if let given = try scratch.integers(3) {
        axes = try given.map { axis throws(OperatorError) in try checkedAxis(axis, rank: rank) }
      }
    }
    guard let value, value.shape.elementCount == 1, pads.count == 2 * axes.count,
      Set(axes).count == axes.count
    else { throw OperatorError("\(pads.count) pads for axes \(axes)") }
    // The output's size before any map of it.
    var sizes = input.shape.array
    for (index, axis) in axes.enumerated() {
      let (some, overflows) = sizes[axis].addingReportingOverflow(pads[index])
      let (all, overflowsToo) = some.addingReportingOverflow(pads[index + axes.count])
      guard !overflows, !overflowsToo, all >= 0 else {
        throw OperatorError(
          "pads of \(pads[index]) and \(pads[index + axes.count]) for \(sizes[axis]) places")
      }
      sizes[axis] = all
    }
    let shape = try checkedShape(sizes)
    var writer = try scratch.writer(0, shape)
    var maps = (0..<rank).map { AxisMap(size: input.shape[$0]) }
    for (index, axis) in axes.enumerated() {
      maps[axis] = try AxisMap(
        size: input.shape[axis], before: pads[index], after: pads[index + axes.count], mode: mode)
    }
    if shape.elementCount > 0 { try write(input, value, maps, to: &writer, scratch) }
    scratch.give(0, writer.finish())
  }

  /// Line after line: the last axis in runs, the others place by place.
  private func write(
    _ input: Tensor, _ value: Tensor, _ maps: [AxisMap], to writer: inout ElementWriter,
    _ scratch: ONNXScratch
  ) throws(OperatorError) {
    // Axes behind the last one that is padded are elements of its places.
    var maps = maps
    var inner = 1
    while maps.count > 1, let last = maps.last, last.isWhole {
      inner *= last.size
      maps.removeLast()
    }
    guard let last = maps.last else {
      writer.append(from: input, start: 0, count: 1)
      return
    }
    let strides = rowMajorStrides(input.shape)
    let outer = maps.dropLast()
    var index = [Int](repeating: 0, count: outer.count)
    var line = 0
    while true {
      line += 1
      if line & 255 == 0 { try scratch.stopAtDeadline() }
      var start: Int? = 0
      for axis in outer.indices {
        guard let known = start, let place = maps[axis].source(index[axis]) else {
          start = nil
          break
        }
        start = known + place * strides[axis]
      }
      if let start {
        for run in last.runs {
          guard let first = run.first else {
            writer.append(from: value, start: 0, stride: 0, count: run.count * inner)
            continue
          }
          let from = start + first * inner
          if inner == 1 {
            writer.append(from: input, start: from, stride: run.step, count: run.count)
          } else {
            writer.append(
              from: input, start: from, rows: run.count, rowStride: run.step * inner, stride: 1,
              count: inner)
          }
        }
      } else {
        writer.append(from: value, start: 0, stride: 0, count: last.size * inner)
      }
      var axis = outer.count - 1
      while axis >= 0 {
        index[axis] += 1
        if index[axis] < maps[axis].size { break }
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}

/// Where each place of a padded axis comes from.
private struct AxisMap {
  /// `count` places from `first` on, each `step` after the one before; nil: the constant.
  struct Run {
    var first: Int?
    var step: Int
    var count: Int
  }

  private(set) var runs: [Run] = []
  private(set) var size: Int
  /// Nothing is put before, behind or away.
  var isWhole: Bool {
    runs.count == 1 && runs[0].first == 0 && runs[0].step == 1 && runs[0].count == size
  }

  init(size: Int) {
    self.size = size
    runs = [Run(first: 0, step: 1, count: size)]
  }

  init(size: Int, before: Int, after: Int, mode: Pad.Mode) throws(OperatorError) {
    let limit = 1 << 40
    guard abs(before.clamped(limit)) < limit, abs(after.clamped(limit)) < limit else {
      throw OperatorError("pads of \(before) and \(after)")
    }
    // What is cut off is gone before anything is repeated, as in ONNX Runtime.
    let first = max(0, -before)
    let kept = size - first - max(0, -after)
    guard kept >= 0 else {
      throw OperatorError("pads of \(before) and \(after) for \(size) places")
    }
    self.size = size + before + after
    let (before, after) = (max(0, before), max(0, after))
    let middle = Run(first: first, step: 1, count: kept)
    switch mode {
    case .constant:
      runs = [
        Run(first: nil, step: 0, count: before), middle, Run(first: nil, step: 0, count: after),
      ]
    case .edge:
      guard kept > 0 || before + after == 0 else { throw OperatorError("nothing to repeat") }
      runs = [
        Run(first: first, step: 0, count: before), middle,
        Run(first: first + kept - 1, step: 0, count: after),
      ]
    case .reflect:
      guard before < max(kept, 1), after < max(kept, 1) else {
        throw OperatorError("pads of \(before) and \(after) reflect only \(kept) places")
      }
      runs = [
        Run(first: first + before, step: -1, count: before), middle,
        Run(first: first + kept - 2, step: -1, count: after),
      ]
    case .wrap:
      guard kept > 0 || before + after == 0 else { throw OperatorError("nothing to repeat") }
      // Each repetition is a run, and runs are outside of the memory that is counted.
      let (repeated, overflows) = before.addingReportingOverflow(after)
      guard !overflows, repeated / max(kept, 1) < 1 << 16 else {
        throw OperatorError("pads of \(before) and \(after) for \(kept) places")
      }
      var left = kept + before + after
      var place = kept == 0 ? 0 : (kept - before % kept) % kept
      while left > 0 {
        let count = min(left, kept - place)
        runs.append(Run(first: first + place, step: 1, count: count))
        left -= count
        place = 0
      }
    }
    runs.removeAll { $0.count == 0 }
  }

  /// Nil: the constant.
  func source(_ place: Int) -> Int? {
    var left = place
    for run in runs {
      if left < run.count { return run.first.map { $0 + left * run.step } }
      left -= run.count
    }
    return nil
  }
}

extension Int {
  fileprivate func clamped(_ limit: Int) -> Int { Swift.min(Swift.max(self, -limit), limit) }
}
