import Glibc
import Tensors
import Testing

@testable import Executors

/// Models with bits flipped, ends cut off and lengths changed: an error each, or a model that can be
/// scored; never a trap, and never more memory than four times the file and a mebibyte.
///
/// The memory is not counted but limited: each load runs in a process of its own whose writable
/// memory may grow by just that much (`RLIMIT_DATA`): what is only set aside counts as well.
/// A load that wants more ends the process, and with it the test.
@Suite struct MutantModelTests {
  @Test func `500 mutants of XGBoost JSON are refused or run within their memory`() async {
    await #expect(processExitsWith: .success) {
      try MutantModelTests.loadMutants(
        of: [
          "xgb_softmax.json", "xgb_vector_json.json", "xgb_linear_binary.json", "xgb_frame.json",
          "xgb_dart_classes.json", "xgb_1_0_2_dart.json", "xgb_onehot.json",
          "xgb_stopped.json", "xgb_1_7_6_onehot.json", "xgb_2_1_4_quantile.json",
        ], count: 500, seed: 1)
    }
  }

  @Test func `500 mutants of XGBoost UBJSON are refused or run within their memory`() async {
    await #expect(processExitsWith: .success) {
      try MutantModelTests.loadMutants(
        of: [
          "xgb_softprob.ubj", "xgb_vector_ubj.ubj", "xgb_linear_softprob.ubj", "xgb_frame_ubj.ubj",
          "xgb_stopped_dart.ubj", "xgb_2_1_4_vector.ubj", "xgb_far_category.ubj",
          "xgb_quantile.ubj", "xgb_1_7_6_categorical.ubj", "xgb_categorical.ubj",
        ], count: 500, seed: 2)
    }
  }

  @Test func `500 mutants of LightGBM text are refused or run within their memory`() async {
    await #expect(processExitsWith: .success) {
      try MutantModelTests.loadMutants(
        of: [
          "lgb_categorical.txt", "lgb_linear.txt", "lgb_frame.txt", "lgb_forest_classes.txt",
          "lgb_zero.txt", "lgb_2_2_3_categorical.txt", "lgb_linear_categories.txt",
          "lgb_3_3_5_linear.txt", "lgb_leaf_only.txt", "lgb_ova.txt",
        ], count: 500, seed: 3)
    }
  }

  @Test func `a model of megabytes takes four times its file at most`() async {
    await #expect(processExitsWith: .success) {
      let file = try MutantModelTests.manyTrees(copies: 400)
      precondition(file.count > 2 << 20)
      let (model, _) = try MutantModelTests.loadWithinLimit(file)
      precondition(model?.summary.hasSuffix("2400 trees") == true)
    }
  }

  /// A sound small model with its trees many times over.
  private static func manyTrees(copies: Int) throws -> [UInt8] {
    let text = String(
      decoding: try Fixtures.bytes("\(Fixtures.folder)/xgb_binary.json"), as: UTF8.self)
    let start = try #require(text.firstRange(of: "\"trees\":[")).upperBound
    let end = try #require(text.firstRange(of: "]},\"name\":\"gbtree\"")).lowerBound
    let trees = [Substring](repeating: text[start..<end], count: copies).joined(separator: ",")
    let infos = [String](repeating: "0", count: copies * 6).joined(separator: ",")
    let whole = text[..<start] + trees + text[end...]
    return Array(
      whole.replacing("\"num_trees\":\"6\"", with: "\"num_trees\":\"\(copies * 6)\"")
        .replacing("\"tree_info\":[0,0,0,0,0,0]", with: "\"tree_info\":[\(infos)]").utf8)
  }

  private static func loadMutants(of names: [String], count: Int, seed: UInt64) throws {
    var random = Xorshift(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
    let seeds = try names.filter { Fixtures.models.contains($0) }.map {
      try Fixtures.bytes("\(Fixtures.folder)/\($0)")
    }
    precondition(seeds.count >= 9)
    for (index, file) in seeds.enumerated() {
      let (model, _) = try loadWithinLimit(file)
      precondition(model != nil, "seed \(index) does not load")
    }
    var refused = 0
    for index in 0..<count {
      let mutant = mutated(seeds[index % seeds.count], &random)
      let (model, error) = try loadWithinLimit(mutant)
      guard let model else {
        precondition(error?.description.isEmpty == false)
        refused += 1
        continue
      }
      guard let width = model.signature.inputs[0].shape[1], width < 1000 else { continue }
      let rows = Tensor(model.signature.inputs[0].elementType, shape: Shape(3, width))
      _ = try model.predict(
        [rows], outputs: Array(model.signature.outputs.indices), scratch: model.makeScratch())
    }
    // Most of a text's bits are digits of thresholds: many mutants are sound models.
    precondition(refused > count / 4 && refused < count, "\(refused) of \(count)")
  }

  private static func loadWithinLimit(
    _ file: [UInt8]
  ) throws -> ((any ModelExecutor)?, ModelFormatError?) {
    giveBackFreeMemory()
    var previous = rlimit()
    try #require(getrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &previous) == 0)
    var limit = previous
    limit.rlim_cur = rlim_t(writableMemory() + 4 * file.count + (1 << 20))
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit) == 0)
    defer { setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &previous) }
    do {
      return (try NativeModel.load(bytes: file.span.bytes, path: "mutant"), nil)
    } catch { return (nil, error) }
  }

  /// What earlier loads have left behind is no free room for the next one: large blocks go back
  /// to the system when they are freed, and the heap's end now.
  private static func giveBackFreeMemory() {
    // <malloc.h> is not in the module Glibc.
    guard let mallopt = dlsym(nil, "mallopt"), let trim = dlsym(nil, "malloc_trim") else {
      preconditionFailure("glibc has no mallopt")
    }
    let setOption = unsafeBitCast(mallopt, to: (@convention(c) (Int32, Int32) -> Int32).self)
    // M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
    precondition(setOption(-3, 32 << 10) == 1 && setOption(-1, 32 << 10) == 1)
    _ = unsafeBitCast(trim, to: (@convention(c) (Int) -> Int32).self)(0)
  }

  /// Bytes of this process that `RLIMIT_DATA` counts.
  private static func writableMemory() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { preconditionFailure("no status") }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if text.hasPrefix("VmData:"), let kilobytes = Int(text.filter { $0.isNumber }) {
        return kilobytes << 10
      }
    }
    preconditionFailure("/proc/self/status has no VmData")
  }

  private static func mutated(_ file: [UInt8], _ random: inout Xorshift) -> [UInt8] {
    var bytes = file
    switch random.below(7) {
    case 0:
      bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8))
    case 1:
      for _ in 0..<8 { bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8)) }
    case 2:
      bytes.removeLast(1 + random.below(bytes.count - 1))
    case 3:
      // A length, a count or an index that lies: digits in text, eight bytes behind 'L' in UBJSON.
      let start = random.below(bytes.count)
      let isUBJSON = bytes.starts(with: [UInt8(ascii: "{"), UInt8(ascii: "L")])
      let lies = [
        "99999999999999999999", "2147483647", "4294967296", "-1", "1e308", "nan", "65536",
      ]
      if isUBJSON, let place = bytes[start...].firstIndex(of: UInt8(ascii: "L")),
        place + 8 < bytes.count
      {
        let lie: [UInt64] = [1 << 40, 1 << 62, .max, 65536, 0, 7, UInt64(bytes.count)]
        let value = lie[random.below(lie.count)]
        for index in 0..<8 {
          bytes[place + 1 + index] = UInt8(value >> UInt64(56 - 8 * index) & 255)
        }
      } else if let first = bytes[start...].firstIndex(where: { $0 >= 48 && $0 <= 57 }) {
        let end = bytes[first...].firstIndex { $0 < 48 || $0 > 57 } ?? bytes.count
        bytes.replaceSubrange(first..<end, with: Array(lies[random.below(lies.count)].utf8))
      }
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

struct Xorshift {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  mutating func below(_ end: Int) -> Int { Int(next() % UInt64(max(end, 1))) }
}
