/// An endpoint's key: `swk_`, 43 base64url characters of 256 random bits, 6 of a checksum.
///
/// The prefix and the checksum let a scanner find a leaked key without false alarms. The checksum
/// is the first 36 bits of the SHA-256 of what stands before it.
package enum EndpointKey {
  package static func make() -> String { make(prefix: prefix) }

  /// Whether the checksum fits. Keys given from files need not have this form.
  package static func isWellFormed(_ key: String) -> Bool { isWellFormed(key, prefix: prefix) }

  private static let prefix = "swk_"

  /// - Parameter prefix: Four characters that tell what the key opens.
  static func make(prefix: String) -> String {
    let key = prefix + base64URL(SecureRandom.bytes(32))
    return key + checksum(key)
  }

  static func isWellFormed(_ key: String, prefix: String) -> Bool {
    let bytes = Array(key.utf8)
    guard bytes.count == 53, bytes.starts(with: prefix.utf8),
      bytes[4...].allSatisfy(alphabet.contains)
    else { return false }
    let body = String(decoding: bytes[..<47], as: UTF8.self)
    return equalInConstantTime(Array(checksum(body).utf8).span, bytes.span.extracting(47...))
  }

  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  private static func checksum(_ text: String) -> String {
    String(base64URL(Array(SHA256.bytes(of: Array(text.utf8))[..<5])).prefix(6))
  }

  /// Base64 of RFC 4648 §5, without padding.
  private static func base64URL(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    var waiting: UInt32 = 0
    var bitCount = 0
    for byte in bytes {
      waiting = waiting << 8 | UInt32(byte)
      bitCount += 8
      while bitCount >= 6 {
        bitCount -= 6
        text.append(alphabet[Int(waiting >> UInt32(bitCount) & 63)])
      }
    }
    if bitCount > 0 { text.append(alphabet[Int(waiting << UInt32(6 - bitCount) & 63)]) }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Compares without telling by its time where the first difference is. The lengths are no secret.
package func equalInConstantTime(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  // Eight bytes at a time, every one of them whatever the ones before said.
  var difference: UInt64 = 0
  var index = 0
  while index + 8 <= left.count {
    difference |= unsafe word(left, at: index) ^ word(right, at: index)
    index += 8
  }
  while index < left.count {
    difference |= UInt64(left[index] ^ right[index])
    index += 1
  }
  return difference == 0
}

/// Precondition: eight bytes are there.
@unsafe
private func word(_ bytes: Span<UInt8>, at index: Int) -> UInt64 {
  unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
}
