import Foundation
import FuzzReaders
import Mutants
import Testing

/// The fuzzer's seeds and mutants of them as plain tests: each is an error or a value, never a
/// trap.
@Suite struct SeedTests {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fuzz/Seeds")

  static func seeds(_ reader: FuzzedReader) throws -> [(name: String, bytes: [UInt8])] {
    let folder = folder.appendingPathComponent(reader.rawValue)
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
      ($0, Array(try Data(contentsOf: folder.appendingPathComponent($0))))
    }
  }

  @Test(arguments: FuzzedReader.allCases)
  func `O18 · every seed is taken by its reader`(reader: FuzzedReader) throws {
    let seeds = try Self.seeds(reader)
    #expect(seeds.count >= 4)
    for seed in seeds where !seed.name.hasPrefix("crash-") {
      #expect(seed.bytes.withUnsafeBytes { reader.read($0) }, "\(seed.name)")
    }
    for seed in seeds where seed.name.hasPrefix("crash-") {
      seed.bytes.withUnsafeBytes { _ = reader.read($0) }
    }
  }

  /// Bit flips, cuts, and bytes that lie about lengths, the same ones at every run.
  @Test(arguments: FuzzedReader.allCases)
  func `O18 · five hundred mutants of a reader's seeds are errors or values`(
    reader: FuzzedReader
  ) throws {
    for bytes in try Self.mutants(of: reader) { bytes.withUnsafeBytes { _ = reader.read($0) } }
  }

  // Those of models: `MutantTrial`.

  @Test func `O18 · five hundred mutants of bodies are read within their memory`() async {
    await #expect(processExitsWith: .success) { try SeedTests.readMutantsWithinMemory(of: .body) }
  }

  @Test func `five hundred mutants of rows are read within their memory`() async {
    await #expect(processExitsWith: .success) { try SeedTests.readMutantsWithinMemory(of: .rows) }
  }

  @Test func `five hundred mutants of YAML are read within their memory`() async {
    await #expect(processExitsWith: .success) { try SeedTests.readMutantsWithinMemory(of: .yaml) }
  }

  /// For a process of its own: a reader that wants more memory ends it.
  static func readMutantsWithinMemory(of reader: FuzzedReader) throws {
    // What is set up once is no part of a file.
    for seed in try seeds(reader) { seed.bytes.withUnsafeBytes { _ = reader.read($0) } }
    for bytes in try mutants(of: reader) {
      MutantTrial.within(bytes: MutantTrial.maxAllocation(fileBytes: bytes.count)) {
        bytes.withUnsafeBytes { _ = reader.read($0) }
      }
    }
  }

  static func mutants(of reader: FuzzedReader) throws -> [[UInt8]] {
    let seeds = try Self.seeds(reader)
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    func random(below bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(max(bound, 1)))
    }
    return (0..<500).map { round in
      var bytes = seeds[round % seeds.count].bytes
      for _ in 0...random(below: 4) where !bytes.isEmpty {
        let place = random(below: bytes.count)
        switch random(below: 4) {
        case 0: bytes[place] ^= 1 << UInt8(random(below: 8))
        case 1: bytes.removeSubrange(place...)
        case 2: bytes[place] = [0, 0x7F, 0x80, 0xFF][random(below: 4)]
        default: bytes.insert(contentsOf: bytes[place...].prefix(random(below: 16)), at: place)
        }
      }
      return bytes
    }
  }
}
