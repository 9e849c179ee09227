import Executors
import Tensors

extension OperatorTable {
  static let comparisons: [OperatorDefinition] =
    ([
      ("Equal", [7, 11, 13, 19], Comparison.equal, numbers.union([.bool, .string])),
      ("Less", [7, 9, 13], .less, numbers), ("Greater", [7, 9, 13], .greater, numbers),
      ("LessOrEqual", [12, 16], .lessOrEqual, numbers),
      ("GreaterOrEqual", [12, 16], .greaterOrEqual, numbers),
    ] as [(String, [Int], Comparison, Set<ElementType>)]).map { name, versions, kind, types in
      OperatorDefinition(name, versions, types, others: [.same], minInputs: 2, maxInputs: 2) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        return type == .string
          ? BuiltOperator(EqualStrings(), .bool)
          : BuiltOperator(ComparisonOperator(kind: kind, type: type), .bool)
      }
    }
    + ([("And", Logic.and), ("Or", .or), ("Xor", .xor)] as [(String, Logic)]).map { name, kind in
      OperatorDefinition(name, [7], [.bool], others: [.same], minInputs: 2, maxInputs: 2) {
        _ throws(ModelFormatError) in
        BuiltOperator(LogicOperator(kind: kind), .bool)
      }
    }
    + [
      OperatorDefinition("Not", [1], [.bool]) { _ throws(ModelFormatError) in
        BuiltOperator(Not(), .bool)
      },
      OperatorDefinition("Where", [9, 16], [.bool], others: [.any], minInputs: 3, maxInputs: 3) {
        context throws(ModelFormatError) in
        let type = try context.type(1)
        guard try context.type(2) == type else {
          throw context.malformed(
            "its inputs are \(type.name) and \(try context.type(2).name)")
        }
        return BuiltOperator(Where(type: type), type)
      },
    ]
}

enum Comparison: Sendable { case equal, less, greater, lessOrEqual, greaterOrEqual }

/// A comparison with NaN is false.
struct ComparisonOperator: NumberOperator {
  let kind: Comparison
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    // a > b is b < a: three loops for each type instead of five.
    let swaps = kind == .greater || kind == .greaterOrEqual
    let left = try scratch.input(swaps ? 1 : 0)
    let right = try scratch.input(swaps ? 0 : 1)
    let plan = try Broadcast(left.shape, right.shape)
    var output = try scratch.memory(0, plan.shape)
    switch kind {
    case .equal:
      combine(left, right, plan, into: &output) { (a: Element, b: Element) -> UInt8 in
        a == b ? 1 : 0
      }
    case .less, .greater:
      combine(left, right, plan, into: &output) { (a: Element, b: Element) -> UInt8 in
        a < b ? 1 : 0
      }
    case .lessOrEqual, .greaterOrEqual:
      combine(left, right, plan, into: &output) { (a: Element, b: Element) -> UInt8 in
        a <= b ? 1 : 0
      }
    }
    scratch.give(0, output)
  }
}

struct EqualStrings: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let left = try scratch.input(0)
    let right = try scratch.input(1)
    let plan = try Broadcast(left.shape, right.shape)
    var output = try scratch.memory(0, plan.shape)
    do {
      let a = left.strings
      let b = right.strings
      var target = output.mutableValues(as: UInt8.self)
      plan.forEachRun { out, i, iStep, j, jStep, count in
        for index in 0..<count {
          target[out + index] = a[i + index * iStep] == b[j + index * jStep] ? 1 : 0
        }
      }
    }
    scratch.give(0, output)
  }
}

enum Logic: Sendable { case and, or, xor }

struct LogicOperator: Operator {
  let kind: Logic

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    switch kind {
    case .and: try broadcast(scratch) { (a: UInt8, b: UInt8) in a & b }
    case .or: try broadcast(scratch) { (a: UInt8, b: UInt8) in a | b }
    case .xor: try broadcast(scratch) { (a: UInt8, b: UInt8) in a ^ b }
    }
  }
}

struct Not: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    try map(scratch) { (x: UInt8) in x ^ 1 }
  }
}

/// Input 1 where the condition holds, else input 2; all three stretch to one shape.
struct Where: Operator {
  let type: ElementType

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let condition = try scratch.input(0)
    let yes = try scratch.input(1)
    let no = try scratch.input(2)
    let shape = try Broadcast(
      try Broadcast(condition.shape, yes.shape).shape, no.shape
    ).shape
    guard let steps = stretchedStrides(from: condition.shape, to: shape),
      let yesSteps = stretchedStrides(from: yes.shape, to: shape),
      let noSteps = stretchedStrides(from: no.shape, to: shape)
    else {
      throw OperatorError(
        "shapes \(condition.shape), \(yes.shape) and \(no.shape) do not broadcast")
    }
    let walk = ThreeWayWalk(shape: shape, strides: [steps, yesSteps, noSteps])
    if type == .string {
      let answers = condition.values(as: UInt8.self)
      let left = yes.strings
      let right = no.strings
      var text = ByteStrings()
      walk.visit { c, i, j in text.append(answers[c] != 0 ? left[i] : right[j]) }
      scratch.give(0, Tensor(strings: text, shape: shape))
      return
    }
    var output = try scratch.memory(0, shape)
    switch type.byteSize {
    case 1 where type == .int8: choose(condition, yes, no, walk, into: &output, Int8.self)
    case 1: choose(condition, yes, no, walk, into: &output, UInt8.self)
    case 2 where type == .int16: choose(condition, yes, no, walk, into: &output, Int16.self)
    case 2 where type == .float16: choose(condition, yes, no, walk, into: &output, Float16.self)
    case 2: choose(condition, yes, no, walk, into: &output, UInt16.self)
    case 4 where type == .float32: choose(condition, yes, no, walk, into: &output, Float.self)
    case 4 where type == .int32: choose(condition, yes, no, walk, into: &output, Int32.self)
    case 4: choose(condition, yes, no, walk, into: &output, UInt32.self)
    case 8 where type == .float64: choose(condition, yes, no, walk, into: &output, Double.self)
    case 8 where type == .int64: choose(condition, yes, no, walk, into: &output, Int64.self)
    default: choose(condition, yes, no, walk, into: &output, UInt64.self)
    }
    scratch.give(0, output)
  }

  private func choose<Element: TensorElement>(
    _ condition: Tensor, _ yes: Tensor, _ no: Tensor, _ walk: ThreeWayWalk,
    into output: inout Tensor, _: Element.Type
  ) {
    let answers = condition.values(as: UInt8.self)
    let left = yes.values(as: Element.self)
    let right = no.values(as: Element.self)
    var target = output.mutableValues(as: Element.self)
    var place = 0
    walk.visit { c, i, j in
      target[place] = answers[c] != 0 ? left[i] : right[j]
      place += 1
    }
  }
}

/// Walks three stretched tensors while the result goes from first to last.
struct ThreeWayWalk {
  let shape: Shape
  let strides: [[Int]]

  @inline(__always)
  func visit(_ body: (Int, Int, Int) -> Void) {
    if shape.elementCount == 0 { return }
    if shape.rank == 0 { return body(0, 0, 0) }
    let last = shape.rank - 1
    let count = shape[last]
    let (aStep, bStep, cStep) = (strides[0][last], strides[1][last], strides[2][last])
    var index = [Int](repeating: 0, count: last)
    var (a, b, c) = (0, 0, 0)
    for _ in 0..<(shape.elementCount / count) {
      for step in 0..<count { body(a + step * aStep, b + step * bStep, c + step * cStep) }
      var axis = last - 1
      while axis >= 0 {
        index[axis] += 1
        a += strides[0][axis]
        b += strides[1][axis]
        c += strides[2][axis]
        if index[axis] < shape[axis] { break }
        a -= strides[0][axis] * shape[axis]
        b -= strides[1][axis] * shape[axis]
        c -= strides[2][axis] * shape[axis]
        index[axis] = 0
        axis -= 1
      }
    }
  }
}
