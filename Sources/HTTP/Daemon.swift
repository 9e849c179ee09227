internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// One of the library's daemons: a thread and the connections that it serves, from start to
/// `stop`. It has no listening socket; the `Acceptor` hands it connections.
@safe final class Daemon: @unchecked Sendable {
  // `@unchecked`: `handle` is made by `MHD_start_daemon` in `init`, given back once by
  // `MHD_stop_daemon`. The library locks inside.
  let core: ServerCore
  /// Open connections, counted by the library's callbacks.
  let connectionCount = Atomic<Int>(0)
  /// Connections that were handed over and that the library has not begun yet.
  let pendingCount = Atomic<Int>(0)
  /// When the handler that runs now was called, monotonic nanoseconds; 0 when none runs.
  let handlingSince = Atomic<UInt64>(0)
  /// Exchanges between head and last byte sent.
  let exchangeCount = Atomic<Int>(0)
  private var handle: OpaquePointer?

  private static let connectionPoolBytes = 16 * 1024

  /// Nil when the library does not start; `errno` may say why.
  init?(
    core: ServerCore, maxConnections: Int, backstopSeconds: UInt32, credentials: TLSCredentials?
  ) {
    self.core = core
    unsafe handle = nil
    let context = unsafe Unmanaged.passUnretained(self).toOpaque()
    let connectionStarts: MHD_NotifyConnectionCallback = unsafe connectionCallback
    let completes: MHD_RequestCompletedCallback = unsafe completedCallback
    let targetComes:
      @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) ->
        UnsafeMutableRawPointer? = unsafe targetCallback
    var options = unsafe [
      Self.option(.NOTIFY_CONNECTION, unsafeBitCast(connectionStarts, to: Int.self), context),
      Self.option(.NOTIFY_COMPLETED, unsafeBitCast(completes, to: Int.self), context),
      Self.option(.URI_LOG_CALLBACK, unsafeBitCast(targetComes, to: Int.self), context),
      Self.option(.CONNECTION_MEMORY_LIMIT, Self.connectionPoolBytes),
      Self.option(.CONNECTION_LIMIT, maxConnections),
      Self.option(.CONNECTION_TIMEOUT, Int(backstopSeconds)),
      Self.option(.STRICT_FOR_CLIENT, 1),
    ]
    var flags =
      MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
      | MHD_USE_NO_LISTEN_SOCKET.rawValue
    if let credentials {
      flags |= MHD_USE_TLS.rawValue
      unsafe options.append(Self.option(.HTTPS_MEM_CERT, 0, credentials.certificate))
      unsafe options.append(Self.option(.HTTPS_MEM_KEY, 0, credentials.key))
      unsafe options.append(Self.option(.HTTPS_PRIORITIES, 0, credentials.prioritiesText))
    }
    unsafe options.append(Self.option(.END, 0))
    guard
      let started = unsafe swerve_start_daemon(
        UInt32(flags), 0, accessCallback, context, &options)
    else { return nil }
    unsafe handle = started
  }

  /// Serves a connection. The library closes the socket, also when it cannot take it.
  func add(_ socket: Int32, _ address: UnsafePointer<sockaddr>, _ byteCount: socklen_t) {
    guard let handle = unsafe handle else { return }
    pendingCount.add(1, ordering: .relaxed)
    if unsafe MHD_add_connection(handle, socket, address, byteCount) != .YES {
      pendingCount.subtract(1, ordering: .relaxed)
    }
  }

  /// Ends the daemon's thread. No connection may be suspended.
  func stop() {
    guard let handle = unsafe handle else { return }
    unsafe MHD_stop_daemon(handle)
    unsafe self.handle = nil
  }

  private static func option(
    _ name: MHD_OPTION, _ value: Int, _ pointer: UnsafeMutableRawPointer? = nil
  ) -> MHD_OptionItem {
    unsafe MHD_OptionItem(option: name, value: value, ptr_value: pointer)
  }
}
