internal import CGnuTLS
internal import Glibc

/// A certificate chain and its key, checked, in memory that the library can point to.
@safe final class TLSCredentials: @unchecked Sendable {
  /// TLS 1.2 and 1.3 with authenticated encryption only.
  static let priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-AES-128-CBC:-AES-256-CBC"

  let certificate: UnsafeMutablePointer<CChar>
  let key: UnsafeMutablePointer<CChar>
  let prioritiesText: UnsafeMutablePointer<CChar>

  init(_ tls: HTTPServerConfiguration.TLS) throws(HTTPServerError) {
    if let reason = Self.fault(in: tls) { throw .tls(reason: reason) }
    guard let certificate = unsafe strdup(tls.certificatePEM), let key = unsafe strdup(tls.keyPEM),
      let priorities = unsafe strdup(Self.priorities)
    else { throw .cannotStart(reason: "no memory") }
    unsafe self.certificate = certificate
    unsafe self.key = key
    unsafe prioritiesText = priorities
  }

  deinit {
    unsafe free(certificate)
    unsafe explicit_bzero(key, strlen(key))
    unsafe free(key)
    unsafe free(prioritiesText)
  }

  /// Why certificate and key cannot be used together; nil when they can.
  private static func fault(in tls: HTTPServerConfiguration.TLS) -> String? {
    var credentials: gnutls_certificate_credentials_t?
    guard unsafe gnutls_certificate_allocate_credentials(&credentials) == 0 else {
      return "no memory"
    }
    defer { unsafe gnutls_certificate_free_credentials(credentials) }
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
    guard code < 0 else { return nil }
    return "the certificate or its key cannot be used: \(gnutlsText(code))"
  }
}

/// What GnuTLS says about an error code.
func gnutlsText(_ code: Int32) -> String {
  unsafe gnutls_strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
}
