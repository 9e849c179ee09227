import Foundation
import Testing

@Suite struct ModelCheckCommandTests {
  @Test func `model check needs no gateway and ends 0 or 1`() throws {
    let iris = GatewayProcess.models.appendingPathComponent("iris/1").path
    let runs = try CommandResult.run(["model", "check", iris])
    #expect(runs.status == 0, "\(runs.error)")
    #expect(runs.output.contains("runs      yes"))

    let missing = GatewayProcess.packageRoot
      .appendingPathComponent("Tests/ONNXTests/Fixtures/check/missing.onnx").path
    let refused = try CommandResult.run(["model", "check", missing, "-o", "json"])
    #expect(refused.status == 1)
    let answer = try JSONSerialization.jsonObject(with: Data(refused.output.utf8))
    let object = try #require(answer as? [String: Any])
    #expect(object["runs"] as? Bool == false)
    #expect((object["problems"] as? [String])?.count == 3)
  }
}
