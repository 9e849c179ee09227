import Executors
import Tensors

extension OperatorTable {
  static let bitwise: [OperatorDefinition] =
    ([
      ("BitwiseAnd", Bitwise.and), ("BitwiseOr", .or), ("BitwiseXor", .xor),
    ] as [(String, Bitwise)]).map { name, kind in
      OperatorDefinition(name, [18], integers, others: [.same], minInputs: 2, maxInputs: 2) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(BitwiseOperator(kind: kind, type: type), type)
      }
    }
    + [
      OperatorDefinition("BitwiseNot", [18], integers) { context throws(ModelFormatError) in
        let type = try context.type(0)
        return BuiltOperator(BitwiseOperator(kind: .not, type: type), type)
      },
      OperatorDefinition(
        "BitShift", [11, 28], integers, others: [.same], minInputs: 2, maxInputs: 2
      ) {
        context throws(ModelFormatError) in
        let type = try context.type(0)
        guard let direction = try context.string("direction"),
          ["LEFT", "RIGHT"].contains(direction)
        else { throw context.malformed("its direction is neither LEFT nor RIGHT") }
        // What a negative distance means is not said.
        guard [.uint8, .uint16, .uint32, .uint64].contains(type) else {
          throw context.unsupported("element type \(type.name) is not run")
        }
        return BuiltOperator(
          BitwiseOperator(kind: direction == "LEFT" ? .left : .right, type: type), type)
      },
    ]
}

enum Bitwise: Sendable { case and, or, xor, not, left, right }

struct BitwiseOperator: IntegerOperator {
  let kind: Bitwise
  let type: ElementType

  func run<Element: NumberElement & FixedWidthInteger>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    switch kind {
    case .and: try broadcast(scratch) { (a: Element, b: Element) in a & b }
    case .or: try broadcast(scratch) { (a: Element, b: Element) in a | b }
    case .xor: try broadcast(scratch) { (a: Element, b: Element) in a ^ b }
    case .not: try map(scratch) { (a: Element) in ~a }
    // A distance of the type's width and more leaves nothing: Swift's own shifts say so.
    case .left: try broadcast(scratch) { (a: Element, b: Element) in a << b }
    case .right: try broadcast(scratch) { (a: Element, b: Element) in a >> b }
    }
  }
}
