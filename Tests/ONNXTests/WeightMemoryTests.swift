import Executors
import Foundation
import Mutants
import ONNX
import Tensors
import Testing

/// Weights are read where they lie in the mapped file, and answer alike wherever that is.
@Suite struct WeightMemoryTests {
  /// Networks by name, of about so many bytes, each with an input of one row.
  private struct Network {
    var nodes: [[UInt8]] = []
    var tensors: [[UInt8]] = []
    var input: Tensor
    var inputValue: [UInt8]
    var outputShape: [Int?]

    func bytes(producer: String) -> [UInt8] {
      ModelBytes.model(
        nodes: nodes, tensors: tensors, inputs: [inputValue],
        output: ModelBytes.value("y", outputShape), producer: producer)
    }
  }

  private static func weight(_ index: Int) -> Float {
    Float(index &* 2_654_435_761 % 97 - 48) / 997
  }

  private static func row(_ shape: Shape) -> Tensor {
    Tensor((0..<shape.elementCount).map { weight($0 &+ 5) }, shape: shape)
  }

  private static func network(_ name: String, width: Int, layers: Int) -> Network {
    var network = Network(
      input: row(Shape(1, width)), inputValue: ModelBytes.value("x", [nil, width]),
      outputShape: [nil, width])
    var value = "x"
    func add(_ operation: String, _ shape: [Int], _ attributes: [String: Int] = [:]) {
      for layer in 0..<layers {
        let output = layer == layers - 1 ? "y" : "v\(layer)"
        network.nodes.append(
          ModelBytes.node(operation, [value, "w\(layer)"], output, attributes))
        network.tensors.append(ModelBytes.floats("w\(layer)", shape, weight))
        value = output
      }
    }
    switch name {
    case "Gemm": add("Gemm", [width, width], ["transB": 1])
    case "MatMul": add("MatMul", [width, width])
    case "Conv", "ConvTranspose":
      let shape = Shape(1, width, 2)
      network.input = row(shape)
      network.inputValue = ModelBytes.value("x", [nil, width, nil])
      network.outputShape = [nil, width, nil]
      add(name, [width, width, 1])
    case "LSTM", "GRU":
      let shape = Shape(3, 1, width)
      let gates = name == "LSTM" ? 4 : 3
      network.input = row(shape)
      network.inputValue = ModelBytes.value("x", [nil, nil, width])
      network.outputShape = [nil, nil, nil, nil]
      network.nodes = [
        ModelBytes.node(name, ["x", "w", "r"], "y", ["hidden_size": width])
      ]
      network.tensors = [
        ModelBytes.floats("w", [1, gates * width, width], weight),
        ModelBytes.floats("r", [1, gates * width, width], weight),
      ]
    default:
      network.input = Tensor([3, 1] as [Int64], shape: Shape(1, 2))
      network.inputValue = ModelBytes.value("x", type: 7, [nil, 2])
      network.outputShape = [nil, 2, width]
      network.nodes = [ModelBytes.node("Gather", ["table", "x"], "y", ["axis": 0])]
      network.tensors = [ModelBytes.floats("table", [layers * width, width], weight)]
    }
    return network
  }

  private static func answer(_ network: Network, _ executor: any ModelExecutor) throws -> [UInt8] {
    let values = try executor.predict(
      [network.input], outputs: [0], scratch: executor.makeScratch())
    guard case .tensor(let tensor)? = values.first else { return [] }
    return tensor.bytes.withUnsafeBytes { Array($0) }
  }

  /// Between them these use every way in which weights are read.
  @Test(arguments: ["Gemm", "MatMul", "Conv", "ConvTranspose", "LSTM", "GRU", "Gather"])
  func `a model answers alike wherever its weights lie in the file`(name: String) throws {
    // Large enough to be mapped, small enough to be packed; and too large for that.
    for width in [40, 300] {
      let network = Self.network(name, width: width, layers: 2)
      var answers: Set<[UInt8]> = []
      for shift in 0..<4 {
        let path = try ModelBytes.write(
          network.bytes(producer: String(repeating: "p", count: shift)))
        defer { unlink(path) }
        answers.insert(try Self.answer(network, try ONNXModel.load(path: path)))
      }
      #expect(answers.count == 1, "\(name), \(width)")
      #expect(answers.first?.contains { $0 != 0 } == true)
    }
  }

  @Test(arguments: ["Gemm", "MatMul", "Conv", "LSTM", "GRU", "Gather"])
  func `a network of weights at odd bytes costs its file and a little`(name: String) async {
    await #expect(processExitsWith: .success) { [name] in
      try WeightMemoryTests.checkCost(name)
    }
  }

  private static func checkCost(_ name: String) throws {
    // 32 layers of 256 KiB, or two tensors of several MiB.
    let isRecurrent = name == "LSTM" || name == "GRU"
    let network = self.network(name, width: isRecurrent ? 640 : 256, layers: 32)
    for shift in 0..<4 {
      let path = try ModelBytes.write(
        network.bytes(producer: String(repeating: "p", count: shift)))
      defer { unlink(path) }
      // What is set up once is no part of a file.
      _ = try answer(network, try ONNXModel.load(path: path))
      // Packed weights of 4 MiB at most, and what a request takes.
      let answer = try MutantTrial.within(bytes: 6 << 20) {
        try self.answer(network, try ONNXModel.load(path: path))
      }
      precondition(answer.contains { $0 != 0 })
    }
  }
}
