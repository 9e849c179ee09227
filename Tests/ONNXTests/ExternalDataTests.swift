import Executors
import Foundation
import Glibc
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

  /// A model beside the files that its tensors lie in.
  private static func package(
    _ tensors: [[UInt8]], _ nodes: [[UInt8]], type: Int = 1, _ shape: [Int]
  ) throws -> String {
    let folder = NSTemporaryDirectory() + "/swerve-external-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let model = ModelBytes.model(
      nodes: nodes, tensors: tensors, inputs: [ModelBytes.value("x", [nil])],
      output: ModelBytes.value("y", type: type, shape))
    try Data(model).write(to: URL(fileURLWithPath: folder + "/model.onnx"))
    return folder
  }

  private static func external(_ name: String, _ type: Int, _ shape: [Int], _ file: String)
    -> [UInt8]
  {
    ModelBytes.tensor(
      name, type: type, shape: shape,
      data: ModelBytes.field(13, ModelBytes.text(1, "location") + ModelBytes.text(2, file))
        + ModelBytes.number(14, 1))
  }

  @Test func `a FIFO instead of data is refused and not waited for`() async {
    await #expect(processExitsWith: .success) {
      let folder = try ExternalDataTests.package(
        [ExternalDataTests.external("w", 1, [4], "weights.bin")],
        [ModelBytes.node("Add", ["x", "w"], "y")], [4])
      defer { try? FileManager.default.removeItem(atPath: folder) }
      mkfifo(folder + "/weights.bin", 0o600)
      alarm(10)
      do {
        _ = try ONNXModel.load(path: folder + "/model.onnx")
        preconditionFailure("it loads")
      } catch {
        precondition("\(error)".contains("not a regular file"), "\(error)")
      }
    }
  }

  /// Integers of two bits take four times their file; a large one beside it makes room for them.
  @Test func `what tensors may take does not depend on which file comes first`() throws {
    let count = 1 << 20
    let small = Self.external("w", 26, [count], "small.bin")
    let large = Self.external("v", 1, [1 << 17], "large.bin")
    // Twice the same bytes, so that they pass four times their own size.
    let again = Self.external("u", 26, [count], "small.bin")
    let nodes = [ModelBytes.node("Identity", ["v"], "y")]
    for tensors in [[small, again, large], [large, small, again]] {
      let folder = try Self.package(tensors, nodes, [1 << 17])
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try Data(count: count / 4).write(to: URL(fileURLWithPath: folder + "/small.bin"))
      try Data(count: 1 << 19).write(to: URL(fileURLWithPath: folder + "/large.bin"))
      #expect(throws: Never.self) { try ONNXModel.load(path: folder + "/model.onnx") }
    }
  }

  /// An answer is read aligned: each initializer that is one costs a copy where it lies at an odd byte.
  @Test func `copies of outputs that lie at odd bytes are counted`() throws {
    let count = 1 << 18
    for copies in [3, 12] {
      var graph = ModelBytes.field(1, ModelBytes.node("Identity", ["x"], "y"))
      graph += ModelBytes.field(11, ModelBytes.value("x", [nil]))
      for copy in 0..<copies {
        let data =
          ModelBytes.field(13, ModelBytes.text(1, "location") + ModelBytes.text(2, "weights.bin"))
          + ModelBytes.field(13, ModelBytes.text(1, "offset") + ModelBytes.text(2, "1"))
        graph += ModelBytes.field(
          5,
          ModelBytes.tensor(
            "w\(copy)", type: 1, shape: [count], data: data + ModelBytes.number(14, 1)))
        graph += ModelBytes.field(12, ModelBytes.value("w\(copy)", [count]))
      }
      let folder = try Self.package([], [], [1])
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let model =
        ModelBytes.number(1, 8) + ModelBytes.field(8, ModelBytes.number(2, 17))
        + ModelBytes.field(7, graph)
      try Data(model).write(to: URL(fileURLWithPath: folder + "/model.onnx"))
      try Data(count: 4 * count + 1).write(to: URL(fileURLWithPath: folder + "/weights.bin"))
      do {
        _ = try ONNXModel.load(path: folder + "/model.onnx")
        #expect(copies == 3)
      } catch {
        #expect(copies == 12 && "\(error)".contains("output 'w4' needs a copy"), "\(error)")
      }
    }
  }
}
