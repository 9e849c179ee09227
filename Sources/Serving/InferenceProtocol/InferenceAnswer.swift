internal import Documents
internal import Executors
internal import Tensors

/// Answers of the Open Inference Protocol: JSON, with tensors in it or as bytes behind it.
/// Source: `WIRE.md` §2.1, §2.2.
enum InferenceAnswer {
  /// One tensor of an answer.
  struct Output {
    var name: String
    var tensor: Tensor
    var isBinary = false
    /// The names of the classes that the tensor scores; empty where nobody knows them.
    var labels: [String] = []
  }

  /// - Returns: Bytes of JSON before the tensors; nil when there is nothing but JSON.
  static func write(
    _ outputs: [Output], id: String?, model: String, version: String, to writer: inout JSONWriter
  ) -> Int? {
    // As much as an answer of few numbers takes.
    writer.reserve(512)
    writer.byte(UInt8(ascii: "{"))
    if let id {
      writer.raw(#""id":"#)
      writer.string(id)
      writer.byte(UInt8(ascii: ","))
    }
    writer.raw(#""model_name":"#)
    writer.string(model)
    writer.raw(#","model_version":"#)
    writer.string(version)
    writer.raw(#","outputs":["#)
    for (index, output) in outputs.enumerated() {
      if index > 0 { writer.byte(UInt8(ascii: ",")) }
      write(output, to: &writer)
    }
    writer.raw("]}")
    guard outputs.contains(where: \.isBinary) else { return nil }
    let headerByteCount = writer.bytes.count
    for output in outputs where output.isBinary {
      writer.reserve(BinaryTensor.byteCount(output.tensor))
      BinaryTensor.write(output.tensor, to: &writer)
    }
    return headerByteCount
  }

  private static func write(_ output: Output, to writer: inout JSONWriter) {
    let tensor = output.tensor
    writer.raw(#"{"name":"#)
    writer.string(output.name)
    writer.raw(#","datatype":""#)
    writer.raw(tensor.elementType.wireName)
    writer.raw(#"","shape":["#)
    for axis in 0..<tensor.shape.rank {
      if axis > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.integer(tensor.shape[axis])
    }
    if output.isBinary {
      writer.raw(#"],"parameters":{"binary_data_size":"#)
      writer.integer(BinaryTensor.byteCount(tensor))
      writer.raw("}}")
    } else {
      writer.raw(#"],"data":"#)
      TensorText(tensor).writeFlat(to: &writer)
      writer.byte(UInt8(ascii: "}"))
    }
  }

  private static func labels(_ keys: Tensor) -> [String] {
    switch keys.elementType {
    case .string: return keys.strings.strings
    case .int64:
      let values = keys.values(as: Int64.self)
      return values.indices.map { "\(values[$0])" }
    default: return []
    }
  }

  /// The tensors of a model's results; maps become two, `NAME.keys` and `NAME.values`.
  static func outputs(_ values: [ModelValue], names: [String]) -> [Output] {
    var outputs: [Output] = []
    for (name, value) in zip(names, values) {
      switch value {
      case .tensor(let tensor): outputs.append(Output(name: name, tensor: tensor))
      case .maps(let keys, let numbers):
        outputs.append(Output(name: name + MapPart.keys.suffix, tensor: keys))
        outputs.append(
          Output(name: name + MapPart.values.suffix, tensor: numbers, labels: labels(keys)))
      }
    }
    return outputs
  }
}

/// The two tensors that maps become.
package enum MapPart: CaseIterable, Sendable {
  case keys, values

  package var suffix: String { self == .keys ? ".keys" : ".values" }
}

extension ModelSignature {
  /// The output that this protocol knows under a name: the model's own, or a part of its maps.
  func protocolOutput(named name: String) -> (index: Int, part: MapPart?)? {
    if let index = outputIndex(named: name) { return (index, nil) }
    for part in MapPart.allCases where name.hasSuffix(part.suffix) {
      guard let index = outputIndex(named: String(name.dropLast(part.suffix.count))),
        case .maps = outputs[index].kind
      else { continue }
      return (index, part)
    }
    return nil
  }
}
