internal import Executors
internal import Tensors

extension PayloadDecoder {
  /// A body that is the one input's bytes: its shape follows from the model and their number, with
  /// one row where the model takes rows. All outputs are binary. Source: `WIRE.md` §2.2.
  func decodeRaw(
    _ body: Span<UInt8>, _ call: InferenceCall
  ) throws(ScoringError) -> DecodedRequest {
    guard signature.inputs.count == 1 else {
      throw .badInput(
        "Raw request must only have 1 input (found 1) to be deduced but got "
          + "\(signature.inputs.count) inputs in '\(call.modelName)' model configuration")
    }
    let input = signature.inputs[0]
    var dimensions = input.shape
    if let first = dimensions.first, first == nil { dimensions[0] = 1 }
    guard dimensions.filter({ $0 == nil }).count <= 1 else {
      throw .badInput(
        "The shape of the raw input '\(input.name)' can not be deduced because there are more "
          + "than one variable-sized dimension")
    }
    let shape = try rawShape(input, dimensions, byteCount: body.count)
    var request = DecodedRequest(form: .inferenceProtocol, inputs: [nil])
    request.binaryByDefault = true
    if input.elementType == .string {
      var strings = ByteStrings()
      body.withUnsafeBufferPointer { strings.append($0) }
      request.inputs[0] = Tensor(strings: strings, shape: shape)
      return request
    }
    switch BinaryTensor.read(body, input.elementType, shape) {
    case .tensor(let tensor): request.inputs[0] = tensor
    case .size(let expected):
      throw .badInput(
        "input byte size mismatch for input '\(input.name)' for model '\(call.modelName)'. "
          + "Expected \(expected), got \(body.count)")
    case .content(let reason):
      throw .badInput("the bytes of input '\(input.name)': \(reason)")
    }
    return request
  }

  private func rawShape(
    _ input: ModelInput, _ dimensions: [Int?], byteCount: Int
  ) throws(ScoringError) -> Shape {
    if input.elementType == .string {
      guard dimensions.allSatisfy({ $0 == nil || $0 == 1 }) else {
        throw .badInput(
          "For BYTE datatype raw input '\(input.name)', the model must have input shape [1]")
      }
      return try shape(of: dimensions.map { $0 ?? 1 }, input)
    }
    // Checked when the model was loaded: its fixed dimensions multiply to a number of elements.
    let known = try shape(of: dimensions.map { $0 ?? 1 }, input).elementCount
    let elementCount = byteCount / input.elementType.byteSize
    let deduced = known == 0 ? 0 : elementCount / known
    return try shape(of: dimensions.map { $0 ?? deduced }, input)
  }

  private func shape(of dimensions: [Int], _ input: ModelInput) throws(ScoringError) -> Shape {
    do throws(TensorError) {
      return try Shape(checking: dimensions)
    } catch {
      throw .badInput("input '\(input.name)': \(error)")
    }
  }
}
