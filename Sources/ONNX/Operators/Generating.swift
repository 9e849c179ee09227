import Executors
import Tensors

extension OperatorTable {
  static let generating: [OperatorDefinition] = [
    OperatorDefinition("ConstantOfShape", [9, 20, 21, 23, 24, 25], [.int64]) {
      context throws(ModelFormatError) in
      let value = try context.tensor("value") ?? Tensor([Float(0)], shape: Shape(1))
      guard value.shape.elementCount == 1 else {
        throw context.malformed("its value has shape \(value.shape); one element was expected")
      }
      return BuiltOperator(ConstantOfShape(value: value), value.elementType)
    },
    OperatorDefinition(
      "Range", [11, 27], floats.union([.int16, .int32, .int64]), others: [.same], minInputs: 3,
      maxInputs: 3
    ) {
      context throws(ModelFormatError) in
      // It says in which type half floats are summed, and those are not run.
      if context.version >= 27 { _ = try context.integer("stash_type") }
      let type = try context.type(0)
      return BuiltOperator(RangeOperator(type: type), type)
    },
  ]
}

struct ConstantOfShape: Operator {
  let value: Tensor

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let shape = try checkedShape(try scratch.integers(0) ?? [])
    var writer = try scratch.writer(0, shape)
    writer.append(from: value, start: 0, stride: 0, count: shape.elementCount)
    scratch.give(0, writer.finish())
  }
}

/// start, start + delta, … up to and without limit; each is the sum of the one before and delta.
struct RangeOperator: NumberOperator {
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    func scalar(_ index: Int) throws(OperatorError) -> Element {
      let tensor = try scratch.input(index)
      guard tensor.shape.elementCount == 1 else {
        throw OperatorError("input \(index) has shape \(tensor.shape); a scalar was expected")
      }
      return tensor.values(as: Element.self)[0]
    }
    let start = try scalar(0)
    let limit = try scalar(1)
    let delta = try scalar(2)
    guard delta != Element.nothing else { throw OperatorError("the delta is 0") }
    let steps = ((limit.asDouble - start.asDouble) / delta.asDouble).rounded(.up)
    guard steps < Double(scratch.maxBytes) else {
      throw OperatorError("a range of \(steps) elements")
    }
    let shape = try checkedShape([steps > 0 ? Int(steps) : 0])
    var output = try scratch.memory(0, shape)
    do {
      var target = output.mutableValues(as: Element.self)
      var value = start
      for index in target.indices {
        target[index] = value
        value = Element.sum(value, delta)
      }
    }
    scratch.give(0, output)
  }
}
