internal import Documents
internal import Executors
internal import Tensors

// Bodies of whole tensors: nested lists, and the Open Inference Protocol's named tensors.

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
  private func readNested(
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
      throw PayloadFault(
        offset: start,
        reason: "has \(count) elements; expected \(expected), as the lists before it")
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

  // MARK: Open Inference Protocol

  /// `[{"name", "shape", "datatype", "data"}, …]`. Source: `WIRE.md` §2.1.
  func readNamedTensors(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var tensors = [Tensor?](repeating: nil, count: signature.inputs.count)
    var names: [String] = []
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of inputs") {
      repeat {
        _ = scanner.peek()
        let inputPosition = scanner.position
        let (index, tensor) = try readNamedTensor(&scanner)
        let name = signature.inputs[index].name
        guard tensors[index] == nil else {
          throw scanner.fault("is input '\(name)' a second time", at: inputPosition)
        }
        names.append(name)
        tensors[index] = tensor
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    let missing = signature.inputs.indices.filter {
      tensors[$0] == nil && signature.inputs[$0].isRequired
    }.map { signature.inputs[$0].name }
    guard missing.isEmpty else {
      throw PayloadFault(
        offset: start,
        reason: "expected \(signature.inputs.count) inputs but got \(names.count); got "
          + "\(listed(names)), missing \(listed(missing))")
    }
    return tensors
  }

  private func readNamedTensor(
    _ scanner: inout PayloadScanner
  ) throws(PayloadFault) -> (index: Int, tensor: Tensor) {
    let start = scanner.position
    var name: String?
    var dimensions: [Int]?
    var datatype: (text: String, position: Int)?
    var dataPosition: Int?
    var shapePosition = start
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an input (an object)") {
      repeat {
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        let position = scanner.position
        switch key {
        case "name": name = try scanner.string()
        case "datatype": datatype = (try scanner.string(), position)
        case "shape":
          shapePosition = position
          dimensions = try readDimensions(&scanner)
        case "data":
          dataPosition = position
          try scanner.skipValue(depth: 3)
        default: try scanner.skipValue(depth: 3)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    let end = scanner.position
    guard let name, let dimensions, let datatype, let dataPosition else {
      throw scanner.fault("expected the members name, shape, datatype and data", at: start)
    }
    guard let index = signature.inputIndex(named: name) else {
      throw scanner.fault(
        "unexpected inference input '\(name)'; the model takes "
          + listed(signature.inputs.map(\.name)), at: start)
    }
    let input = signature.inputs[index]
    guard let type = ElementType(wireName: datatype.text) else {
      throw scanner.fault(
        "is '\(datatype.text)'; expected one of "
          + ElementType.allCases.map(\.wireName).joined(separator: ", "), at: datatype.position)
    }
    guard type == input.elementType else {
      throw scanner.fault(
        "inference input data-type is '\(datatype.text)', model expects "
          + "'\(input.elementType.wireName)' for '\(name)'", at: datatype.position)
    }
    let shape = try shape(dimensions, at: shapePosition)
    guard input.accepts(shape) else {
      throw scanner.fault(
        "unexpected shape for input '\(name)'. Expected \(shapeText(input.shape)), got \(shape)",
        at: shapePosition)
    }
    scanner.position = dataPosition
    // Rows without values cost an answer's memory and not a byte of the body.
    let mostRows = max(scanner.text.count, 1024)
    guard shape.elementCount > 0 || shape.array.allSatisfy({ $0 <= mostRows }) else {
      throw scanner.fault(
        "has no elements and a dimension over \(mostRows)", at: shapePosition)
    }
    var builder = InputBuilder(
      type, capacity: min(shape.elementCount, 1 << 16), bodyByteCount: scanner.text.count)
    var count = 0
    try readFlat(&scanner, depth: 0, into: &builder, count: &count)
    guard count == shape.elementCount else {
      throw scanner.fault(
        "has \(count) elements; shape \(shape) takes \(shape.elementCount)", at: dataPosition)
    }
    guard let tensor = builder.tensor(shape) else {
      throw scanner.fault("has \(count) elements; shape \(shape) takes another number")
    }
    scanner.position = end
    return (index, tensor)
  }

  /// Numbers in row-major order, however they are nested.
  private func readFlat(
    _ scanner: inout PayloadScanner, depth: Int, into builder: inout InputBuilder,
    count: inout Int
  ) throws(PayloadFault) {
    guard scanner.peek() == UInt8(ascii: "[") else {
      if depth == 0 { throw scanner.unexpected("a list") }
      try readCell(&scanner, into: &builder, at: count)
      count += 1
      return
    }
    guard depth < PayloadScanner.maxDepth - 4 else {
      throw scanner.fault("is nested deeper than \(PayloadScanner.maxDepth)")
    }
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list") {
      repeat {
        try readFlat(&scanner, depth: depth + 1, into: &builder, count: &count)
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
  }

  private func readDimensions(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Int] {
    var dimensions: [Int] = []
    guard try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of dimensions") else {
      return dimensions
    }
    repeat {
      _ = scanner.peek()
      let start = scanner.position
      guard let number = NumberScanner.scan(scanner.text, at: &scanner.position),
        number.isInteger, !number.isNegative, let dimension = Int(exactly: number.magnitude)
      else {
        scanner.position = start
        throw scanner.unexpected("a dimension: an integer from 0 on")
      }
      dimensions.append(dimension)
    } while try scanner.continues(until: UInt8(ascii: "]"))
    return dimensions
  }

  /// The names in an Open Inference Protocol request's `outputs`.
  func readOutputNames(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [String] {
    var names: [String] = []
    guard try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of outputs") else {
      return names
    }
    repeat {
      _ = scanner.peek()
      let start = scanner.position
      var name: String?
      if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an output (an object)") {
        repeat {
          let key = try scanner.string()
          try scanner.expect(UInt8(ascii: ":"), "':'")
          if key == "name" { name = try scanner.string() } else { try scanner.skipValue(depth: 3) }
        } while try scanner.continues(until: UInt8(ascii: "}"))
      }
      guard let name else { throw scanner.fault("expected the member name", at: start) }
      names.append(name)
    } while try scanner.continues(until: UInt8(ascii: "]"))
    return names
  }
}
