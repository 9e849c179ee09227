internal import CGnuTLS
internal import Glibc

/// A SHA-256, incrementally or at once.
@safe package struct SHA256: ~Copyable {
  // Owned: made by `gnutls_hash_init`, given back once by `gnutls_hash_deinit`.
  private let handle: OpaquePointer

  package init() {
    var handle: gnutls_hash_hd_t?
    let status = unsafe gnutls_hash_init(&handle, GNUTLS_DIG_SHA256)
    guard status == 0, let handle = unsafe handle else {
      preconditionFailure("GnuTLS has no SHA-256 (error \(status))")
    }
    unsafe self.handle = handle
  }

  deinit { unsafe gnutls_hash_deinit(handle, nil) }

  package mutating func update(_ bytes: RawSpan) {
    guard bytes.byteCount > 0 else { return }
    let status = unsafe bytes.withUnsafeBytes { buffer in
      unsafe gnutls_hash(handle, buffer.baseAddress, buffer.count)
    }
    precondition(status == 0, "GnuTLS could not hash (error \(status))")
  }

  /// The hash of what has come so far, 64 lowercase hexadecimal digits; more may follow.
  package borrowing func hexSoFar() -> String {
    guard let copy = unsafe gnutls_hash_copy(handle) else {
      preconditionFailure("GnuTLS could not copy a hash")
    }
    var digest = [UInt8](repeating: 0, count: 32)
    unsafe digest.withUnsafeMutableBytes { buffer in
      unsafe gnutls_hash_deinit(copy, buffer.baseAddress)
    }
    return hexadecimal(digest)
  }

  /// The 32 bytes of the hash.
  package consuming func bytes() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    unsafe digest.withUnsafeMutableBytes { buffer in
      unsafe gnutls_hash_output(handle, buffer.baseAddress)
    }
    return digest
  }

  /// 64 lowercase hexadecimal digits.
  package consuming func hex() -> String { hexadecimal(bytes()) }

  package static func bytes(of bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    unsafe hash.update(bytes.span.bytes)
    return hash.bytes()
  }

  package static func hex(of bytes: [UInt8]) -> String { hexadecimal(Self.bytes(of: bytes)) }

  /// Reads the file in blocks. Throws `errno`'s text in `DigestError.unreadable`.
  package static func hex(ofFile path: String) throws(DigestError) -> String {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw unreadable(path) }
    defer { close(file) }
    return try hex(ofDescriptor: file, path: path).hash
  }

  /// Reads an open file from its position to its end, in blocks of 1 MiB.
  ///
  /// - Parameters:
  ///   - path: What an error calls the file.
  ///   - goesOn: Asked before each block.
  /// - Throws: `.interrupted` where `goesOn` says no.
  package static func hex(
    ofDescriptor file: Int32, path: String, while goesOn: () -> Bool = { true }
  ) throws(DigestError) -> (hash: String, byteCount: Int) {
    var hash = SHA256()
    var total = 0
    var block = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      guard goesOn() else { throw .interrupted }
      let count = unsafe block.withUnsafeMutableBytes { buffer in
        unsafe read(file, buffer.baseAddress, buffer.count)
      }
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw unreadable(path)
      }
      total += count
      unsafe hash.update(block.span.bytes.extracting(first: count))
    }
    return (hash.hex(), total)
  }

  private static func unreadable(_ path: String) -> DigestError {
    unsafe .unreadable(path: path, reason: String(cString: strerror(errno)))
  }
}

/// Two lowercase digits for each byte.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
