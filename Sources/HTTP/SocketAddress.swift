internal import Glibc

/// Why a socket call failed.
struct SocketFailure: Error {
  var reason: String
}

/// What `errno` says.
func errnoText(_ code: Int32 = errno) -> String {
  unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
}

/// An address to bind or connect to.
struct SocketAddress: Sendable {
  var family: Int32
  var bytes: [UInt8]

  init(family: Int32, bytes: [UInt8]) {
    self.family = family
    self.bytes = bytes
  }

  /// All addresses of a host; at least one.
  static func resolve(
    host: String, port: UInt16, passive: Bool
  ) throws(SocketFailure) -> [SocketAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)
    var list: UnsafeMutablePointer<addrinfo>?
    let failed = unsafe getaddrinfo(host, String(port), &hints, &list)
    guard failed == 0 else {
      throw SocketFailure(reason: unsafe String(cString: gai_strerror(failed)))
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
      let bytes = unsafe UnsafeRawBufferPointer(
        start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
      unsafe addresses.append(
        SocketAddress(family: entry.pointee.ai_family, bytes: [UInt8](bytes)))
      unsafe next = entry.pointee.ai_next
    }
    guard !addresses.isEmpty else { throw SocketFailure(reason: "\(host) has no address") }
    return addresses
  }

  /// What a socket is bound to; nil where the system does not tell.
  init?(boundTo descriptor: Int32) {
    var storage = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)
    var length = socklen_t(storage.count)
    let failed = unsafe storage.withUnsafeMutableBytes { bytes in
      unsafe getsockname(
        descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
    }
    guard failed == 0, length >= 2, Int(length) <= storage.count else { return nil }
    family = Int32(storage[0]) | Int32(storage[1]) << 8
    bytes = Array(storage[..<Int(length)])
  }

  /// Whether both name one port of one address; padding, flow and scope aside.
  func isSameEnd(as other: SocketAddress) -> Bool {
    guard family == other.family, bytes.count >= 8, other.bytes.count >= 8 else { return false }
    // Family, port, and for IPv4 the address; IPv6 has its flow first.
    let ranges = family == AF_INET6 ? [0..<4, 8..<24] : [0..<8]
    return ranges.allSatisfy { range in
      range.upperBound <= min(bytes.count, other.bytes.count)
        && bytes[range] == other.bytes[range]
    }
  }

  func withPointer<Result>(_ body: (UnsafePointer<sockaddr>?, socklen_t) -> Result) -> Result {
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe body(bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }
  }
}

/// Unix sockets, whose addresses hold 107 bytes of path at most.
enum UnixSocket {
  /// Nil when the path is too long for an address.
  static func address(_ path: String) -> SocketAddress? {
    let text = [UInt8](path.utf8)
    guard text.count < 108 else { return nil }
    let family = UInt16(AF_UNIX)
    let head = [UInt8(truncatingIfNeeded: family), UInt8(truncatingIfNeeded: family >> 8)]
    return SocketAddress(family: AF_UNIX, bytes: head + text + [0])
  }

  /// A connected socket, whatever the length of the path: an `O_PATH` descriptor of the socket
  /// file is named through `/proc/self/fd`.
  static func connect(_ path: String, flags: Int32) throws(SocketFailure) -> Int32 {
    let file = unsafe open(path, openAsPath | O_CLOEXEC)
    guard file >= 0 else { throw SocketFailure(reason: errnoText()) }
    defer { close(file) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | flags, 0)
    guard descriptor >= 0 else { throw SocketFailure(reason: errnoText()) }
    let connected = unsafe address("/proc/self/fd/\(file)")?.withPointer {
      unsafe Glibc.connect(descriptor, $0, $1)
    }
    guard connected == 0 else {
      let reason = errnoText()
      close(descriptor)
      throw SocketFailure(reason: reason)
    }
    return descriptor
  }

  /// Whether somebody listens on the socket file: whoever cannot be connected to does not.
  static func isServed(_ path: String) -> Bool {
    guard let descriptor = try? connect(path, flags: socketFlags) else { return false }
    close(descriptor)
    return true
  }
}
