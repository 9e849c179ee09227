import Testing

@testable import Serving

struct AnswerComparisonTests {
  private func difference(
    _ expected: String, _ received: String, _ tolerance: AnswerTolerance = .exact
  ) -> String? {
    firstDifference(
      expected: Array(expected.utf8), received: Array(received.utf8), tolerance: tolerance)
  }

  @Test(arguments: [
    ("[1, 2.5]", "[1.0,2.5]"), ("{\"a\": 1, \"b\": [true, null]}", "{\"b\":[true,null],\"a\":1}"),
    ("[NaN, -Infinity]", "[NaN,-Infinity]"), ("[\"\\u00e9\\ud83d\\ude00\\n\"]", "[\"é😀\\n\"]"),
    ("{\"\\u0061\": 1}", "{\"a\": 1}"), ("\"x\"", "\"x\""), ("[]", " [ ] "),
  ])
  func `the same values are no difference`(expected: String, received: String) {
    #expect(difference(expected, received) == nil)
  }

  @Test(arguments: [
    ("[[1, 2]]", "[[1, 3]]", "$[0][1] is 3, expected 2"),
    ("[1]", "[1, 2]", "$ has 2 elements, expected 1"),
    ("{\"a\": 1}", "{\"b\": 1}", "$ has the members [\"b\"], expected [\"a\"]"),
    ("[1]", "[\"1\"]", "$[0] is \"1\", expected 1"),
    ("[1]", "1", "$ is 1, expected a list"),
    ("[1", "[1]", "sample-response.json is no JSON near byte 2"),
  ])
  func `the first difference is told with its place`(
    expected: String, received: String, sentence: String
  ) {
    #expect(difference(expected, received) == sentence)
  }

  @Test func `numbers may differ by the tolerance`() throws {
    let tolerance = AnswerTolerance(relative: 1e-4, absolute: 1e-5)
    #expect(difference("[100.0, 0]", "[100.009, 0.000009]", tolerance) == nil)
    #expect(difference("[100.0]", "[100.02]", tolerance) != nil)
    // Classes, counts and codes are the same or others; no number is near an infinity.
    #expect(difference("[20001]", "[20000]", tolerance) == "$[0] is 20000, expected 20001")
    #expect(difference("[9007199254740993]", "[9007199254740992]", tolerance) != nil)
    #expect(difference("[100]", "[100.009]", tolerance) == nil)
    #expect(difference("[-Infinity]", "[5.0]", tolerance) != nil)
    #expect(difference("[-Infinity]", "[Infinity]", tolerance) != nil)
    #expect(difference("[5.0]", "[Infinity]", tolerance) != nil)
  }

  @Test func `trees are exact, others near, and properties say otherwise`() throws {
    #expect(try AnswerTolerance(format: "xgboost-ubj", properties: [:]) == .exact)
    #expect(
      try AnswerTolerance(format: "onnx", properties: [:])
        == AnswerTolerance(relative: 1e-4, absolute: 1e-5))
    #expect(
      try AnswerTolerance(format: "onnx", properties: ["swerve.warmup.rtol": "0.5"])
        == AnswerTolerance(relative: 0.5, absolute: 1e-5))
    #expect(throws: DeploymentFailure.self) {
      try AnswerTolerance(format: "onnx", properties: ["swerve.warmup.atol": "much"])
    }
  }
}
