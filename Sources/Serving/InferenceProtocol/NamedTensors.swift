internal import Documents
internal import Executors
internal import Tensors

/// What the reading of named tensors carries from one to the next.
struct TensorContext {
  /// The name that the request has for the model; nil where it has none.
  var model: String?
  /// How much of the bytes behind the JSON is taken.
  var nextByte = 0
  /// Whether an input could not be read that may have taken some of them.
  var isUncertain = false

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
  /// Whether a member could not be read: told already.
  var isBroken = false
}

/// What has been read of a list of inputs.
private struct NamedTensors {
  var tensors: [Tensor?]
  /// Where each of the model's inputs is; nil for one that the request does not name.
  var positions: [Int?]
  /// The names of those, in the request's order.
  var names: [String] = []
  /// Names that the model does not have.
  var unknownNames: [String] = []
  /// Whether there is one without a name.
  var hasNameless = false

  init(_ signature: ModelSignature) {
    tensors = [Tensor?](repeating: nil, count: signature.inputs.count)
    positions = [Int?](repeating: nil, count: signature.inputs.count)
  }
}

extension PayloadDecoder {
  /// `[{"name", "shape", "datatype", "data"}, …]`, where `data` may be bytes of `tail` in place of
  /// JSON. Source: `WIRE.md` §2.1, §2.2.
  func readNamedTensors(
    _ scanner: inout PayloadScanner, tail: Span<UInt8>, _ context: inout TensorContext
  ) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var found = NamedTensors(signature)
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of inputs") {
      repeat {
        _ = scanner.peek()
        let inputPosition = scanner.position
        do throws(PayloadFault) {
          try readNamedTensor(&scanner, tail: tail, &context, into: &found)
        } catch {
          found.hasNameless = true
          context.isUncertain = true
          try scanner.pass(over: inputPosition, error, depth: 2)
        }
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    try refuseMissing(found, &scanner, context, at: start)
    for fault in rowFaults(found.tensors, at: found.positions, forModel: context.model) {
      try scanner.note(fault)
    }
    return found.tensors
  }

  private func refuseMissing(
    _ found: NamedTensors, _ scanner: inout PayloadScanner, _ context: TensorContext, at start: Int
  ) throws(PayloadFault) {
    // One without a name may be any of them.
    if found.hasNameless { return }
    let known = signature.inputs.map(\.name)
    // Named by a name that is nearly theirs: told already.
    let meant = found.unknownNames.compactMap { NameDistance.nearest(to: $0, in: known) }
    let missing = signature.inputs.indices.filter {
      found.positions[$0] == nil && signature.inputs[$0].isRequired && !meant.contains(known[$0])
    }.map { known[$0] }
    guard !missing.isEmpty else { return }
    try scanner.note(
      PayloadFault(
        offset: start,
        reason: "expected \(signature.inputs.count) inputs but got \(found.names.count) inputs"
          + "\(context.forModel). Got input(s) [\(quoted(found.names))], but missing required "
          + "input(s) [\(quoted(missing))]. Please provide all required input(s)."))
  }

  private func quoted(_ names: [String]) -> String {
    names.prefix(40).map { "'\($0)'" }.joined(separator: ",")
  }

  private func readNamedTensor(
    _ scanner: inout PayloadScanner, tail: Span<UInt8>, _ context: inout TensorContext,
    into found: inout NamedTensors
  ) throws(PayloadFault) {
    let head = try readHead(&scanner)
    let end = scanner.position
    // Taken whatever is wrong with the input, so that those behind it find their bytes.
    let firstByte = context.nextByte
    if let count = head.binaryByteCount, count <= tail.count - firstByte {
      context.nextByte += count
    } else if head.binaryByteCount != nil || head.isBroken {
      context.isUncertain = true
    }
    guard let name = head.name else {
      found.hasNameless = true
      return try refuseIncomplete(head, &scanner)
    }
    guard let index = signature.inputIndex(named: name) else {
      let known = signature.inputs.map(\.name)
      if found.unknownNames.count < PayloadDecoder.maxNamesTold { found.unknownNames.append(name) }
      return try scanner.note(
        scanner.fault(
          "unexpected inference input '\(name.prefix(80))'\(context.forModel); the model takes "
            + listed(known) + nearText(name, known), at: head.start))
    }
    guard found.positions[index] == nil else {
      return try scanner.note(
        scanner.fault(
          "input '\(name)' already exists in request: it is there a second time", at: head.start))
    }
    found.positions[index] = head.shapePosition
    found.names.append(name)
    if head.dimensions == nil || head.datatype == nil { try refuseIncomplete(head, &scanner) }
    let input = signature.inputs[index]
    // Whatever is wrong with one of them, the others are looked at too.
    var type: ElementType?
    if let datatype = head.datatype {
      type = try elementType(datatype, of: input, &scanner, context)
    }
    var shape: (read: Shape?, fits: Bool) = (nil, false)
    if let dimensions = head.dimensions {
      shape = try self.shape(dimensions, of: input, &scanner, context, at: head.shapePosition)
    }
    do throws(PayloadFault) {
      switch (head.dataPosition, head.binaryByteCount) {
      case (let position?, nil):
        guard let type, let read = shape.read else { break }
        scanner.position = position
        let tensor = try readData(&scanner, type, read, name)
        if shape.fits { found.tensors[index] = tensor }
      case (nil, let byteCount?):
        guard let type, let read = shape.read else { break }
        let tensor = try readBinary(
          byteCount, of: tail, from: firstByte, type, read, name, context, at: head.start)
        if shape.fits { found.tensors[index] = tensor }
      case (nil, nil) where head.isBroken: break
      case (nil, nil), (_?, _?):
        throw scanner.fault(
          "Input must set only one of the following fields: 'data', 'binary_data_size'; input "
            + "'\(name)' sets \(head.dataPosition == nil ? "none" : "both")", at: head.start)
      }
    } catch {
      try scanner.note(error)
    }
    // The head has been read to its end: what it holds is JSON.
    scanner.position = end
  }

  /// Notes that members are missing, where none is told to be no good already.
  private func refuseIncomplete(
    _ head: NamedTensorHead, _ scanner: inout PayloadScanner
  ) throws(PayloadFault) {
    if head.isBroken { return }
    try scanner.note(
      scanner.fault("expected the members name, shape, datatype and data", at: head.start))
  }

  /// The type that the model and the request agree on; nil where they do not.
  private func elementType(
    _ datatype: (text: String, position: Int), of input: ModelInput,
    _ scanner: inout PayloadScanner, _ context: TensorContext
  ) throws(PayloadFault) -> ElementType? {
    guard let type = ElementType(wireName: datatype.text) else {
      try scanner.note(
        scanner.fault(
          "is '\(datatype.text.prefix(80))'; expected one of "
            + ElementType.allCases.map(\.wireName).joined(separator: ", "), at: datatype.position))
      return nil
    }
    guard type == input.elementType else {
      try scanner.note(
        scanner.fault(
          "inference input data-type is '\(datatype.text)', model expects "
            + "'\(input.elementType.wireName)' for '\(context.model ?? input.name)'",
          at: datatype.position))
      return nil
    }
    return type
  }

  /// The shape that the request states, as far as there can be one, and whether the model takes it.
  private func shape(
    _ dimensions: [Int], of input: ModelInput, _ scanner: inout PayloadScanner,
    _ context: TensorContext, at position: Int
  ) throws(PayloadFault) -> (read: Shape?, fits: Bool) {
    let shape: Shape
    do throws(TensorError) {
      shape = try Shape(checking: dimensions)
    } catch {
      try scanner.note(
        scanner.fault(
          "shape \(wireText(dimensions)) of input '\(input.name)' cannot be: a tensor has at most "
            + "\(Shape.maxRank) dimensions, and none that causes total element count to exceed "
            + "maximum size of \(Int.max / 16)", at: position))
      return (nil, false)
    }
    guard input.accepts(shape) else {
      try scanner.note(
        scanner.fault(
          "unexpected shape for input '\(input.name)'\(context.forModel). Expected "
            + "\(wireText(input.shape.map { $0 ?? -1 })), got \(wireText(dimensions)).",
          at: position))
      return (shape, false)
    }
    // Rows without values cost an answer's memory and not a byte of the body.
    let mostRows = max(scanner.text.count, 1024)
    guard shape.elementCount > 0 || dimensions.allSatisfy({ $0 <= mostRows }) else {
      try scanner.note(
        scanner.fault("has no elements and a dimension over \(mostRows)", at: position))
      return (nil, false)
    }
    return (shape, true)
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
      do throws(PayloadFault) {
        try readMember(key, at: position, &scanner, into: &head)
      } catch {
        head.isBroken = true
        try scanner.pass(over: position, error, depth: 3)
      }
    } while try scanner.continues(until: UInt8(ascii: "}"))
    return head
  }

  private func readMember(
    _ key: String, at position: Int, _ scanner: inout PayloadScanner,
    into head: inout NamedTensorHead
  ) throws(PayloadFault) {
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
      // A number that is none of the common form costs a try.
      var triesLeft = 4
      repeat {
        if triesLeft > 0 {
          let taken = builder.takeNumbers(&scanner, at: count)
          count += taken
          if taken < 8 { triesLeft -= 1 }
        }
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

  /// The names in an Open Inference Protocol request's `outputs`; those of the model.
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
      guard let name else {
        try scanner.note(scanner.fault("expected the member name", at: start))
        continue
      }
      guard signature.outputIndex(named: name) != nil else {
        let known = signature.outputs.map(\.name)
        try scanner.note(
          scanner.fault(
            "unexpected inference output '\(name.prefix(80))'; the model gives \(listed(known))"
              + nearText(name, known), at: start))
        continue
      }
      names.append(name)
    } while try scanner.continues(until: UInt8(ascii: "]"))
    return names
  }
}

/// `[-1,16]`, as this protocol's clients know it.
func wireText(_ dimensions: [Int]) -> String {
  "[" + dimensions.prefix(16).map(String.init).joined(separator: ",") + "]"
}
