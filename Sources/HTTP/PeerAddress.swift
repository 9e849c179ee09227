internal import Glibc

/// Who is at the other end of a socket.
enum PeerAddress {
  /// `192.0.2.1:4711` or `[2001:db8::1]:4711`.
  static func text(_ address: UnsafePointer<sockaddr>?) -> String {
    guard let address = unsafe address else { return "unknown" }
    let length =
      unsafe Int32(address.pointee.sa_family) == AF_INET6
      ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
    var host = [CChar](repeating: 0, count: 64)
    var port = [CChar](repeating: 0, count: 8)
    let failed = unsafe getnameinfo(
      address, socklen_t(length), &host, 64, &port, 8, NI_NUMERICHOST | NI_NUMERICSERV)
    guard failed == 0 else { return "unknown" }
    let hostText = String(decoding: host.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
    let portText = String(decoding: port.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
    return hostText.utf8.contains(UInt8(ascii: ":"))
      ? "[\(hostText)]:\(portText)" : "\(hostText):\(portText)"
  }

  /// The user id of the process that connected a Unix socket.
  static func userID(_ descriptor: Int32) -> UInt32? {
    // `struct ucred`: process, user and group id.
    var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, 0, 0)
    var length = socklen_t(MemoryLayout.size(ofValue: credentials))
    let failed = unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
    return failed == 0 ? credentials.uid : nil
  }
}
