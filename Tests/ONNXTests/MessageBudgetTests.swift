import Executors
import Foundation
import Mutants
import ONNX
import Testing

/// What the messages of a file take while they are read.
@Suite struct MessageBudgetTests {
  /// Two bytes in a file each, and much more in memory.
  private static func bytes(_ name: String) -> [UInt8] {
    let count = 500_000
    func many(_ field: Int) -> [UInt8] {
      Array(repeatElement([UInt8(field << 3 | 2), 0], count: count).joined())
    }
    let value = ModelBytes.value("x", [nil])
    let identity = ModelBytes.node("Identity", ["x"], "y")
    func model(_ node: [UInt8], _ rest: [UInt8]) -> [UInt8] {
      ModelBytes.number(1, 8) + ModelBytes.field(8, ModelBytes.number(2, 17))
        + ModelBytes.field(
          7,
          ModelBytes.field(1, node) + ModelBytes.field(11, value)
            + ModelBytes.field(12, ModelBytes.value("y", [nil])) + rest)
    }
    switch name {
    case "attributes": return model(identity + many(5), [])
    case "names of inputs": return model(identity + many(1), [])
    case "names of outputs": return model(identity + many(2), [])
    case "strings":
      return model(identity + ModelBytes.field(5, ModelBytes.text(1, "a") + many(9)), [])
    case "graphs":
      return model(identity + ModelBytes.field(5, ModelBytes.text(1, "a") + many(11)), [])
    case "nodes": return model(identity, many(1))
    case "initializers": return model(identity, many(5))
    case "inputs": return model(identity, many(11))
    case "outputs": return model(identity, many(12))
    case "sparse initializers": return model(identity, many(15))
    case "dimensions":
      return model(
        identity,
        ModelBytes.field(
          11, ModelBytes.field(2, ModelBytes.field(1, ModelBytes.field(2, many(1))))))
    case "places":
      return model(identity, ModelBytes.field(5, many(13)))
    case "opsets": return model(identity, []) + many(8)
    default:
      // Functions: field 25 has a key of two bytes.
      return model(identity, [])
        + Array(repeatElement([0xCA, 0x01, 0] as [UInt8], count: count).joined())
    }
  }

  @Test(
    arguments: [
      "attributes", "names of inputs", "names of outputs", "strings", "graphs", "nodes",
      "initializers", "inputs", "outputs", "sparse initializers", "dimensions", "places", "opsets",
      "functions",
    ])
  func `messages without content are refused before they take what they ask for`(
    name: String
  ) async {
    await #expect(processExitsWith: .success) { [name] in
      _ = try ONNXModel.load(path: "\(Fixtures.folder)/Gemm_weights.onnx")
      let file = MessageBudgetTests.bytes(name)
      let path = try ModelBytes.write(file)
      defer { unlink(path) }
      let limit = MutantTrial.maxAllocation(fileBytes: file.count)
      let reason = MutantTrial.within(bytes: limit) { () -> String in
        do {
          _ = try ONNXModel.load(path: path)
          return ""
        } catch {
          return "\(error)"
        }
      }
      // Empty strings in a list take just what they may.
      let expected = name == "strings" ? "has no attribute" : "messages take more than the"
      precondition(reason.contains(expected), reason)
    }
  }

  /// Nothing but small nodes with short names: as bad as an honest file is.
  @Test func `a graph of thousands of small nodes loads`() throws {
    var nodes: [[UInt8]] = []
    let count = 5000
    for index in 0..<count {
      nodes.append(
        ModelBytes.node(
          index % 2 == 0 ? "Relu" : "Neg", [index == 0 ? "x" : "v\(index - 1)"],
          index == count - 1 ? "y" : "v\(index)"))
    }
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: nodes, tensors: [], inputs: [ModelBytes.value("x", [nil])],
        output: ModelBytes.value("y", [nil])))
    defer { unlink(path) }
    #expect(throws: Never.self) { try ONNXModel.load(path: path) }
  }

  /// As writers of proto3 lay lists out: a small number is a byte in the file, and eight in memory.
  @Test func `many trees in packed lists are read`() throws {
    let count = 60_000
    func attribute(_ name: String, type: Int, _ values: [UInt8]) -> [UInt8] {
      ModelBytes.field(5, ModelBytes.text(1, name) + values + ModelBytes.number(20, type))
    }
    func integers(_ name: String, _ value: (Int) -> Int) -> [UInt8] {
      let packed = (0..<count).flatMap { ModelBytes.varint(value($0)) }
      return attribute(name, type: 7, ModelBytes.field(8, packed))
    }
    func floats(_ name: String) -> [UInt8] {
      attribute(name, type: 6, ModelBytes.field(7, [UInt8](repeating: 0, count: 4 * count)))
    }
    var node = ModelBytes.text(1, "x") + ModelBytes.text(2, "y")
    node += ModelBytes.text(4, "TreeEnsembleRegressor") + ModelBytes.text(7, "ai.onnx.ml")
    for name in ["featureids", "nodeids", "truenodeids", "falsenodeids"] {
      node += integers("nodes_" + name) { _ in 0 }
    }
    node += integers("nodes_treeids") { $0 } + integers("target_treeids") { $0 }
    node += integers("target_nodeids") { _ in 0 } + integers("target_ids") { _ in 0 }
    node += floats("nodes_values") + floats("target_weights")
    let modes = [[UInt8]](repeating: ModelBytes.text(9, "LEAF"), count: count).flatMap(\.self)
    node += attribute("nodes_modes", type: 8, modes)
    node += ModelBytes.field(
      5, ModelBytes.text(1, "n_targets") + ModelBytes.number(3, 1) + ModelBytes.number(20, 2))
    let graph =
      ModelBytes.field(1, node) + ModelBytes.text(2, "g")
      + ModelBytes.field(11, ModelBytes.value("x", [nil, 1]))
      + ModelBytes.field(12, ModelBytes.value("y", [nil, 1]))
    let path = try ModelBytes.write(
      ModelBytes.number(1, 8) + ModelBytes.field(7, graph)
        + ModelBytes.field(8, ModelBytes.text(1, "ai.onnx.ml") + ModelBytes.number(2, 1))
        + ModelBytes.field(8, ModelBytes.number(2, 17)))
    defer { unlink(path) }
    let model = try ONNXModel.load(path: path)
    #expect(model.signature.inputs[0].shape == [nil, 1])
  }
}
