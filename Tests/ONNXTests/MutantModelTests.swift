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

  /// Where the fuzzer begins: control flow, functions, sparse, external, packed and typed weights.
  private static let fuzzSeeds = Corpus.packageRoot + "/Tests/Fuzz/Seeds/onnx"

  /// Some of every kind: single operators, layers, and the fuzzer's.
  private static func seeds() throws -> [[UInt8]] {
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
    for name in try FileManager.default.contentsOfDirectory(atPath: fuzzSeeds).sorted()
    where name.hasPrefix("graph_") {
      seeds.append(try Array(Data(contentsOf: URL(fileURLWithPath: "\(fuzzSeeds)/\(name)"))))
    }
    return seeds
  }

  private static func loadMutants(count: Int, seed: UInt64) throws {
    let folder = NSTemporaryDirectory() + "/swerve-mutant-\(UUID().uuidString)"
    let path = "\(folder)/model.onnx"
    mkdir(folder, 0o700)
    defer {
      unlink(path)
      unlink("\(folder)/weights.bin")
      rmdir(folder)
    }
    // What models with external data find beside them.
    write([UInt8](repeating: 1, count: 4096), to: "\(folder)/weights.bin")
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
    trial.run(seeds: try seeds(), count: count, seed: seed)
  }

  /// Allocates nothing, for the limit counts.
  private static func write(_ file: [UInt8], to path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    let count = Glibc.write(descriptor, file, file.count)
    precondition(descriptor >= 0 && count == file.count, "\(path) cannot be written")
    close(descriptor)
  }
}
