import Documents
import Executors
import Serving
import Tensors

/// `--input [NAME=]FILE`.
enum ScoreInputs {
  static func read(
    _ arguments: [String], for loaded: LoadedModel
  ) throws(CommandFailure) -> [Tensor?] {
    let signature = loaded.signature
    var inputs = [Tensor?](repeating: nil, count: signature.inputs.count)
    for argument in arguments {
      let (name, path) = split(argument, signature)
      guard let index = name.map({ signature.inputIndex(named: $0) }) ?? single(signature) else {
        let known = signature.inputs.map(\.name).joined(separator: ", ")
        throw CommandFailure(
          name.map { "the model has no input '\($0)'; it has \(known)" }
            ?? "--input \(argument): the model has several inputs; name one of \(known)")
      }
      inputs[index] = try tensor(path, for: signature.inputs[index], loaded)
    }
    for (index, input) in signature.inputs.enumerated()
    where inputs[index] == nil && input.isRequired {
      throw CommandFailure("input '\(input.name)' is missing; give --input \(input.name)=FILE")
    }
    return inputs
  }

  /// A name may hold '=' only if it is the model's own: `X=in.npy`.
  private static func split(
    _ argument: String, _ signature: ModelSignature
  ) -> (name: String?, path: String) {
    for input in signature.inputs where argument.hasPrefix(input.name + "=") {
      return (input.name, String(argument.dropFirst(input.name.count + 1)))
    }
    guard let equals = argument.firstIndex(of: "="), !LocalFile.exists(argument) else {
      return (nil, argument)
    }
    return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
  }

  private static func single(_ signature: ModelSignature) -> Int? {
    signature.inputs.count == 1 ? 0 : nil
  }

  private static func tensor(
    _ path: String, for input: ModelInput, _ loaded: LoadedModel
  ) throws(CommandFailure) -> Tensor {
    let bytes = try LocalFile.read(path)
    do {
      if path.hasSuffix(".json") {
        return try PayloadDecoder(loaded.signature).decodeTensor(bytes.span, for: input)
      }
      return try converted(try NPYFormat.read(bytes), to: input, path: path)
    } catch let failure as CommandFailure {
      throw failure
    } catch ScoringError.badInput(let sentence) {
      throw CommandFailure("\(path): \(sentence)")
    } catch {
      throw CommandFailure("\(path): \(error)")
    }
  }

  /// Numbers of another type are rounded once to the model's, as those of a request are.
  private static func converted(
    _ tensor: Tensor, to input: ModelInput, path: String
  ) throws(CommandFailure) -> Tensor {
    if tensor.elementType == input.elementType { return tensor }
    let numbers: [Double]?
    switch tensor.elementType {
    case .float32: numbers = doubles(tensor, Float.self) { Double($0) }
    case .float64: numbers = doubles(tensor, Double.self) { $0 }
    case .int32: numbers = doubles(tensor, Int32.self) { Double($0) }
    case .int64: numbers = doubles(tensor, Int64.self) { Double($0) }
    default: numbers = nil
    }
    switch (input.elementType, numbers) {
    case (.float32, let numbers?): return Tensor(numbers.map { Float($0) }, shape: tensor.shape)
    case (.float64, let numbers?): return Tensor(numbers, shape: tensor.shape)
    default:
      throw CommandFailure(
        "\(path) holds \(tensor.elementType.name); input '\(input.name)' takes "
          + input.elementType.name)
    }
  }

  private static func doubles<Element: TensorElement>(
    _ tensor: Tensor, _: Element.Type, _ convert: (Element) -> Double
  ) -> [Double] {
    let values = tensor.values(as: Element.self)
    var numbers: [Double] = []
    numbers.reserveCapacity(values.count)
    for index in values.indices { numbers.append(convert(values[index])) }
    return numbers
  }
}

/// `--output-dir`: one file an output.
enum ScoreOutputs {
  static func write(
    _ value: ModelValue, name: String, to folder: String
  ) throws(CommandFailure) {
    // Names of graph outputs may hold what no file name should.
    let base = folder + "/" + String(name.map { $0 == "/" || $0 == ":" ? "_" : $0 })
    switch value {
    case .tensor(let tensor):
      try write(tensor, base)
    case .maps(let keys, let values):
      var writer = JSONWriter()
      ScoringAnswer.write([.tensor(keys)], names: [name], to: &writer)
      try LocalFile.write(writer.bytes, to: base + ".keys.json")
      try write(values, base + ".values")
    }
  }

  private static func write(_ tensor: Tensor, _ base: String) throws(CommandFailure) {
    if !NPYFormat.holds(tensor.elementType) {
      var writer = JSONWriter()
      ScoringAnswer.write([.tensor(tensor)], names: [""], to: &writer)
      try LocalFile.write(writer.bytes, to: base + ".json")
    } else {
      try LocalFile.write(NPYFormat.write(tensor), to: base + ".npy")
    }
  }
}
