import Executors
import Tensors

extension OperatorTable {
  static let encoding: [OperatorDefinition] = [
    OperatorDefinition(
      "LabelEncoder", domain: "ai.onnx.ml", [1, 2, 4], [.string, .int64, .float32, .float64]
    ) { context throws(ModelFormatError) in
      context.version == 1 ? try firstLabelEncoder(&context) : try labelEncoder(&context)
    },
    OperatorDefinition("CategoryMapper", domain: "ai.onnx.ml", [1], [.string, .int64]) {
      context throws(ModelFormatError) in
      let strings = try context.strings("cats_strings") ?? []
      let integers = (try context.integers("cats_int64s") ?? []).map { Int64($0) }
      return try bothWays(strings, integers, &context)
    },
  ]

  /// Version 1: places in a list of strings, and back.
  private static func firstLabelEncoder(
    _ context: inout NodeContext
  ) throws(ModelFormatError) -> BuiltOperator {
    let strings = try context.strings("classes_strings") ?? []
    return try bothWays(strings, strings.indices.map { Int64($0) }, &context)
  }

  /// Strings to numbers or numbers to strings; the last of equal ones counts.
  private static func bothWays(
    _ strings: [String], _ integers: [Int64], _ context: inout NodeContext
  ) throws(ModelFormatError) -> BuiltOperator {
    let noString = try context.string("default_string") ?? "_Unused"
    let noInteger = Int64(try context.integer("default_int64") ?? -1)
    guard strings.count == integers.count else {
      throw context.malformed("\(strings.count) strings for \(integers.count) numbers")
    }
    let text = Tensor(strings: ByteStrings(strings + [noString]), shape: Shape(strings.count + 1))
    let numbers = Tensor(integers + [noInteger], shape: Shape(integers.count + 1))
    let isText = try context.type(0) == .string
    return BuiltOperator(
      Lookup(
        table: LookupTable(
          keys: isText ? text : numbers, count: strings.count, lastCounts: true, findsNaN: false),
        values: isText ? numbers : text), isText ? .int64 : .string)
  }

  private static func labelEncoder(
    _ context: inout NodeContext
  ) throws(ModelFormatError) -> BuiltOperator {
    let type = try context.type(0)
    let keys = try list("keys", &context)
    let values = try list("values", &context)
    guard keys.elementType == type else {
      throw context.malformed("its keys are \(keys.elementType.name) and its input \(type.name)")
    }
    let count = keys.shape.elementCount
    guard values.shape.elementCount == count else {
      throw context.malformed("\(count) keys for \(values.shape.elementCount) values")
    }
    let other = try fallback(values.elementType, &context)
    var writer = ElementWriter(
      reusing: Tensor(values.elementType, shape: Shape(0)), shape: Shape(count + 1))
    writer.append(from: values, start: 0, count: count)
    writer.append(from: other, start: 0, count: 1)
    return BuiltOperator(
      Lookup(
        table: LookupTable(
          keys: keys, count: count, lastCounts: false, findsNaN: context.version >= 4),
        values: writer.finish()), values.elementType)
  }

  /// The one of `…_strings`, `…_int64s`, `…_floats` and `…_tensor` that is given.
  private static func list(
    _ kind: String, _ context: inout NodeContext
  ) throws(ModelFormatError) -> Tensor {
    var found: [Tensor] = []
    if let strings = try context.strings("\(kind)_strings"), !strings.isEmpty {
      found.append(Tensor(strings: ByteStrings(strings), shape: Shape(strings.count)))
    }
    if let integers = try context.integers("\(kind)_int64s"), !integers.isEmpty {
      found.append(Tensor(integers.map { Int64($0) }, shape: Shape(integers.count)))
    }
    if let floats = try context.floats("\(kind)_floats"), !floats.isEmpty {
      found.append(Tensor(floats, shape: Shape(floats.count)))
    }
    if context.version >= 4, let tensor = try context.tensor("\(kind)_tensor") {
      let known: Set<ElementType> = [.string, .int64, .float32, .float64, .int16]
      guard known.contains(tensor.elementType) else {
        throw context.unsupported("\(kind)_tensor of \(tensor.elementType.name) is not run")
      }
      found.append(tensor)
    }
    guard found.count == 1 else {
      throw context.malformed("it has \(found.count) lists of \(kind); 1 is expected")
    }
    return found[0]
  }

  /// What a key that is not known becomes.
  private static func fallback(
    _ type: ElementType, _ context: inout NodeContext
  ) throws(ModelFormatError) -> Tensor {
    let string = try context.string("default_string")
    let integer = try context.integer("default_int64")
    let float = try context.float("default_float")
    if context.version >= 4, let tensor = try context.tensor("default_tensor") {
      guard tensor.elementType == type, tensor.shape.elementCount == 1 else {
        throw context.malformed(
          "default_tensor is \(tensor.elementType.name) of shape \(tensor.shape); one "
            + "\(type.name) is expected")
      }
      return tensor
    }
    switch type {
    case .string: return Tensor(strings: ByteStrings([string ?? "_Unused"]), shape: Shape(1))
    case .int64: return Tensor([Int64(integer ?? -1)], shape: Shape(1))
    case .int16: return Tensor([Int16(-1)], shape: Shape(1))
    case .float64: return Tensor([float.map { Double($0) } ?? -0.0], shape: Shape(1))
    default: return Tensor([float ?? -0.0], shape: Shape(1))
    }
  }
}

/// Where a key stands in a list.
struct LookupTable: Sendable {
  private var text: [ArraySlice<UInt8>: Int] = [:]
  private var integers: [Int64: Int] = [:]
  private var floats: [Double: Int] = [:]
  private var nan: Int?
  /// How many keys there are: the place behind them is that of what is not found.
  let count: Int

  /// - Parameters:
  ///   - keys: At least `count` elements, of a type that is looked up.
  ///   - lastCounts: Which of equal keys is found.
  init(keys: Tensor, count: Int, lastCounts: Bool, findsNaN: Bool) {
    self.count = count
    // From the end that does not count: what comes later replaces it.
    for index in 0..<count {
      let place = lastCounts ? index : count - 1 - index
      switch keys.elementType {
      case .string: text[ArraySlice(Array(keys.strings[place]))] = place
      case .int64: integers[LookupTable.element(place, of: keys)] = place
      case .float64: add(LookupTable.element(place, of: keys), place, findsNaN)
      case .float32: add(Double(LookupTable.element(place, of: keys) as Float), place, findsNaN)
      default: break
      }
    }
  }

  private static func element<Element: TensorElement>(
    _ place: Int, of tensor: Tensor
  ) -> Element {
    let values = tensor.values(as: Element.self)
    return values[place]
  }

  private mutating func add(_ key: Double, _ place: Int, _ findsNaN: Bool) {
    if !key.isNaN {
      floats[key] = place
    } else if findsNaN {
      nan = place
    }
  }

  /// Calls `body` with the place of each element.
  func forEachPlace(of tensor: Tensor, _ body: (Int) -> Void) throws(OperatorError) {
    switch tensor.elementType {
    case .string:
      let strings = tensor.strings
      for index in 0..<strings.count { body(text[strings[index]] ?? count) }
    case .int64:
      let values = tensor.values(as: Int64.self)
      for index in values.indices { body(integers[values[index]] ?? count) }
    case .float64:
      let values = tensor.values(as: Double.self)
      for index in values.indices { body(place(of: values[index])) }
    case .float32:
      let values = tensor.values(as: Float.self)
      for index in values.indices { body(place(of: Double(values[index]))) }
    default: throw OperatorError("a tensor of \(tensor.elementType.name) is not looked up")
    }
  }

  private func place(of key: Double) -> Int {
    (key.isNaN ? nan : floats[key]) ?? count
  }
}

/// Puts the value in the place of each key, and the last value where there is no such key.
struct Lookup: Operator {
  let table: LookupTable
  let values: Tensor

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    var writer = try scratch.writer(0, input.shape)
    try table.forEachPlace(of: input) { writer.append(from: values, start: $0, count: 1) }
    scratch.give(0, writer.finish())
  }
}
