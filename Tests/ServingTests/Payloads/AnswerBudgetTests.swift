import Executors
import Tensors
import Testing

@testable import Serving

@Suite struct AnswerBudgetTests {
  @Test func `a number counts for the room of its text, or for its bytes`() throws {
    let tensor = Tensor([Float](repeating: 1, count: 100), shape: Shape(10, 10))
    try AnswerBudget.check([.tensor(tensor)], maxBytes: 2000)
    #expect(throws: ScoringError.answerTooLarge(byteCount: 2000, limit: 1999)) {
      try AnswerBudget.check([.tensor(tensor)], maxBytes: 1999)
    }
    var output = InferenceAnswer.Output(name: "a", tensor: tensor)
    output.isBinary = true
    try AnswerBudget.check([output], maxBytes: 400)
    #expect(throws: ScoringError.answerTooLarge(byteCount: 400, limit: 399)) {
      try AnswerBudget.check([output], maxBytes: 399)
    }
  }

  @Test func `maps count their keys in each row`() throws {
    let keys = Tensor(strings: ByteStrings(["aaaa", "bbbb"]), shape: Shape(2))
    let numbers = Tensor([Float](repeating: 0, count: 6), shape: Shape(3, 2))
    let value = ModelValue.maps(keys: keys, values: numbers)
    try AnswerBudget.check([value], maxBytes: 3 * 16 + 6 * 20)
    #expect(throws: ScoringError.self) {
      try AnswerBudget.check([value], maxBytes: 3 * 16 + 6 * 20 - 1)
    }
  }

  @Test func `many outputs count together`() throws {
    let value = ModelValue.tensor(Tensor([Int64](repeating: 0, count: 10), shape: Shape(10)))
    try AnswerBudget.check([value, value], maxBytes: 400)
    #expect(throws: ScoringError.self) { try AnswerBudget.check([value, value], maxBytes: 399) }
  }
}
