internal import Serving
internal import Telemetry

/// Makes the identifier of each request: a version 4 UUID that no other request has.
///
/// 64 bits are a number mixed one to one, so they never repeat in a process; 58 are random for
/// each process. It costs no call of the random generator, and tells nobody the counter.
struct RequestIdentifiers: Sendable {
  private let counts = ThreadShards()
  private let seed: UInt64
  private let processBits: UInt64

  init(
    seed: UInt64 = .random(in: .min ... .max), processBits: UInt64 = .random(in: .min ... .max)
  ) {
    self.seed = seed
    self.processBits = processBits
  }

  /// Of requests, so far.
  var count: UInt64 { counts.sum() }

  func next() -> RequestIdentifier {
    // Each shard has 2⁵⁶ numbers of its own.
    let (shard, count) = counts.next()
    let number = UInt64(shard) << 56 | count & (1 << 56 - 1)
    let mixed = mixedBits(seed &+ number &* 0x9E37_79B9_7F4A_7C15)
    // 48 bits, the version, 12 bits; the variant, the last 4 bits, and the process's.
    let high = (mixed & ~0xFFFF) | 0x4000 | (mixed >> 4 & 0xFFF)
    let low = 0x8000_0000_0000_0000 | (mixed & 0xF) << 58 | processBits >> 6
    return RequestIdentifier(high: high, low: low)
  }
}

/// A request's identifier, printed as a UUID where it is needed.
struct RequestIdentifier: Hashable, Sendable {
  var high: UInt64
  var low: UInt64

  static let byteCount = 36

  /// Lower-case text as in RFC 9562.
  var text: String { withText { String(decoding: $0, as: UTF8.self) } }

  /// Runs `body` with the text's bytes.
  func withText<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: RequestIdentifier.byteCount) { text in
      write(to: UnsafeMutableRawBufferPointer(text))
      return body(UnsafeBufferPointer(text))
    }
  }

  private func write(to text: UnsafeMutableRawBufferPointer) {
    let hyphen = UInt8(ascii: "-")
    let second = hexDigits(UInt32(truncatingIfNeeded: high))
    let third = hexDigits(UInt32(truncatingIfNeeded: low >> 32))
    text.storeBytes(of: hexDigits(UInt32(truncatingIfNeeded: high >> 32)), as: UInt64.self)
    text.storeBytes(of: hyphen, toByteOffset: 8, as: UInt8.self)
    text.storeBytes(of: UInt32(truncatingIfNeeded: second), toByteOffset: 9, as: UInt32.self)
    text.storeBytes(of: hyphen, toByteOffset: 13, as: UInt8.self)
    text.storeBytes(of: UInt32(second >> 32), toByteOffset: 14, as: UInt32.self)
    text.storeBytes(of: hyphen, toByteOffset: 18, as: UInt8.self)
    text.storeBytes(of: UInt32(truncatingIfNeeded: third), toByteOffset: 19, as: UInt32.self)
    text.storeBytes(of: hyphen, toByteOffset: 23, as: UInt8.self)
    text.storeBytes(of: UInt32(third >> 32), toByteOffset: 24, as: UInt32.self)
    text.storeBytes(
      of: hexDigits(UInt32(truncatingIfNeeded: low)), toByteOffset: 28, as: UInt64.self)
  }
}

/// Eight lower-case digits, the first in the lowest byte: as they stand in memory.
private func hexDigits(_ word: UInt32) -> UInt64 {
  // Each half byte gets a byte of its own, in three steps.
  var digits = UInt64(word.byteSwapped)
  digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
  digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
  digits = (digits & 0x000F_000F_000F_000F) << 8 | (digits >> 4) & 0x000F_000F_000F_000F
  // Six more than ten or above carries into bit 4.
  let isLetter = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
  return digits &+ 0x3030_3030_3030_3030 &+ isLetter &* 0x27
}

/// What is left of a caller's own request id: `[A-Za-z0-9_-]`, at most 40 characters.
func clientRequestIdentifier(_ text: String) -> String? {
  var kept: [UInt8] = []
  for byte in text.utf8 where kept.count < 40 {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      kept.append(byte)
    default: continue
    }
  }
  return kept.isEmpty ? nil : String(decoding: kept, as: UTF8.self)
}
