import Executors
import Foundation
import ONNX
import Tensors
import Testing

/// The ONNX packages that the repository ships.
@Suite struct PackageModelTests {
  static let folder =
    ProcessInfo.processInfo.environment["SWERVE_MODELS"] ?? Corpus.packageRoot + "/models"

  static let packages = ["iris/1", "digits/1"].filter {
    FileManager.default.fileExists(atPath: "\(folder)/\($0)/model.onnx")
  }

  @Test(arguments: packages)
  func `a shipped model answers its sample request`(package: String) throws {
    let executor = try ONNXModel.load(path: "\(Self.folder)/\(package)/model.onnx")
    func json(_ file: String) throws -> Any {
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: "\(Self.folder)/\(package)/\(file)")))
    }
    let request = try #require(try json("sample-request.json") as? [String: Any])
    let rows = try #require((request["data"] ?? request["input_data"]) as? [[Double]])
    let answer = try #require(try json("sample-response.json") as? [[Double]])
    let input = Tensor(
      rows.flatMap { $0.map { Float($0) } }, shape: Shape(rows.count, rows[0].count))
    let index = executor.signature.outputs.count - 1
    let values = try executor.predict(
      [input], outputs: [index], scratch: executor.makeScratch())
    guard case .tensor(let got) = values[0] else {
      Issue.record("\(package) gave maps")
      return
    }
    let want = Tensor(
      answer.flatMap { $0.map { Float($0) } }, shape: Shape(answer.count, answer[0].count))
    #expect(difference(got, want, rtol: 1e-4, atol: 1e-5) == nil)
  }

  @Test func `an output that nobody asks for is not missed`() throws {
    let executor = try ONNXModel.load(path: "\(Self.folder)/iris/1/model.onnx")
    let names = executor.signature.outputs.map(\.name)
    try #require(names.count == 2)
    let scratch = executor.makeScratch()
    let rows: [[Float]] = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]]
    var labels: [Int64] = []
    // Each order of asking, on one scratch: nothing of an earlier request may show.
    for row in rows {
      let input = Tensor(row, shape: Shape(1, 4))
      func values(_ outputs: [Int]) throws -> [Tensor] {
        try executor.predict([input], outputs: outputs, scratch: scratch).compactMap {
          if case .tensor(let tensor) = $0 { return tensor }
          return nil
        }
      }
      let both = try values([0, 1])
      try #require(both.count == 2)
      #expect(try bits(values([1])[0]) == bits(both[1]))
      let label = first(both[0])
      #expect(first(try values([0])[0]) == label)
      labels.append(label)
    }
    #expect(labels == [0, 2, 1])
  }

  private func first(_ tensor: Tensor) -> Int64 {
    let values = tensor.values(as: Int64.self)
    return values[0]
  }

  private func bits(_ tensor: Tensor) -> [UInt32] {
    let values = tensor.values(as: Float.self)
    return values.indices.map { values[$0].bitPattern }
  }
}
