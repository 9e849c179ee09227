import Documents
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

  @Test func `names that each record repeats count in each`() throws {
    let name = String(repeating: "n", count: 96)
    let values = (0..<2).map { _ in
      ModelValue.tensor(Tensor([Float](repeating: 1, count: 10), shape: Shape(10)))
    }
    let names = [name, name]
    let once = ScoringAnswer.recordCount(values, .recordsForTables, isFrame: false)
    let each = ScoringAnswer.recordCount(values, .recordsForTables, isFrame: true)
    #expect(once == 1 && each == 10)
    try AnswerBudget.check(values, names: names, recordCount: once, maxBytes: 600)
    try AnswerBudget.check(values, names: names, recordCount: each, maxBytes: 2400)
    #expect(throws: ScoringError.answerTooLarge(byteCount: 2400, limit: 2399)) {
      try AnswerBudget.check(values, names: names, recordCount: each, maxBytes: 2399)
    }
    // What is written is no longer than what was counted.
    var writer = JSONWriter()
    ScoringAnswer.write(values, names: names, .records, isFrame: true, to: &writer)
    #expect(writer.bytes.count > 2000 && writer.bytes.count <= 2400)
    #expect(PredictAnswer.recordCount(values, isColumnar: false) == 10)
    #expect(PredictAnswer.recordCount(values, isColumnar: true) == 1)
  }

  @Test func `strings count with their escapes`() throws {
    let strings = ["\u{1}\u{2}\u{3}", "\"\\\n", "plain"]
    let tensor = Tensor(strings: ByteStrings(strings), shape: Shape(3))
    var writer = JSONWriter()
    ScoringAnswer.write([.tensor(tensor)], names: ["a"], to: &writer)
    #expect(throws: ScoringError.self) {
      try AnswerBudget.check([.tensor(tensor)], maxBytes: writer.bytes.count - 5)
    }
    try AnswerBudget.check([.tensor(tensor)], maxBytes: 3 * 4 + 18 + 10 + 5)
  }

  @Test func `outputs without rows in common are an object, not records`() {
    func values(_ counts: [Int]) -> [ModelValue] {
      counts.map { .tensor(Tensor([Int64](repeating: 7, count: $0), shape: Shape($0))) }
    }
    func text(_ values: [ModelValue]) -> String {
      var writer = JSONWriter()
      ScoringAnswer.write(values, names: ["a", "b"], .records, isFrame: true, to: &writer)
      return String(decoding: writer.bytes, as: UTF8.self)
    }
    #expect(text(values([3, 2])) == #"{"a":[7,7,7],"b":[7,7]}"#)
    #expect(text(values([2, 2])) == #"[{"a":7,"b":7},{"a":7,"b":7}]"#)
    let scalar = ModelValue.tensor(Tensor([Int64(1)], shape: Shape()))
    #expect(text([scalar] + values([2])) == #"{"a":1,"b":[7,7]}"#)
    let wide = ModelValue.tensor(Tensor([Int64](repeating: 5, count: 4), shape: Shape(2, 2)))
    #expect(text([wide] + values([2])) == #"[{"a":[5,5],"b":7},{"a":[5,5],"b":7}]"#)
  }
}
