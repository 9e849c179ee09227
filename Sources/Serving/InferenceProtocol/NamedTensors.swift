internal import Documents
internal import Executors
internal import Tensors

/// What the reading of named tensors carries from one to the next.
struct TensorContext {
  /// The name that the request has for the model; nil where it has none.
  var model: String?
  /// How much of the bytes behind the JSON is taken.
  var nextByte = 0

  var forModel: String { model.map { " for model '\($0)'" } ?? "" }
}

/// The members of one input, and where they are.
private struct NamedTensorHead {
  var start: Int
  var name: String?
  var dimensions: [Int]?
  var datatype: (text: String, position: Int)?
  var dataPosition: Int?
  var binaryByteCount: Int?
  var shapePosition: Int
}

extension PayloadDecoder {
  /// `[{"name", "shape", "datatype", "data"}, …]`, where `data` may be bytes of `tail` in place of
  /// JSON. Source: `WIRE.md` §2.1, §2.2.
  func readNamedTensors(
    _ scanner: inout PayloadScanner, tail: Span<UInt8>, _ context: inout TensorContext
  ) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var tensors = [Tensor?](repeating: nil, count: signature.inputs.count)
    var names: [String] = []
    // What is missing cannot be told where an input could not be read.
    var hasFaults = false
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of inputs") {
      repeat {
        _ = scanner.peek()
        let inputPosition = scanner.position
        let index: Int
        let tensor: Tensor
        do throws(PayloadFault) {
          (index, tensor) = try readNamedTensor(&scanner, tail: tail, &context)
        } catch {
          try scanner.note(error)
          hasFaults = true
          scanner.position = inputPosition
          try scanner.skipValue(depth: 2)
          continue
        }
        let name = signature.inputs[index].name
        guard tensors[index] == nil else {
          throw scanner.fault(
            "input '\(name)' already exists in request: it is there a second time",
            at: inputPosition)
        }
        names.append(name)
        tensors[index] = tensor
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    let missing = signature.inputs.indices.filter {
      tensors[$0] == nil && signature.inputs[$0].isRequired
    }.map { signature.inputs[$0].name }
    guard missing.isEmpty || hasFaults else {
      throw PayloadFault(
        offset: start,
        reason: "expected \(signature.inputs.count) inputs but got \(names.count) inputs"
          + "\(context.forModel). Got input(s) [\(quoted(names))], but missing required input(s) "
          + "[\(quoted(missing))]. Please provide all required input(s).")
    }
    return tensors
  }

  private func quoted(_ names: [String]) -> String {
    names.prefix(40).map { "'\($0)'" }.joined(separator: ",")
  }

  private func readNamedTensor(
    _ scanner: inout PayloadScanner, tail: Span<UInt8>, _ context: inout TensorContext
  ) throws(PayloadFault) -> (index: Int, tensor: Tensor) {
    let head = try readHead(&scanner)
    let end = scanner.position
    // Taken whatever is wrong with the input, so that those behind it find their bytes.
    let firstByte = context.nextByte
    if let count = head.binaryByteCount, count <= tail.count - firstByte {
      context.nextByte += count
    }
    guard let name = head.name, let dimensions = head.dimensions, let datatype = head.datatype
    else {
      throw scanner.fault("expected the members name, shape, datatype and data", at: head.start)
    }
    guard let index = signature.inputIndex(named: name) else {
      let known = signature.inputs.map(\.name)
      throw scanner.fault(
        "unexpected inference input '\(name.prefix(80))'\(context.forModel); the model takes "
          + listed(known) + nearText(name, known), at: head.start)
    }
    let input = signature.inputs[index]
    guard let type = ElementType(wireName: datatype.text) else {
      throw scanner.fault(
        "is '\(datatype.text.prefix(80))'; expected one of "
          + ElementType.allCases.map(\.wireName).joined(separator: ", "), at: datatype.position)
    }
    guard type == input.elementType else {
      throw scanner.fault(
        "inference input data-type is '\(datatype.text)', model expects "
          + "'\(input.elementType.wireName)' for '\(context.model ?? name)'",
        at: datatype.position)
    }
    let shape: Shape
    do throws(TensorError) {
      shape = try Shape(checking: dimensions)
    } catch {
      throw scanner.fault(
        "shape \(wireText(dimensions)) of input '\(name)' cannot be: a tensor has at most "
          + "\(Shape.maxRank) dimensions, and none that causes total element count to exceed "
          + "maximum size of \(Int.max / 16)", at: head.shapePosition)
    }
    guard input.accepts(shape) else {
      throw scanner.fault(
        "unexpected shape for input '\(name)'\(context.forModel). Expected "
          + "\(wireText(input.shape.map { $0 ?? -1 })), got \(wireText(dimensions)).",
        at: head.shapePosition)
    }
    // Rows without values cost an answer's memory and not a byte of the body.
    let mostRows = max(scanner.text.count, 1024)
    guard shape.elementCount > 0 || dimensions.allSatisfy({ $0 <= mostRows }) else {
      throw scanner.fault(
        "has no elements and a dimension over \(mostRows)", at: head.shapePosition)
    }
    let tensor: Tensor
    switch (head.dataPosition, head.binaryByteCount) {
    case (let position?, nil):
      scanner.position = position
      tensor = try readData(&scanner, type, shape, name)
    case (nil, let byteCount?):
      tensor = try readBinary(
        byteCount, of: tail, from: firstByte, type, shape, name, context, at: head.start)
    case (nil, nil), (_?, _?):
      throw scanner.fault(
        "Input must set only one of the following fields: 'data', 'binary_data_size'; input "
          + "'\(name)' sets \(head.dataPosition == nil ? "none" : "both")", at: head.start)
    }
    scanner.position = end
    return (index, tensor)
  }

  private func readHead(_ scanner: inout PayloadScanner) throws(PayloadFault) -> NamedTensorHead {
    var head = NamedTensorHead(start: scanner.position, shapePosition: scanner.position)
    guard try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an input (an object)") else {
      return head
    }
    repeat {
      let key = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"), "':'")
      _ = scanner.peek()
      let position = scanner.position
      switch key {
      case "name": head.name = try scanner.string()
      case "datatype": head.datatype = (try scanner.string(), position)
      case "shape":
        head.shapePosition = position
        head.dimensions = try readDimensions(&scanner)
      case "data":
        head.dataPosition = position
        try scanner.skipValue(depth: 3)
      case "parameters": head.binaryByteCount = try readInputParameters(&scanner)
      default: try scanner.skipValue(depth: 3)
      }
    } while try scanner.continues(until: UInt8(ascii: "}"))
    return head
  }

  /// - Returns: `binary_data_size`; nil when it is not among them.
  private func readInputParameters(_ scanner: inout PayloadScanner) throws(PayloadFault) -> Int? {
    var byteCount: Int?
    if scanner.takes("null") { return nil }
    guard
      try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object of parameters")
    else { return nil }
    repeat {
      _ = scanner.peek()
      let start = scanner.position
      let name = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"), "':'")
      switch name {
      case "binary_data_size": byteCount = try readCount(&scanner, name)
      case "shared_memory_region":
        throw scanner.fault("shared memory is not served here", at: start)
      default: try scanner.skipValue(depth: 4)
      }
    } while try scanner.continues(until: UInt8(ascii: "}"))
    return byteCount
  }

  private func readData(
    _ scanner: inout PayloadScanner, _ type: ElementType, _ shape: Shape, _ name: String
  ) throws(PayloadFault) -> Tensor {
    let start = scanner.position
    guard type != .bfloat16 else {
      throw scanner.fault(
        "receiving BF16 data via JSON is not supported. Please use the binary data format for "
          + "input '\(name)'")
    }
    var builder = InputBuilder(
      type, capacity: min(shape.elementCount, 1 << 16), bodyByteCount: scanner.text.count)
    var count = 0
    try readFlat(&scanner, depth: 0, into: &builder, count: &count)
    guard count == shape.elementCount, let tensor = builder.tensor(shape) else {
      throw scanner.fault(
        "has \(count) elements; shape \(shape) takes \(shape.elementCount)", at: start)
    }
    return tensor
  }

  private func readBinary(
    _ byteCount: Int, of tail: Span<UInt8>, from firstByte: Int, _ type: ElementType,
    _ shape: Shape, _ name: String, _ context: TensorContext, at start: Int
  ) throws(PayloadFault) -> Tensor {
    guard byteCount <= tail.count - firstByte else {
      throw PayloadFault(
        offset: start,
        reason: "unexpected size for input '\(name)', expecting \(byteCount) additional bytes"
          + "\(context.forModel); \(tail.count - firstByte) came")
    }
    let end = firstByte + byteCount
    switch BinaryTensor.read(tail.extracting(firstByte..<end), type, shape) {
    case .tensor(let tensor): return tensor
    case .size(let expected):
      throw PayloadFault(
        offset: start,
        reason: "input byte size mismatch for input '\(name)'\(context.forModel). Expected "
          + "\(expected), got \(byteCount)")
    case .content(let reason):
      throw PayloadFault(
        offset: start, reason: "the bytes of input '\(name)'\(context.forModel): \(reason)")
    }
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

/// `[-1,16]`, as this protocol's clients know it.
func wireText(_ dimensions: [Int]) -> String {
  "[" + dimensions.prefix(16).map(String.init).joined(separator: ",") + "]"
}
