import Executors
import ONNX
import Tensors
import Testing

@Suite struct DeadlineTests {
  @Test func `a large batch stops between two steps once its deadline has passed`() throws {
    let model = try ONNXModel.load(path: Corpus.packageRoot + "/models/digits/1/model.onnx")
    let scratch = model.makeScratch()
    let rows = Tensor(.float32, shape: Shape(1000, 64))
    #expect(try model.predict([rows], outputs: [0], scratch: scratch).count == 1)
    scratch.deadline = 1
    #expect(throws: ExecutorError.deadlinePassed) {
      try model.predict([rows], outputs: [0], scratch: scratch)
    }
    // What was stopped leaves nothing behind.
    scratch.deadline = .max
    #expect(try model.predict([rows], outputs: [0], scratch: scratch).count == 1)
  }
}
