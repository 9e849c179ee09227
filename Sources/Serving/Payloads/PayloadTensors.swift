internal import Documents
internal import Executors
internal import Tensors

// Bodies of whole tensors: nested lists.

extension PayloadDecoder {
  /// The one input that a model must have and that is no table; those it may have stay out.
  func readNestedOnly(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    let inputs = signature.inputs
    let required = inputs.indices.filter { inputs.count == 1 || inputs[$0].isRequired }
    guard required.count == 1 else {
      throw scanner.fault(
        "is a list, but the model has several inputs; send an object with "
          + listed(inputs.map(\.name)))
    }
    var tensors = [Tensor?](repeating: nil, count: inputs.count)
    tensors[required[0]] = try readNested(&scanner, for: inputs[required[0]])
    return tensors
  }

  /// A list of lists, as deep as the tensor has dimensions; its shape is read off it.
  func readNested(
    _ scanner: inout PayloadScanner, for input: ModelInput
  ) throws(PayloadFault) -> Tensor {
    _ = scanner.peek()
    let start = scanner.position
    var builder = InputBuilder(
      input.elementType, capacity: 64, bodyByteCount: scanner.text.count)
    var dimensions: [Int?] = []
    var index = 0
    try readNested(&scanner, depth: 0, &dimensions, into: &builder, at: &index)
    let shape = try self.shape(dimensions.map { $0 ?? 0 }, at: start)
    guard input.accepts(shape) else {
      throw PayloadFault(
        offset: start,
        reason: "has shape \(shape); input '\(input.name)' takes \(shapeText(input.shape))")
    }
    guard let tensor = builder.tensor(shape) else {
      throw PayloadFault(offset: start, reason: "has lists of different sizes")
    }
    return tensor
  }

  /// `dimensions` holds the sizes found so far, from the outside; the first list of a depth
  /// fixes it for all others.
  func readNested(
    _ scanner: inout PayloadScanner, depth: Int, _ dimensions: inout [Int?],
    into builder: inout InputBuilder, at index: inout Int
  ) throws(PayloadFault) {
    guard scanner.peek() == UInt8(ascii: "[") else {
      guard depth == dimensions.count || dimensions.isEmpty && depth == 0 else {
        throw scanner.unexpected("a list: the rows before are nested \(dimensions.count) deep")
      }
      try readCell(&scanner, into: &builder, at: index)
      index += 1
      return
    }
    let start = scanner.position
    guard depth < Shape.maxRank else {
      throw scanner.fault("is nested deeper than the \(Shape.maxRank) dimensions a tensor can have")
    }
    if depth == dimensions.count {
      // Numbers have been seen at this depth already: a list cannot stand beside them.
      guard index == 0 else { throw scanner.unexpected("a value, as those before it") }
      dimensions.append(nil)
    }
    var count = 0
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list") {
      repeat {
        try readNested(
          &scanner, depth: depth + 1, &dimensions, into: &builder, at: &index)
        count += 1
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    if let expected = dimensions[depth], expected != count {
      try scanner.note(
        PayloadFault(
          offset: start,
          reason: "has \(count) elements; expected \(expected), as the lists before it"))
      builder.isBroken = true
      return
    }
    dimensions[depth] = count
  }

  func shape(_ dimensions: [Int], at position: Int) throws(PayloadFault) -> Shape {
    do {
      return try Shape(checking: dimensions)
    } catch {
      throw PayloadFault(offset: position, reason: "\(error)")
    }
  }

  /// The shape of a table, without an array in between.
  func shape(rows: Int, columns: Int, at position: Int) throws(PayloadFault) -> Shape {
    do {
      return try Shape(rows: rows, columns: columns)
    } catch {
      throw PayloadFault(offset: position, reason: "\(error)")
    }
  }
}
