import Executors
import Glibc
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

  /// Sorting is one long step: it asks for the deadline itself.
  @Test func `looking for what is there once ends with its deadline`() throws {
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: [ModelBytes.node("Unique", ["x"], "y")], tensors: [],
        inputs: [ModelBytes.value("x", [nil])], output: ModelBytes.value("y", [nil])))
    defer { unlink(path) }
    let model = try ONNXModel.load(path: path)
    let scratch = model.makeScratch()
    let count = 400_000
    let values = Tensor((0..<count).map { Float($0 &* 7919 % count) }, shape: Shape(count))
    let clock = ContinuousClock()
    // The shortest of some: a host may take the CPU from one.
    let times = try (0..<3).map { _ in
      try clock.measure { _ = try model.predict([values], outputs: [0], scratch: scratch) }
    }
    let whole = try #require(times.min())
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    // Later than the step begins, long before it ends.
    let nanoseconds = UInt64(whole / .nanoseconds(1)) / 10
    scratch.deadline = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec) + nanoseconds
    #expect(throws: ExecutorError.deadlinePassed) {
      try model.predict([values], outputs: [0], scratch: scratch)
    }
  }

  @Test func `the largest of many are found in their order, and not after the deadline`() throws {
    let count = 400_000
    let most = count / 8
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: [ModelBytes.node("TopK", ["x", "k"], "y")],
        tensors: [
          ModelBytes.tensor(
            "k", type: 7, shape: [1], data: ModelBytes.field(7, ModelBytes.varint(most)))
        ],
        inputs: [ModelBytes.value("x", [nil])], output: ModelBytes.value("y", [nil])))
    defer { unlink(path) }
    let model = try ONNXModel.load(path: path)
    let scratch = model.makeScratch()
    // Each is larger than all before it.
    let values = Tensor((0..<count).map { Float($0) }, shape: Shape(count))
    guard case .tensor(let found) = try model.predict([values], outputs: [0], scratch: scratch)[0]
    else {
      Issue.record("no tensor")
      return
    }
    let largest = found.values(as: Float.self)
    #expect(largest.count == most)
    #expect(largest.indices.allSatisfy { largest[$0] == Float(count - 1 - $0) })
    scratch.deadline = 1
    #expect(throws: ExecutorError.deadlinePassed) {
      try model.predict([values], outputs: [0], scratch: scratch)
    }
  }

  /// A product is one step too.
  @Test(arguments: [7, 1]) func `a large product ends with its deadline`(type: Int) throws {
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: [ModelBytes.node("MatMul", ["x", "x"], "y")], tensors: [],
        inputs: [ModelBytes.value("x", type: type, [nil, nil])],
        output: ModelBytes.value("y", type: type, [nil, nil])))
    defer { unlink(path) }
    let model = try ONNXModel.load(path: path)
    let scratch = model.makeScratch()
    // Some seconds without optimisation, and as many with it.
    let size = type == 1 ? 6000 : 1000
    let values = Tensor(type == 1 ? .float32 : .int64, shape: Shape(size, size))
    let clock = ContinuousClock()
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    // Later than the step begins.
    scratch.deadline = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec) + 200_000_000
    let taken = clock.measure {
      #expect(throws: ExecutorError.deadlinePassed) {
        try model.predict([values], outputs: [0], scratch: scratch)
      }
    }
    print("a product with 0.2 s ended after \(taken)")
  }
}
