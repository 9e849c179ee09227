import Executors
import Foundation
import Glibc
import Mutants
import Tensors
import Testing

@testable import ONNX

/// A tensor without elements may claim dimensions of any size: they are no count of anything.
@Suite struct EmptyTensorTests {
  private static let huge = 1 << 57

  /// Whether the file loads, and what it answers to `inputs`; within a little memory and time.
  private static func tries(_ bytes: [UInt8], _ inputs: [Tensor]) throws {
    let path = try ModelBytes.write(bytes)
    defer { unlink(path) }
    // What is set up once is no part of a file.
    _ = try ONNXModel.load(path: "\(Fixtures.folder)/Gemm_weights.onnx")
    alarm(20)
    MutantTrial.within(bytes: 1 << 20) {
      do {
        let executor = try ONNXModel.load(path: path)
        _ = try executor.predict(inputs, outputs: [0], scratch: executor.makeScratch())
      } catch {
        precondition(!"\(error)".isEmpty)
      }
    }
  }

  private static func empty(_ name: String, _ shape: [Int]) -> [UInt8] {
    ModelBytes.tensor(name, type: 1, shape: shape, data: ModelBytes.field(9, []))
  }

  @Test(arguments: ["LSTM", "GRU", "RNN"], [[huge, 0, 0], [1, 1 << 55, 0], [1, 0, huge]])
  func `recurrent weights without elements load and are refused`(
    name: String, shape: [Int]
  ) async {
    await #expect(processExitsWith: .success) { [name, shape] in
      for other in [shape, [1, 16, 4]] {
        let states =
          other == shape
          ? EmptyTensorTests.empty("r", shape) : ModelBytes.floats("r", other) { _ in 0 }
        let bytes = ModelBytes.model(
          nodes: [ModelBytes.node(name, ["x", "w", "r"], "y", ["hidden_size": 4])],
          tensors: [EmptyTensorTests.empty("w", shape), states],
          inputs: [ModelBytes.value("x", [nil, nil, 3])],
          output: ModelBytes.value("y", [nil, 1, nil, 4]))
        try EmptyTensorTests.tries(bytes, [Tensor(.float32, shape: Shape(2, 1, 3))])
      }
    }
  }

  @Test(arguments: [[huge, 0], [0, huge]])
  func `weights of a product without elements load`(shape: [Int]) async {
    await #expect(processExitsWith: .success) { [shape] in
      for attributes in [["transB": 1], ["transA": 1], [:]] {
        let bytes = ModelBytes.model(
          nodes: [ModelBytes.node("Gemm", ["x", "w"], "y", attributes)],
          tensors: [EmptyTensorTests.empty("w", shape)],
          inputs: [ModelBytes.value("x", [nil, nil])], output: ModelBytes.value("y", [nil, nil]))
        for input in [Shape(2, 0), Shape(0, 2), Shape(1 << 57, 0), Shape(0, 1 << 57)] {
          try EmptyTensorTests.tries(bytes, [Tensor(.float32, shape: input)])
        }
      }
    }
  }

  /// Every operator, with each of its inputs in turn without elements, as it comes in a request and
  /// as it lies in a file.
  @Test func `no operator counts along a tensor without elements`() async {
    await #expect(processExitsWith: .success) {
      try EmptyTensorTests.tryAll()
    }
  }

  private static func tryAll() throws {
    // One of each operator and attributes is enough: others differ in numbers.
    var seen: Set<String> = []
    let cases = StandardCase.all.filter { $0.outputs != nil }
    for standard in cases {
      let path = try ModelBytes.write(Array(standard.model))
      defer { unlink(path) }
      guard let file = try? ModelFile(path: path), let graph = try? GraphReader.read(file),
        seen.insert(signature(graph)).inserted
      else { continue }
      for (index, input) in graph.inputs.enumerated() where input.isRequired {
        for shape in hostile(rank: input.shape.count) {
          for isConstant in [false, true] {
            try run(graph, file, index, shape, isConstant, standard.name)
          }
        }
      }
    }
    precondition(seen.count > 100, "\(seen.count) graphs")
  }

  private static func signature(_ graph: Graph) -> String {
    graph.nodes.map { node in
      "\(node.operatorName)(\(node.attributes.map(\.name).sorted()), \(node.inputs.count))"
    }.joined()
  }

  private static func hostile(rank: Int) -> [[Int]] {
    (0..<rank).flatMap { axis -> [[Int]] in
      var one = [Int](repeating: 1, count: rank)
      one[axis] = 0
      guard rank > 1 else { return [one] }
      var large = one
      large[(axis + 1) % rank] = 1 << 40
      return [one, large]
    }
  }

  private static func run(
    _ given: Graph, _ file: ModelFile, _ index: Int, _ shape: [Int], _ isConstant: Bool,
    _ name: String
  ) throws {
    var graph = given
    for place in graph.inputs.indices {
      graph.inputs[place].shape = graph.inputs[place].shape.map { _ in nil }
    }
    let hostile = Tensor(graph.inputs[index].elementType, shape: try Shape(checking: shape))
    if isConstant {
      graph.constants[graph.inputs[index].value] = hostile
      graph.inputs.remove(at: index)
    }
    let before = clock()
    alarm(10)
    defer { alarm(0) }
    do {
      let plan = try PlanBuilder.plan(graph, file: file)
      let executor = ONNXExecutor(plan: plan)
      let inputs = graph.inputs.indices.map { place in
        if !isConstant, place == index { return hostile }
        let old = given.inputs[isConstant && place >= index ? place + 1 : place]
        let sizes = old.shape.map { min($0 ?? 2, 64) }
        return Tensor(old.elementType, shape: (try? Shape(checking: sizes)) ?? Shape())
      }
      let scratch = executor.makeScratch()
      _ = try executor.predict(
        inputs, outputs: Array(graph.outputs.indices), scratch: scratch)
    } catch {
      precondition(!"\(error)".isEmpty)
    }
    let seconds = Double(clock() - before) / Double(CLOCKS_PER_SEC)
    precondition(seconds < 5, "\(name), input \(index) of shape \(shape): \(seconds) s")
  }
}
