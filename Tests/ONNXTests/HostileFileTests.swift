import Executors
import Foundation
import ONNX
import Tensors
import Testing

@Suite struct HostileFileTests {
  private func load(_ bytes: [UInt8]) throws {
    let path = NSTemporaryDirectory() + "/swerve-\(UUID().uuidString).onnx"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let executor = try ONNXModel.load(path: path)
    // What still loads must run or fail, and never trap.
    let inputs = executor.signature.inputs.map { input in
      (try? Shape(checking: input.shape.map { min($0 ?? 2, 64) })).map {
        Tensor(input.elementType, shape: $0)
      }
    }
    _ = try executor.predict(
      inputs, outputs: Array(executor.signature.outputs.indices), scratch: executor.makeScratch())
  }

  private func seed(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "\(Fixtures.folder)/\(name).onnx")))
  }

  @Test(arguments: ["Gemm_weights", "LinearClassifier_3_SOFTMAX"])
  func `a file cut off anywhere is an error or a smaller model, never a trap`(
    name: String
  ) throws {
    let bytes = try seed(name)
    var failures = 0
    for count in 1..<bytes.count {
      do { try load(Array(bytes[..<count])) } catch { failures += 1 }
    }
    #expect(failures > bytes.count / 2)
  }

  @Test(arguments: ["Gemm_weights", "LinearClassifier_3_SOFTMAX", "Slice_9", "Transpose_perm"])
  func `no single changed byte is a trap`(name: String) throws {
    let bytes = try seed(name)
    for place in bytes.indices {
      for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF, bytes[place] ^ 1, bytes[place] &+ 1] {
        var changed = bytes
        changed[place] = value
        do { try load(changed) } catch { continue }
      }
    }
  }

  @Test(
    arguments: [
      [0x80], [0x08], [0x3A, 0x05], [0x0F, 0x00], [0x00, 0x01], [0x0B], [0x0C],
      [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
      [0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
      [0x3D, 0, 0, 0, 0],
    ] as [[UInt8]])
  func `broken wire data is malformed`(bytes: [UInt8]) {
    #expect(throws: ModelFormatError.self) { try load(bytes) }
  }

  @Test(arguments: [
    ("cycle", "it needs its own output"),
    ("missing-input", "its input 'nowhere' is computed nowhere"),
    ("unknown-operator", "operator FooBar (node 'n3', opset 17)"),
    ("unknown-attribute", "has no attribute 'slope'"),
    ("two-producers", "the value 'y' has been given already"),
    ("newer-opset", "the newest known version of ai.onnx is 28"),
    ("outside", "external data must lie below the model's folder"),
    ("overflow", "the number of elements overflows"),
    ("overflow-bits", "takes 1152921504606846976 bytes; the file has 0"),
    ("sparse-many", "save weights densely"),
    ("recursive-function", "function 'A' calls itself"),
    ("exploding-functions", "more than 1048576 nodes"),
    ("branch-types", "its branches give different types"),
    ("dropout-training", "with training_mode true it drops values by chance"),
  ])
  func `a graph that cannot be run is refused with the reason`(name: String, reason: String) {
    let error = #expect(throws: ModelFormatError.self) {
      try ONNXModel.load(path: "\(Fixtures.folder)/broken/\(name).onnx")
    }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  /// The limits of 64-bit integers are infinite in half precision.
  @Test(arguments: [
    ([1, 1, 2, 2], true), ([1, 1, 0.5, 2], false), ([1, 1, .infinity, 2], false),
  ])
  func `Upsample's own scales are looked at when it is loaded`(
    scales: [Float], isRun: Bool
  ) throws {
    let list = ModelBytes.field(7, scales.withUnsafeBytes(Array.init))
    let node =
      ModelBytes.node("Upsample", ["x"], "y")
      + ModelBytes.field(5, ModelBytes.text(1, "scales") + list + ModelBytes.number(20, 6))
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: [node], tensors: [], inputs: [ModelBytes.value("x", [nil, 1, 2, 2])],
        output: ModelBytes.value("y", [nil, nil, nil, nil]), opset: 7))
    defer { try? FileManager.default.removeItem(atPath: path) }
    if isRun {
      _ = try ONNXModel.load(path: path)
    } else {
      let error = #expect(throws: ModelFormatError.self) { try ONNXModel.load(path: path) }
      #expect("\(try #require(error))".contains("Upsample takes 1 or more"))
    }
  }

  @Test func `an infinite half is an integer too, in a request and in a file`() throws {
    let executor = try ONNXModel.load(path: "\(Fixtures.folder)/check/half-to-integer.onnx")
    let inputs = Tensor([-1e5, 1e5, .nan, -3.9] as [Float], shape: Shape(2, 2))
    let values = try executor.predict([inputs], outputs: [0], scratch: executor.makeScratch())
    guard case .tensor(let tensor)? = values.first else {
      Issue.record("no tensor")
      return
    }
    let numbers = tensor.values(as: Int64.self)
    #expect(numbers.indices.map { numbers[$0] } == [.min, .min, .min, -3])
    #expect(throws: Never.self) {
      try ONNXModel.load(path: "\(Fixtures.folder)/check/fold-infinite-half.onnx")
    }
  }
}
