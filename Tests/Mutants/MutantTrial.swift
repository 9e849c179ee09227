import AllocationLimit
package import Executors

#if canImport(Glibc)
  import Glibc
#endif

/// Models with bits flipped, ends cut off and lengths changed: an error each, or a model that can
/// be scored; never a trap, and never more memory to load than four times the file and a mebibyte.
///
/// For a process of its own (`processExitsWith`): a load that wants more memory ends it. So does
/// a precondition here.
package struct MutantTrial {
  /// How the format writes the numbers that a mutant lies about.
  package enum Lengths {
    /// As digits, in text.
    case digits
    /// In eight bytes behind an `L`.
    case ubjson
    /// Seven bits a byte.
    case varints
  }

  package var lengths: Lengths
  package var load: ([UInt8]) throws(ModelFormatError) -> any ModelExecutor
  /// Whatever it throws is an answer too, when it says something.
  package var score: (any ModelExecutor) throws(ExecutorError) -> Void

  package init(
    lengths: Lengths, load: @escaping ([UInt8]) throws(ModelFormatError) -> any ModelExecutor,
    score: @escaping (any ModelExecutor) throws(ExecutorError) -> Void
  ) {
    self.lengths = lengths
    self.load = load
    self.score = score
  }

  /// The most that reading a file may allocate beside what there was.
  package static func maxAllocation(fileBytes: Int) -> Int { 4 * fileBytes + (1 << 20) }

  /// Every seed loads within the limit; then so many mutants of them are refused or run.
  package func run(seeds: [[UInt8]], count: Int, seed: UInt64) {
    var random = Xorshift(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
    precondition(seeds.count >= 9, "\(seeds.count) seeds")
    // What is set up once, such as the table of operators, is no part of a file.
    for file in seeds { _ = try? load(file) }
    for (index, file) in seeds.enumerated() {
      if case .failure(let error) = loadWithinLimit(file) {
        preconditionFailure("seed \(index) does not load: \(error)")
      }
    }
    var refused = 0
    for index in 0..<count {
      switch loadWithinLimit(mutant(of: seeds[index % seeds.count], &random)) {
      case .failure(let error):
        precondition(!error.description.isEmpty)
        refused += 1
      case .success(let model):
        do {
          try score(model)
        } catch {
          precondition(!error.description.isEmpty)
        }
      }
    }
    // Many mutants are sound models: most of a file's bits are digits of numbers.
    precondition(refused > count / 4 && refused < count, "\(refused) of \(count)")
  }

  package func loadWithinLimit(
    _ file: [UInt8]
  ) -> Result<any ModelExecutor, ModelFormatError> {
    MutantTrial.within(bytes: MutantTrial.maxAllocation(fileBytes: file.count)) {
      () -> Result<any ModelExecutor, ModelFormatError> in
      do throws(ModelFormatError) {
        return .success(try load(file))
      } catch {
        return .failure(error)
      }
    }
  }

  /// Does on this thread what must not take more memory than this beside what there was.
  package static func within<Answer, Failure: Error>(
    bytes: Int, _ body: () throws(Failure) -> Answer
  ) throws(Failure) -> Answer {
    swerve_limit_allocation(bytes)
    defer { swerve_lift_allocation_limit() }
    return try body()
  }

  private func mutant(of file: [UInt8], _ random: inout Xorshift) -> [UInt8] {
    var bytes = file
    switch random.below(7) {
    case 0:
      bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8))
    case 1:
      for _ in 0..<8 { bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8)) }
    case 2:
      bytes.removeLast(1 + random.below(bytes.count - 1))
    case 3:
      lie(in: &bytes, &random)
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

  /// A length, a count or an index becomes another one.
  private func lie(in bytes: inout [UInt8], _ random: inout Xorshift) {
    let start = random.below(bytes.count)
    switch lengths {
    case .digits:
      let lies = [
        "99999999999999999999", "2147483647", "4294967296", "-1", "1e308", "nan", "65536",
      ]
      guard let first = bytes[start...].firstIndex(where: { $0 >= 48 && $0 <= 57 }) else { return }
      let end = bytes[first...].firstIndex { $0 < 48 || $0 > 57 } ?? bytes.count
      bytes.replaceSubrange(first..<end, with: Array(lies[random.below(lies.count)].utf8))
    case .ubjson:
      let lies: [UInt64] = [1 << 40, 1 << 62, .max, 65536, 0, 7, UInt64(bytes.count)]
      guard let place = bytes[start...].firstIndex(of: UInt8(ascii: "L")), place + 8 < bytes.count
      else { return }
      let value = lies[random.below(lies.count)]
      for index in 0..<8 {
        bytes[place + 1 + index] = UInt8(value >> UInt64(56 - 8 * index) & 255)
      }
    case .varints:
      let lies: [[UInt8]] = [
        [0xFF, 0xFF, 0xFF, 0xFF, 0x07], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x80, 0x80, 0x80, 0x02],
        [0x00], [0x7F],
      ]
      bytes.replaceSubrange(start..<(start + 1), with: lies[random.below(lies.count)])
    }
  }
}

/// Random numbers that are the same at every run.
package struct Xorshift {
  private var state: UInt64

  package init(state: UInt64) { self.state = state }

  package mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  package mutating func below(_ end: Int) -> Int { Int(next() % UInt64(max(end, 1))) }
}
