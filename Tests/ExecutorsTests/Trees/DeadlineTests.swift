import Executors
import Tensors
import Testing

@Suite struct DeadlineTests {
  /// The fixture's rows over and over.
  private func rows(_ features: Tensor, count: Int) -> Tensor {
    let width = features.shape[1]
    let values = features.values(as: Float.self)
    var many = Tensor(.float32, shape: Shape(count, width))
    var target = many.mutableValues(as: Float.self)
    for index in 0..<count * width { target[index] = values[index % values.count] }
    return many
  }

  private func bits(_ value: ModelValue) -> [UInt32] {
    guard case .tensor(let tensor) = value else { return [] }
    let values = tensor.values(as: Float.self)
    return values.indices.map { values[$0].bitPattern }
  }

  @Test func `a long batch stops at its deadline, a short one is done before anybody asks`() throws
  {
    let model = try NativeModel.load(path: "\(Fixtures.folder)/xgb_binary.json")
    let features = try Fixtures.array("\(Fixtures.folder)/xgb_binary.X.npy")
    let scratch = model.makeScratch()
    scratch.deadline = 1
    let many = rows(features, count: 100_000)
    for output in 0..<3 {
      #expect(throws: ExecutorError.deadlinePassed) {
        try model.predict([many], outputs: [output], scratch: scratch)
      }
    }
    #expect(try model.predict([features], outputs: [0, 1, 2], scratch: scratch).count == 3)
  }

  @Test func `rows on both sides of a cut have the bits that they have alone`() throws {
    let model = try NativeModel.load(path: "\(Fixtures.folder)/xgb_binary.json")
    let features = try Fixtures.array("\(Fixtures.folder)/xgb_binary.X.npy")
    let scratch = model.makeScratch()
    let few = try model.predict([features], outputs: [0, 1], scratch: scratch).map(bits)
    let count = 100_000
    let many = try model.predict(
      [rows(features, count: count)], outputs: [0, 1], scratch: scratch
    ).map(bits)
    for (few, many) in zip(few, many) {
      #expect(many.count == count)
      #expect(many.indices.allSatisfy { many[$0] == few[$0 % few.count] })
    }
  }
}
