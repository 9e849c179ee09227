import Executors
import Foundation
import Glibc
import Mutants
import ONNX
import Tensors
import Testing

/// What `MutantTrial` says, of ONNX files.
@Suite struct MutantModelTests {
  @Test func `500 mutants of ONNX files are refused or run within their memory`() async {
    await #expect(processExitsWith: .success) {
      try MutantModelTests.loadMutants(count: 500, seed: 4)
    }
  }

  /// Some of every kind: single operators, control flow, functions, layers.
  private static func seeds() -> [[UInt8]] {
    let wanted = [
      "If", "Loop", "Scan", "functions", "sparse", "LSTM of a batch", "Conv", "Resize", "Gather",
    ]
    var seeds: [[UInt8]] = []
    for word in wanted {
      if let found = StandardCase.all.last(where: { $0.name.contains(word) && $0.outputs != nil }) {
        seeds.append(Array(found.model))
      }
    }
    let sound = StandardCase.all.filter { $0.outputs != nil }
    for (index, standard) in sound.enumerated() where index % 97 == 0 {
      seeds.append(Array(standard.model))
    }
    return seeds
  }

  private static func loadMutants(count: Int, seed: UInt64) throws {
    let path = NSTemporaryDirectory() + "/swerve-mutant-\(UUID().uuidString).onnx"
    defer { unlink(path) }
    let trial = MutantTrial(lengths: .varints) { file throws(ModelFormatError) in
      write(file, to: path)
      return try ONNXModel.load(path: path)
    } score: { model throws(ExecutorError) in
      let inputs = model.signature.inputs.map { input in
        (try? Shape(checking: input.shape.map { min($0 ?? 2, 16) })).map {
          Tensor(input.elementType, shape: $0)
        }
      }
      let scratch = model.makeScratch()
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      scratch.deadline = UInt64(time.tv_sec + 2) * 1_000_000_000
      _ = try model.predict(
        inputs, outputs: Array(model.signature.outputs.indices), scratch: scratch)
    }
    trial.run(seeds: seeds(), count: count, seed: seed)
  }

  /// Allocates nothing, for the limit counts.
  private static func write(_ file: [UInt8], to path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    let count = Glibc.write(descriptor, file, file.count)
    precondition(descriptor >= 0 && count == file.count, "\(path) cannot be written")
    close(descriptor)
  }
}
