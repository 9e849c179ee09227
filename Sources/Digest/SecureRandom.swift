internal import CGnuTLS

/// Random bytes fit for keys.
package enum SecureRandom {
  package static func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    guard count > 0 else { return bytes }
    let status = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe gnutls_rnd(GNUTLS_RND_KEY, buffer.baseAddress, buffer.count)
    }
    // Going on would make keys that somebody can guess.
    precondition(status == 0, "GnuTLS has no random bytes (error \(status))")
    return bytes
  }

  /// A version 4 UUID in lowercase.
  package static func uuid() -> String {
    var bytes = bytes(16)
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    return [bytes[0..<4], bytes[4..<6], bytes[6..<8], bytes[8..<10], bytes[10..<16]]
      .map { hexadecimal($0) }
      .joined(separator: "-")
  }
}
