import Executors
import ONNX
import Tensors
import Testing

@Suite struct ExternalDataTests {
  private let folder = Fixtures.folder + "/external"

  @Test func `weights in a file beside the model are used from there`() throws {
    let executor = try ONNXModel.load(path: folder + "/model.onnx")
    let rows = Tensor([1, 0, 0, 0, 0, 1, 0, 2] as [Float], shape: Shape(2, 4))
    let values = try executor.predict([rows], outputs: [0], scratch: executor.makeScratch())
    guard case .tensor(let got) = values[0] else {
      Issue.record("maps")
      return
    }
    let want = Tensor([0, 1, 2, 21, 24, 27] as [Float], shape: Shape(2, 3))
    #expect(difference(got, want, rtol: 0, atol: 0) == nil)
  }

  @Test func `data that passes the end of its file is an error`() {
    let error = #expect(throws: ModelFormatError.self) {
      try ONNXModel.load(path: folder + "/too-long.onnx")
    }
    #expect(error?.description.contains("4096 on are wanted; 'weights.bin' has 112") == true)
  }
}
