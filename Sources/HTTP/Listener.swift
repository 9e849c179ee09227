internal import Glibc

/// A listening socket of ours, which the library is given.
///
/// Made here and not by the library: an address in use gets its own error, a Unix socket its
/// mode before anybody can connect, and `stop` can serve the backlog.
struct Listener: Sendable {
  let descriptor: Int32
  /// Nil for a Unix socket.
  let port: UInt16?
  /// The socket file and its inode; nil over TCP.
  private let socketFile: (path: String, inode: UInt)?

  private static let backlog: Int32 = 1024

  init(_ address: HTTPServerConfiguration.Address) throws(HTTPServerError) {
    switch address {
    case .tcp(let host, let port):
      descriptor = try Self.listenTCP(host: host, port: port)
      self.port = Self.boundPort(descriptor)
      socketFile = nil
    case .unix(let path):
      descriptor = try Self.listenUnix(path: path)
      port = nil
      var status = stat()
      socketFile = unsafe lstat(path, &status) == 0 ? (path, UInt(status.st_ino)) : nil
    }
  }

  /// Takes over a socket that another process has made.
  init(_ inherited: Int32, _ address: HTTPServerConfiguration.Address) {
    descriptor = inherited
    // Descriptors that a program is started with lose this flag.
    _ = fcntl(inherited, F_SETFD, FD_CLOEXEC)
    switch address {
    case .tcp:
      port = Self.boundPort(inherited)
      socketFile = nil
    case .unix(let path):
      port = nil
      var status = stat()
      socketFile = unsafe lstat(path, &status) == 0 ? (path, UInt(status.st_ino)) : nil
    }
  }

  /// Whether the socket listens still. `shutdown` in any process that has it ends that for all.
  var isListening: Bool {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return unsafe getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0
      && value != 0
  }

  /// Removes the socket file, unless another process has put its own there.
  func unlinkSocketFile() {
    guard let socketFile else { return }
    var status = stat()
    if unsafe lstat(socketFile.path, &status) == 0, UInt(status.st_ino) == socketFile.inode {
      unsafe unlink(socketFile.path)
    }
  }

  // MARK: TCP

  private static func listenTCP(host: String, port: UInt16) throws(HTTPServerError) -> Int32 {
    let name = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    let found: SocketAddress
    do throws(SocketFailure) {
      let all = try SocketAddress.resolve(host: host, port: port, passive: true)
      // `localhost` may name both families; IPv4 is what most clients try first.
      found = all.first { $0.family == AF_INET } ?? all[0]
    } catch {
      throw .cannotListen(address: name, reason: error.reason)
    }
    let descriptor = socket(
      found.family, Int32(SOCK_STREAM.rawValue) | socketFlags, 0)
    guard descriptor >= 0 else { throw .cannotListen(address: name, reason: errnoText()) }
    var one: Int32 = 1
    var mostUnsent: Int32 = 64 << 10
    let size = socklen_t(MemoryLayout<Int32>.size)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, size)
    if found.family == AF_INET6 {
      var zero: Int32 = 0
      // `::` serves IPv4 too, as a user of `--host ::` expects.
      unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &zero, size)
    }
    // Connections take it over. A client that never reads holds this much of the kernel's memory,
    // not the 4 MiB that its buffers may grow to.
    unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &mostUnsent, size)
    let bound = unsafe found.withPointer { unsafe bind(descriptor, $0, $1) }
    guard bound == 0, listen(descriptor, backlog) == 0 else {
      let code = errno
      close(descriptor)
      if code == EADDRINUSE { throw .addressInUse(name) }
      throw .cannotListen(address: name, reason: errnoText(code))
    }
    return descriptor
  }

  static func boundPort(_ descriptor: Int32) -> UInt16? {
    // The larger of the two families' addresses.
    var storage = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      let address = unsafe UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self)
      guard unsafe getsockname(descriptor, address, &length) == 0 else { return nil }
      let raw = UnsafeMutableRawPointer(pointer)
      // The port is at the same place for both families.
      return unsafe UInt16(bigEndian: raw.load(fromByteOffset: 2, as: UInt16.self))
    }
  }

  // MARK: Unix

  /// Listens under a path of any length: the socket is bound under a short name in its folder,
  /// reached through `/proc/self/fd`, and renamed into place, over a stale one.
  private static func listenUnix(path: String) throws(HTTPServerError) -> Int32 {
    var status = stat()
    if unsafe lstat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFSOCK else {
        throw .cannotListen(address: path, reason: "the file exists and is not a socket")
      }
      if UnixSocket.isServed(path) { throw .addressInUse(path) }
    }
    let cut = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let folder = cut.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let folderDescriptor = unsafe open(folder, openAsPath | O_DIRECTORY | O_CLOEXEC)
    guard folderDescriptor >= 0 else {
      throw .cannotListen(address: path, reason: "folder \(folder): \(errnoText())")
    }
    defer { close(folderDescriptor) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | socketFlags, 0)
    guard descriptor >= 0 else { throw .cannotListen(address: path, reason: errnoText()) }
    // Linux gives the socket file the mode of the socket, so it is never open to others.
    _ = fchmod(descriptor, 0o600)
    let asideName = ".swerve-\(getpid())-\(descriptor)"
    let aside = "/proc/self/fd/\(folderDescriptor)/\(asideName)"
    unsafe unlink(aside)
    guard let address = UnixSocket.address(aside) else {
      close(descriptor)
      throw .cannotListen(address: path, reason: "no name for the socket")
    }
    let name = path.utf8.lastIndex(of: UInt8(ascii: "/")).map {
      String(path[path.index(after: $0)...])
    }
    guard unsafe address.withPointer({ unsafe bind(descriptor, $0, $1) }) == 0,
      listen(descriptor, backlog) == 0,
      unsafe renameat(folderDescriptor, asideName, folderDescriptor, name ?? path) == 0
    else {
      let reason = errnoText()
      unsafe unlink(aside)
      close(descriptor)
      throw .cannotListen(address: path, reason: reason)
    }
    return descriptor
  }
}

/// `O_PATH`, which the Glibc module does not show: a descriptor that only names a file.
let openAsPath: Int32 = 0o10_000_000
let socketFlags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
