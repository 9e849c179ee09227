import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// `Fixtures/ml/generate.py` made each of these with ONNX Runtime; it makes any number of further
/// ones into a folder that `SWERVE_ML_FIXTURES` names.
enum LearnedFixtures {
  static let folder =
    ProcessInfo.processInfo.environment["SWERVE_ML_FIXTURES"]
    ?? Corpus.packageRoot + "/Tests/ONNXTests/Fixtures/ml"

  static let names: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    .filter { $0.hasSuffix(".onnx") }.map { String($0.dropLast(5)) }.sorted()

  private struct Strings: Decodable {
    var shape: [Int]
    var values: [String]
  }

  static func tensors(_ name: String, _ kind: String) throws -> [Tensor] {
    var found: [Tensor] = []
    while true {
      let path = "\(folder)/\(name).\(kind).\(found.count)"
      if let data = FileManager.default.contents(atPath: path + ".npy") {
        found.append(try NPYFormat.read(Array(data)))
      } else if let data = FileManager.default.contents(atPath: path + ".json") {
        let read = try JSONDecoder().decode(Strings.self, from: data)
        found.append(
          Tensor(strings: ByteStrings(read.values), shape: try Shape(checking: read.shape)))
      } else {
        return found
      }
    }
  }

  /// The first difference in any bit; every NaN is one value.
  static func bitDifference(_ got: Tensor, _ want: Tensor) -> String? {
    if let found = difference(got, want, rtol: 0, atol: 0) { return found }
    for (index, (left, right)) in zip(doubles(got), doubles(want)).enumerated()
    where left.sign != right.sign && !left.isNaN {
      return "element \(index) is \(left), not \(right)"
    }
    return nil
  }
}

@Suite struct LearnedOperatorTests {
  @Test func `the fixtures of ai.onnx.ml are there`() { #expect(!LearnedFixtures.names.isEmpty) }

  @Test(arguments: LearnedFixtures.names)
  func `an ai.onnx.ml operator answers as ONNX Runtime does, in every batch`(
    name: String
  ) throws {
    let executor = try ONNXModel.load(path: "\(LearnedFixtures.folder)/\(name).onnx")
    let inputs = try LearnedFixtures.tensors(name, "in")
    let outputs = Array(executor.signature.outputs.indices)
    let scratch = executor.makeScratch()
    let values = try executor.predict(inputs, outputs: outputs, scratch: scratch)
    let wanted = try LearnedFixtures.tensors(name, "out")
    #expect(wanted.count == values.count)
    for (value, want) in zip(values, wanted) {
      guard case .tensor(let got) = value else {
        Issue.record("\(name) gave maps")
        continue
      }
      let found =
        name.hasPrefix("exact_")
        ? LearnedFixtures.bitDifference(got, want)
        : difference(got, want, rtol: 1e-4, atol: 1e-5)
      #expect(found == nil, "\(name)")
    }
    try checkRows(of: executor, inputs, scratch, name)
  }

  /// Each row alone has the bits that it has among the others.
  private func checkRows(
    of executor: any ModelExecutor, _ inputs: [Tensor], _ scratch: Scratch, _ name: String
  ) throws {
    let rows = inputs[0].rowCount
    guard inputs.allSatisfy({ $0.shape.rank == 2 && $0.rowCount == rows }) else { return }
    let outputs = Array(executor.signature.outputs.indices)
    let together = try executor.predict(inputs, outputs: outputs, scratch: scratch)
    for row in 0..<rows {
      let alone = try executor.predict(
        inputs.map { Self.row(row, of: $0) }, outputs: outputs, scratch: scratch)
      for (one, all) in zip(alone, together) {
        guard case .tensor(let one) = one, case .tensor(let all) = all else { continue }
        #expect(
          LearnedFixtures.bitDifference(one, Self.row(row, of: all)) == nil, "\(name), row \(row)")
      }
    }
  }

  private static func row(_ row: Int, of tensor: Tensor) -> Tensor {
    let shape = tensor.shape.withRows(1)
    var writer = ElementWriter(reusing: Tensor(tensor.elementType, shape: Shape(0)), shape: shape)
    writer.append(
      from: tensor, start: row * shape.elementCount, stride: 1, count: shape.elementCount)
    return writer.finish()
  }
}
