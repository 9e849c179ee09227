import Executors
import Foundation
import Glibc
import ONNX
import Tensors
import Testing

/// Models with bits flipped, ends cut off and lengths changed: an error each, or a model that runs
/// or says why not; never a trap, and never more memory to load than four times the file and a
/// mebibyte.
///
/// The memory is not counted but limited, in a process of its own (`RLIMIT_AS`), so that what is
/// only set aside counts as well. A load that wants more ends the process, and with it the test.
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
    for (index, standard) in StandardCase.all.enumerated() where index % 97 == 0 {
      seeds.append(Array(standard.model))
    }
    return seeds
  }

  private static func loadMutants(count: Int, seed: UInt64) throws {
    var random = MutantRandom(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
    let seeds = seeds()
    precondition(seeds.count > 20)
    let path = NSTemporaryDirectory() + "/swerve-mutant-\(UUID().uuidString).onnx"
    defer { unlink(path) }
    for file in seeds { _ = try loadWithinLimit(file, path) }
    var refused = 0
    for index in 0..<count {
      let (model, error) = try loadWithinLimit(mutated(seeds[index % seeds.count], &random), path)
      guard let model else {
        precondition(error?.description.isEmpty == false)
        refused += 1
        continue
      }
      let inputs = model.signature.inputs.map { input in
        (try? Shape(checking: input.shape.map { min($0 ?? 2, 16) })).map {
          Tensor(input.elementType, shape: $0)
        }
      }
      let scratch = model.makeScratch()
      var time = timespec()
      clock_gettime(CLOCK_MONOTONIC, &time)
      scratch.deadline = UInt64(time.tv_sec + 2) * 1_000_000_000
      do {
        _ = try model.predict(
          inputs, outputs: Array(model.signature.outputs.indices), scratch: scratch)
      } catch {
        precondition(!error.description.isEmpty)
      }
    }
    precondition(refused > count / 4 && refused < count, "\(refused) of \(count)")
  }

  private static func loadWithinLimit(
    _ file: [UInt8], _ path: String
  ) throws -> ((any ModelExecutor)?, ModelFormatError?) {
    try Data(file).write(to: URL(fileURLWithPath: path))
    var previous = rlimit()
    try #require(getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &previous) == 0)
    var limit = previous
    limit.rlim_cur = rlim_t(addressSpace() + 4 * file.count + (1 << 20))
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
    defer { setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &previous) }
    do {
      return (try ONNXModel.load(path: path), nil)
    } catch { return (nil, error) }
  }

  /// Bytes of this process's address space.
  private static func addressSpace() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard fgets(&text, 128, file) != nil else { return 0 }
    return strtol(text, nil, 10) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  private static func mutated(_ file: [UInt8], _ random: inout MutantRandom) -> [UInt8] {
    var bytes = file
    switch random.below(7) {
    case 0:
      bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8))
    case 1:
      for _ in 0..<8 { bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8)) }
    case 2:
      bytes.removeLast(1 + random.below(bytes.count - 1))
    case 3:
      // A length or a dimension that lies: one byte of a number becomes a long one.
      let lies: [[UInt8]] = [
        [0xFF, 0xFF, 0xFF, 0xFF, 0x07], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x80, 0x80, 0x80, 0x02],
        [0x00], [0x7F],
      ]
      let place = random.below(bytes.count)
      bytes.replaceSubrange(place..<(place + 1), with: lies[random.below(lies.count)])
    case 4:
      let start = random.below(bytes.count)
      bytes.removeSubrange(start..<min(bytes.count, start + 1 + random.below(64)))
    case 5:
      let start = random.below(bytes.count)
      let piece = Array(bytes[start..<min(bytes.count, start + 1 + random.below(256))])
      bytes.insert(contentsOf: piece, at: random.below(bytes.count))
    default:
      let start = random.below(bytes.count)
      for index in start..<min(bytes.count, start + 1 + random.below(16)) {
        bytes[index] = UInt8(random.below(256))
      }
    }
    return bytes
  }
}

private struct MutantRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  mutating func below(_ end: Int) -> Int { Int(next() % UInt64(max(end, 1))) }
}
