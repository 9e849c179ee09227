internal import CGnuTLS
internal import Glibc

/// A client's connection: plain or TLS, with a deadline on every wait.
@safe final class ClientStream {
  /// Whether a byte has come since this was last set to false.
  var hasReceived = false
  private let descriptor: Int32
  private var session: gnutls_session_t?
  private var credentials: gnutls_certificate_credentials_t?

  init(_ target: HTTPClient.Target, deadline: UInt64) throws(HTTPClient.Failure) {
    switch target {
    case .unix(let path):
      do throws(SocketFailure) {
        descriptor = try UnixSocket.connect(path, flags: Int32(SOCK_CLOEXEC.rawValue))
      } catch {
        throw .cannotConnect(target: path, reason: error.reason)
      }
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    case .tcp(let host, let port):
      descriptor = try Self.connectTCP(host: host, port: port, deadline: deadline)
    case .tls(let host, let port, let caFile):
      descriptor = try Self.connectTCP(host: host, port: port, deadline: deadline)
      try startTLS(host: host, target: "\(host):\(port)", caFile: caFile, deadline: deadline)
    }
  }

  deinit {
    if let session = unsafe session {
      unsafe gnutls_bye(session, GNUTLS_SHUT_WR)
      unsafe gnutls_deinit(session)
    }
    if let credentials = unsafe credentials {
      unsafe gnutls_certificate_free_credentials(credentials)
    }
    close(descriptor)
  }

  /// Writes all bytes.
  func write(_ bytes: [UInt8], deadline: UInt64) throws(HTTPClient.Failure) {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { memory in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: memory[sent...])
        if let session = unsafe session {
          return unsafe gnutls_record_send(session, rest.baseAddress, rest.count)
        }
        return unsafe Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      }
      if count > 0 {
        sent += count
      } else if isTemporary(count) {
        try wait(for: POLLOUT, deadline: deadline)
      } else {
        throw .connectionLost(reason: reason(count))
      }
    }
  }

  /// Appends what has come, waiting for at least one byte; 0 at the end of the stream.
  func read(into buffer: inout [UInt8], deadline: UInt64) throws(HTTPClient.Failure) -> Int {
    while true {
      var piece = [UInt8](repeating: 0, count: 65_536)
      let count = unsafe piece.withUnsafeMutableBytes { memory in
        if let session = unsafe session {
          return unsafe gnutls_record_recv(session, memory.baseAddress, memory.count)
        }
        return unsafe Glibc.recv(descriptor, memory.baseAddress, memory.count, 0)
      }
      if count > 0 {
        hasReceived = true
        buffer += piece[..<count]
        return count
      }
      if count == 0 { return 0 }
      guard isTemporary(count) else { throw .connectionLost(reason: reason(count)) }
      try wait(for: POLLIN, deadline: deadline)
    }
  }

  private func isTemporary(_ count: Int) -> Bool {
    unsafe session != nil
      ? count == Int(GNUTLS_E_AGAIN) || count == Int(GNUTLS_E_INTERRUPTED)
      : errno == EAGAIN || errno == EINTR
  }

  private func reason(_ count: Int) -> String {
    unsafe session != nil ? gnutlsText(Int32(clamping: count)) : errnoText()
  }

  private func wait(for events: Int32, deadline: UInt64) throws(HTTPClient.Failure) {
    guard Self.waits(descriptor, for: events, deadline: deadline) else { throw .timedOut }
  }

  /// False when the deadline passes first.
  private static func waits(_ descriptor: Int32, for events: Int32, deadline: UInt64) -> Bool {
    while true {
      let now = monotonicNanoseconds()
      guard now < deadline else { return false }
      var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      let ready = unsafe poll(&entry, 1, Int32(clamping: (deadline - now) / 1_000_000 + 1))
      if ready > 0 { return true }
    }
  }

  private static func connectTCP(
    host: String, port: UInt16, deadline: UInt64
  ) throws(HTTPClient.Failure) -> Int32 {
    let name = "\(host):\(port)"
    let addresses: [SocketAddress]
    do throws(SocketFailure) {
      addresses = try SocketAddress.resolve(host: host, port: port, passive: false)
    } catch {
      throw .cannotConnect(target: name, reason: error.reason)
    }
    var reason = "no address"
    for address in addresses {
      let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue) | socketFlags, 0)
      guard descriptor >= 0 else {
        reason = errnoText()
        continue
      }
      var code: Int32 = 0
      if unsafe address.withPointer({ unsafe connect(descriptor, $0, $1) }) != 0 {
        code = errno
        if code == EINPROGRESS {
          guard waits(descriptor, for: POLLOUT, deadline: deadline) else {
            close(descriptor)
            throw .timedOut
          }
          var length = socklen_t(MemoryLayout<Int32>.size)
          unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        }
      }
      if code == 0 {
        var one: Int32 = 1
        unsafe setsockopt(
          descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        return descriptor
      }
      reason = errnoText(code)
      close(descriptor)
    }
    throw .cannotConnect(target: name, reason: reason)
  }

  private func startTLS(
    host: String, target: String, caFile: String?, deadline: UInt64
  ) throws(HTTPClient.Failure) {
    unsafe gnutls_certificate_allocate_credentials(&credentials)
    let loaded =
      if let caFile {
        unsafe gnutls_certificate_set_x509_trust_file(credentials, caFile, GNUTLS_X509_FMT_PEM)
      } else {
        unsafe gnutls_certificate_set_x509_system_trust(credentials)
      }
    guard loaded > 0 else {
      throw .cannotConnect(
        target: target,
        reason: "no trusted authority in \(caFile ?? "the system's store"): \(gnutlsText(loaded))")
    }
    let flags = UInt32(GNUTLS_CLIENT) | UInt32(GNUTLS_NONBLOCK) | UInt32(GNUTLS_NO_SIGNAL)
    guard unsafe gnutls_init(&session, flags) == 0, let session = unsafe session else {
      throw .cannotConnect(target: target, reason: "no TLS session")
    }
    unsafe gnutls_priority_set_direct(session, TLSCredentials.priorities, nil)
    unsafe gnutls_credentials_set(
      session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials))
    // Checked against the certificate's names in the handshake; the library keeps a pointer only
    // to its own copy of the server name.
    let isNumeric = unsafe host.utf8.contains(UInt8(ascii: ":")) || inet_addr(host) != INADDR_NONE
    if !isNumeric {
      unsafe gnutls_server_name_set(session, GNUTLS_NAME_DNS, host, host.utf8.count)
    }
    let hostName = unsafe strdup(host)
    defer { unsafe free(hostName) }
    unsafe gnutls_session_set_verify_cert(session, hostName, 0)
    unsafe gnutls_transport_set_int2(session, descriptor, descriptor)
    while true {
      let code = unsafe gnutls_handshake(session)
      if code == 0 { return }
      guard code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED else {
        throw .cannotConnect(target: target, reason: "TLS: \(gnutlsText(code))")
      }
      let events = unsafe gnutls_record_get_direction(session) == 0 ? POLLIN : POLLOUT
      try wait(for: events, deadline: deadline)
    }
  }
}
