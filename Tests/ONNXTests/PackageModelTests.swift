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
}
