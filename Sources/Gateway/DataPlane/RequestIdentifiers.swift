internal import Serving
internal import Synchronization

/// Makes the identifier of each request: a version 4 UUID that no other request has.
///
/// 64 bits are a counter mixed one to one, so they never repeat in a process; 58 are random for
/// each process. It costs no call of the random generator, and tells nobody the counter.
struct RequestIdentifiers: ~Copyable, Sendable {
  private let counter: Atomic<UInt64>
  private let processBits: UInt64

  init(
    seed: UInt64 = .random(in: .min ... .max), processBits: UInt64 = .random(in: .min ... .max)
  ) {
    counter = Atomic(seed)
    self.processBits = processBits
  }

  func next() -> RequestIdentifier {
    let mixed = mixedBits(
      counter.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue)
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
  var text: String {
    String(unsafeUninitializedCapacity: RequestIdentifier.byteCount) { write(to: $0) }
  }

  func append(to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: RequestIdentifier.byteCount) { text in
      _ = write(to: text)
      bytes.append(contentsOf: text)
    }
  }

  /// - Returns: How many bytes were written: all.
  func write(to text: UnsafeMutableBufferPointer<UInt8>) -> Int {
    var position = 0
    for index in 0..<32 {
      if index == 8 || index == 12 || index == 16 || index == 20 {
        text[position] = UInt8(ascii: "-")
        position += 1
      }
      let word = index < 16 ? high : low
      let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - index % 16 * 4)) & 0xF
      text[position] = digit < 10 ? digit + UInt8(ascii: "0") : digit - 10 + UInt8(ascii: "a")
      position += 1
    }
    return position
  }
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
