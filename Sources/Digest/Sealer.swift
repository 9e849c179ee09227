internal import CGnuTLS

/// Seals secrets that must be read back, with AES-256-GCM under the workspace's secret.
///
/// A sealed value is a format byte (1), a random nonce of 12 bytes, the encrypted bytes and a tag
/// of 16. The format byte is authenticated too.
package struct Sealer: Sendable {
  private static let format: UInt8 = 1
  private static let nonceCount = 12
  private static let tagCount = 16
  private let secret: [UInt8]

  /// - Parameter secret: 32 bytes.
  package init(secret: [UInt8]) {
    precondition(secret.count == 32, "a secret has 32 bytes, this one \(secret.count)")
    self.secret = secret
  }

  package func seal(_ plain: [UInt8]) -> [UInt8] {
    let nonce = SecureRandom.bytes(Self.nonceCount)
    var sealed = [UInt8](repeating: 0, count: plain.count + Self.tagCount)
    var sealedCount = sealed.count
    let status = unsafe withCipher { cipher in
      unsafe gnutls_aead_cipher_encrypt(
        cipher, nonce, nonce.count, [Self.format], 1, Self.tagCount, plain, plain.count, &sealed,
        &sealedCount)
    }
    precondition(status == 0 && sealedCount == sealed.count, "GnuTLS could not seal (\(status))")
    return [Self.format] + nonce + sealed
  }

  package func open(_ sealed: [UInt8]) throws(DigestError) -> [UInt8] {
    guard sealed.count >= 1 + Self.nonceCount + Self.tagCount, sealed[0] == Self.format else {
      throw .sealBroken
    }
    let nonce = Array(sealed[1..<(1 + Self.nonceCount)])
    let body = Array(sealed[(1 + Self.nonceCount)...])
    var plain = [UInt8](repeating: 0, count: body.count)
    var plainCount = plain.count
    let status = unsafe withCipher { cipher in
      unsafe gnutls_aead_cipher_decrypt(
        cipher, nonce, nonce.count, [Self.format], 1, Self.tagCount, body, body.count, &plain,
        &plainCount)
    }
    guard status == 0 else { throw .sealBroken }
    return Array(plain[..<(body.count - Self.tagCount)])
  }

  private func withCipher(_ body: (gnutls_aead_cipher_hd_t) -> Int32) -> Int32 {
    var cipher: gnutls_aead_cipher_hd_t?
    var secret = secret
    let status = unsafe secret.withUnsafeMutableBufferPointer { buffer in
      var key = unsafe gnutls_datum_t(data: buffer.baseAddress, size: UInt32(buffer.count))
      return unsafe gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM, &key)
    }
    guard status == 0, let cipher = unsafe cipher else { return status == 0 ? -1 : status }
    defer { unsafe gnutls_aead_cipher_deinit(cipher) }
    return unsafe body(cipher)
  }
}
