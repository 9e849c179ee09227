import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// `Fixtures/generate.py` made each of these with ONNX Runtime.
enum Fixtures {
  static let folder = Corpus.packageRoot + "/Tests/ONNXTests/Fixtures"

  static let names: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    .filter { $0.hasSuffix(".onnx") }.map { String($0.dropLast(5)) }.sorted()

  static func tensors(_ name: String, _ kind: String) throws -> [Tensor] {
    var found: [Tensor] = []
    while let data = FileManager.default.contents(
      atPath: "\(folder)/\(name).\(kind).\(found.count).npy")
    {
      found.append(try NPYFormat.read(Array(data)))
    }
    return found
  }
}

@Suite struct OperatorTests {
  @Test func `the fixtures are there`() { #expect(Fixtures.names.count > 90) }

  @Test(arguments: Fixtures.names)
  func `an operator answers as ONNX Runtime does`(name: String) throws {
    let executor = try ONNXModel.load(path: "\(Fixtures.folder)/\(name).onnx")
    let outputs = Array(executor.signature.outputs.indices)
    let values = try executor.predict(
      try Fixtures.tensors(name, "in"), outputs: outputs, scratch: executor.makeScratch())
    let wanted = try Fixtures.tensors(name, "out")
    #expect(wanted.count == values.count)
    for (value, want) in zip(values, wanted) {
      guard case .tensor(let got) = value else {
        Issue.record("\(name) gave maps")
        continue
      }
      #expect(difference(got, want, rtol: 1e-5, atol: 1e-6) == nil, "\(name)")
    }
  }
}
