internal import CGnuTLS
internal import Glibc

/// A certificate chain and its key, checked, in memory that the library can point to.
///
/// The library is given one certificate for good when it starts. Each connection's session gets
/// the one in force then (`use`), between its making and its handshake: so the certificate can
/// change while the server runs, without the library's certificate callback, which has no room
/// for a context and says nothing of how long a certificate must live.
@safe final class TLSCredentials: @unchecked Sendable {
  /// TLS 1.2 and 1.3 with authenticated encryption only.
  static let priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-AES-128-CBC:-AES-256-CBC"

  let certificate: UnsafeMutablePointer<CChar>
  let key: UnsafeMutablePointer<CChar>
  let prioritiesText: UnsafeMutablePointer<CChar>

  /// What a handshake is given. Owned: made and freed with the object.
  let handle: gnutls_certificate_credentials_t
  /// When the certificate ends, seconds since 1970.
  let expiryTime: Int64

  init(_ tls: HTTPServerConfiguration.TLS) throws(HTTPServerError) {
    let handle = unsafe try Self.credentials(tls)
    guard let certificate = unsafe strdup(tls.certificatePEM), let key = unsafe strdup(tls.keyPEM),
      let priorities = unsafe strdup(Self.priorities)
    else { throw .cannotStart(reason: "no memory") }
    unsafe self.handle = handle
    unsafe expiryTime = Self.expiryTime(handle)
    unsafe self.certificate = certificate
    unsafe self.key = key
    unsafe prioritiesText = priorities
  }

  deinit {
    unsafe gnutls_certificate_free_credentials(handle)
    unsafe free(certificate)
    unsafe explicit_bzero(key, strlen(key))
    unsafe free(key)
    unsafe free(prioritiesText)
  }

  /// Makes a handshake that has not begun use this certificate, whatever the library was started
  /// with. The object must live as long as the session.
  ///
  /// - Parameter session: A `gnutls_session_t`.
  func use(in session: UnsafeMutableRawPointer) {
    _ = unsafe gnutls_credentials_set(
      OpaquePointer(session), GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(handle))
  }

  /// - Throws: When certificate and key cannot be used, or not together.
  private static func credentials(
    _ tls: HTTPServerConfiguration.TLS
  ) throws(HTTPServerError) -> gnutls_certificate_credentials_t {
    var made: gnutls_certificate_credentials_t?
    guard unsafe gnutls_certificate_allocate_credentials(&made) == 0, let credentials = unsafe made
    else { throw .cannotStart(reason: "no memory") }
    var certificate = Array(tls.certificatePEM.utf8)
    var key = Array(tls.keyPEM.utf8)
    let code = unsafe certificate.withUnsafeMutableBufferPointer { certificate in
      unsafe key.withUnsafeMutableBufferPointer { key in
        var certificateDatum = unsafe gnutls_datum_t(
          data: certificate.baseAddress, size: UInt32(clamping: certificate.count))
        var keyDatum = unsafe gnutls_datum_t(
          data: key.baseAddress, size: UInt32(clamping: key.count))
        return unsafe gnutls_certificate_set_x509_key_mem(
          credentials, &certificateDatum, &keyDatum, GNUTLS_X509_FMT_PEM)
      }
    }
    if code < 0 {
      unsafe gnutls_certificate_free_credentials(credentials)
      throw .tls(reason: "the certificate or its key cannot be used: \(gnutlsText(code))")
    }
    return unsafe credentials
  }

  private static func expiryTime(_ credentials: gnutls_certificate_credentials_t) -> Int64 {
    var raw = unsafe gnutls_datum_t()
    var parsed: gnutls_x509_crt_t?
    guard unsafe gnutls_certificate_get_crt_raw(credentials, 0, 0, &raw) == 0,
      unsafe gnutls_x509_crt_init(&parsed) == 0, let certificate = unsafe parsed
    else { return 0 }
    defer { unsafe gnutls_x509_crt_deinit(certificate) }
    guard unsafe gnutls_x509_crt_import(certificate, &raw, GNUTLS_X509_FMT_DER) == 0 else {
      return 0
    }
    return Int64(unsafe gnutls_x509_crt_get_expiration_time(certificate))
  }
}

/// What GnuTLS says about an error code.
func gnutlsText(_ code: Int32) -> String {
  unsafe gnutls_strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
}
