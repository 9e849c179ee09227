import Testing

@testable import Serving

struct WarmUpTests {
  private let package = packageRoot + "/models/breast-cancer/1"

  private func warmUp(_ sample: WarmUp.Sample) throws -> CostEstimate {
    let model = try ModelLoader.load(path: package + "/model.json")
    return try WarmUp.run(
      Scorer(model), sample: sample,
      tolerance: AnswerTolerance(format: model.format, properties: [:]))
  }

  @Test func `a model that answers its sample is warm, and its cost known`() throws {
    let sample = try WarmUp.Sample(package: package)
    let cost = try warmUp(sample)
    #expect(cost.bodyByteCount == sample.request?.count)
    #expect((cost.nanoseconds ?? 0) > 0)
  }

  @Test func `another answer than the sample's is a failure that shows the difference`() throws {
    var sample = try WarmUp.Sample(package: package)
    sample.response = Array("[0.5, 0.996458113193512, 0.9976425766944885]".utf8)
    let failure = #expect(throws: DeploymentFailure.self) { try warmUp(sample) }
    #expect(failure?.code == "BadArgument")
    #expect(
      failure?.message
        == "the model does not answer what sample-response.json says: "
        + "$[0] is 0.032035790383815765, expected 0.5")
  }

  @Test func `a sample that the model does not take is a failure`() throws {
    let sample = WarmUp.Sample(request: Array("{\"input_data\": [[1, 2]]}".utf8))
    let failure = #expect(throws: DeploymentFailure.self) { try warmUp(sample) }
    #expect(failure?.message.hasPrefix("warming up on sample-request.json: ") == true)
  }

  @Test func `without a sample the cost comes from a row of zeros`() throws {
    #expect(try warmUp(WarmUp.Sample()).nanoseconds != nil)
  }
}
