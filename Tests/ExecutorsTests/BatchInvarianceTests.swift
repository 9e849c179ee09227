import Executors
import Tensors
import Testing

/// A row's bits are its own: alone, in a batch of any size, at any place in it.
@Suite struct BatchInvarianceTests {
  @Test(arguments: [
    "xgb_binary.json", "xgb_softprob.ubj", "xgb_categorical.ubj", "xgb_dart_classes.json",
    "xgb_vector_ubj.ubj", "xgb_linear_softprob.ubj", "xgb_linear_binary.json",
    "lgb_multiclass.txt", "lgb_categorical.txt", "lgb_linear.txt", "lgb_forest.txt",
  ])
  func `1 to 200 rows, every place: the same bits`(file: String) throws {
    let model = try NativeModel.load(path: "\(Fixtures.folder)/\(file)")
    let outputs = Array(model.signature.outputs.indices)
    let features = try Fixtures.array(
      "\(Fixtures.folder)/\(file.split(separator: ".")[0]).X.npy")
    let scratch = model.makeScratch()
    func answer(_ indices: [Int]) throws -> [[UInt64]] {
      try model.predict([picked(features, indices)], outputs: outputs, scratch: scratch).map {
        bits(try tensor($0))
      }
    }
    let alone = try (0..<features.rowCount).map { try answer([$0]) }
    for count in 1...200 {
      // Another start each time: every row comes to every place.
      let indices = (0..<count).map { ($0 + count) % features.rowCount }
      let together = try answer(indices)
      for output in outputs {
        let expected = indices.flatMap { alone[$0][output] }
        #expect(together[output] == expected, "\(count) rows, output \(output)")
      }
    }
  }

  /// Rows are walked in blocks of 2^18 walks: here are some more, of each kind of kernel.
  @Test(arguments: ["xgb_vector_ubj.ubj", "xgb_linear_softprob.ubj", "lgb_linear.txt"])
  func `a row's bits do not depend on its block`(file: String) throws {
    let model = try NativeModel.load(path: "\(Fixtures.folder)/\(file)")
    let features = try Fixtures.array(
      "\(Fixtures.folder)/\(file.split(separator: ".")[0]).X.npy")
    let scratch = model.makeScratch()
    func answer(_ rows: Tensor) throws -> [UInt64] {
      bits(try tensor(model.predict([rows], outputs: [1], scratch: scratch)[0]))
    }
    let few = try answer(features)
    let indices = (0..<2_000).map { _ in Array(0..<features.rowCount) }.flatMap { $0 }
    let many = try answer(picked(features, indices))
    let isSame = many.indices.allSatisfy { many[$0] == few[$0 % few.count] }
    #expect(isSame && many.count == 2_000 * few.count)
  }

  private func picked(_ tensor: Tensor, _ indices: [Int]) -> Tensor {
    let width = tensor.shape[1]
    func pick<Element: TensorElement>(_: Element.Type) -> Tensor {
      let values = tensor.values(as: Element.self)
      return Tensor(
        indices.flatMap { row in (0..<width).map { values[row * width + $0] } },
        shape: Shape(indices.count, width))
    }
    return tensor.elementType == .float32 ? pick(Float.self) : pick(Double.self)
  }
}
