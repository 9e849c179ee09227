import Executors
import Tensors

extension OperatorTable {
  static let boxSelecting: [OperatorDefinition] = [
    OperatorDefinition(
      "NonMaxSuppression", [10, 11], [.float32],
      others: [.same, .int64, .one(of: [.float32]), .one(of: [.float32])], minInputs: 2,
      maxInputs: 5
    ) { context throws(ModelFormatError) in
      let form = try context.integer("center_point_box") ?? 0
      guard form == 0 || form == 1 else {
        throw context.malformed("center_point_box is \(form)")
      }
      return BuiltOperator(NonMaxSuppression(isCentered: form == 1), .int64)
    }
  ]
}

/// The best boxes of each class, without those that overlap a better one.
struct NonMaxSuppression: Operator {
  let isCentered: Bool

  private struct Box {
    var left: Float
    var top: Float
    var right: Float
    var bottom: Float
    var area: Float { (right - left) * (bottom - top) }
  }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let boxes = try scratch.input(0)
    let scores = try scratch.input(1)
    guard boxes.shape.rank == 3, boxes.shape[2] == 4, scores.shape.rank == 3,
      scores.shape[0] == boxes.shape[0], scores.shape[2] == boxes.shape[1]
    else {
      throw OperatorError("boxes of shape \(boxes.shape) and scores of \(scores.shape)")
    }
    let limit = max(0, try scratch.integers(2)?.first ?? 0)
    let overlap = try number(scratch, 3) ?? 0
    let least = try number(scratch, 4)
    guard overlap >= 0, overlap <= 1 else { throw OperatorError("iou_threshold is \(overlap)") }
    let count = boxes.shape[1]
    let corners = boxes.values(as: Float.self)
    let values = scores.values(as: Float.self)
    var found: [Int64] = []
    for batch in 0..<scores.shape[0] {
      for group in 0..<scores.shape[1] {
        try scratch.stopAtDeadline()
        let start = (batch * scores.shape[1] + group) * count
        var order: [Int] = []
        for index in 0..<count where least.map({ values[start + index] > $0 }) ?? true {
          order.append(index)
        }
        // The first of equals stays first.
        order.sort {
          values[start + $0] != values[start + $1]
            ? values[start + $0] > values[start + $1] : $0 < $1
        }
        var chosen: [Box] = []
        for (turn, index) in order.enumerated() {
          // Each candidate meets every chosen box.
          if turn & 255 == 255 { try scratch.stopAtDeadline() }
          if chosen.count >= limit { break }
          let box = box(corners, (batch * count + index) * 4)
          if chosen.contains(where: { share($0, box) > overlap }) { continue }
          chosen.append(box)
          found += [Int64(batch), Int64(group), Int64(index)]
        }
      }
    }
    scratch.give(0, Tensor(found, shape: try checkedShape(found.count / 3, 3)))
  }

  private func number(_ scratch: ONNXScratch, _ index: Int) throws(OperatorError) -> Float? {
    guard let tensor = scratch.optionalInput(index) else { return nil }
    guard tensor.shape.elementCount == 1 else {
      throw OperatorError("input \(index) has shape \(tensor.shape)")
    }
    return tensor.values(as: Float.self)[0]
  }

  private func box(_ corners: Span<Float>, _ start: Int) -> Box {
    let (a, b, c, d) = (corners[start], corners[start + 1], corners[start + 2], corners[start + 3])
    if isCentered {
      return Box(left: a - c / 2, top: b - d / 2, right: a + c / 2, bottom: b + d / 2)
    }
    return Box(left: min(b, d), top: min(a, c), right: max(b, d), bottom: max(a, c))
  }

  /// Intersection over union.
  private func share(_ one: Box, _ other: Box) -> Float {
    let width = min(one.right, other.right) - max(one.left, other.left)
    let height = min(one.bottom, other.bottom) - max(one.top, other.top)
    guard width > 0, height > 0, one.area > 0, other.area > 0 else { return 0 }
    let common = width * height
    return common / (one.area + other.area - common)
  }
}
