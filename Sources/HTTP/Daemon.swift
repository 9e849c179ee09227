internal import CMicroHTTPD
internal import Glibc

/// The library's daemon, from start to `stop`.
@safe struct Daemon: @unchecked Sendable {
  // Made by `MHD_start_daemon`, given back once by `MHD_stop_daemon`. The library locks inside.
  private let handle: OpaquePointer

  private static let connectionPoolBytes = 16 * 1024

  /// Nil when the library does not start; `errno` may say why.
  init?(
    core: ServerCore, listener: Int32, threads: Int, maxConnections: Int,
    backstopSeconds: UInt32, credentials: TLSCredentials?
  ) {
    let context = unsafe Unmanaged.passUnretained(core).toOpaque()
    let connectionStarts: MHD_NotifyConnectionCallback = unsafe connectionCallback
    let completes: MHD_RequestCompletedCallback = unsafe completedCallback
    let targetComes:
      @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) ->
        UnsafeMutableRawPointer? = unsafe targetCallback
    var options = unsafe [
      Self.option(.LISTEN_SOCKET, Int(listener)),
      Self.option(.NOTIFY_CONNECTION, unsafeBitCast(connectionStarts, to: Int.self), context),
      Self.option(.NOTIFY_COMPLETED, unsafeBitCast(completes, to: Int.self), context),
      Self.option(.URI_LOG_CALLBACK, unsafeBitCast(targetComes, to: Int.self), context),
      Self.option(.CONNECTION_MEMORY_LIMIT, Self.connectionPoolBytes),
      Self.option(.CONNECTION_LIMIT, maxConnections),
      Self.option(.CONNECTION_TIMEOUT, Int(backstopSeconds)),
      Self.option(.STRICT_FOR_CLIENT, 1),
    ]
    // A pool of one thread is refused by the library.
    if threads > 1 { unsafe options.append(Self.option(.THREAD_POOL_SIZE, threads)) }
    var flags = MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
    if let credentials {
      flags |= MHD_USE_TLS.rawValue
      unsafe options.append(Self.option(.HTTPS_MEM_CERT, 0, credentials.certificate))
      unsafe options.append(Self.option(.HTTPS_MEM_KEY, 0, credentials.key))
      unsafe options.append(Self.option(.HTTPS_PRIORITIES, 0, credentials.prioritiesText))
    }
    unsafe options.append(Self.option(.END, 0))
    guard
      let handle = unsafe swerve_start_daemon(
        UInt32(flags), 0, accessCallback, context, &options)
    else { return nil }
    unsafe self.handle = handle
  }

  /// Stops accepting. The listening socket stays open and is ours again.
  func quiesce() { _ = unsafe MHD_quiesce_daemon(handle) }

  /// Accepts what the kernel has already accepted for us, so that no client is reset.
  func addBacklog(of listener: Int32) {
    while true {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let isAdded = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
        let address = unsafe UnsafeMutableRawPointer(pointer)
          .assumingMemoryBound(to: sockaddr.self)
        let client = unsafe accept(listener, address, &length)
        guard client >= 0 else { return errno == EINTR || errno == ECONNABORTED }
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        _ = fcntl(client, F_SETFL, O_NONBLOCK)
        // On failure the library closes the socket itself.
        _ = unsafe MHD_add_connection(handle, client, address, length)
        return true
      }
      if !isAdded { return }
    }
  }

  /// Ends the daemon's threads. No connection may be suspended.
  func stop() { unsafe MHD_stop_daemon(handle) }

  private static func option(
    _ name: MHD_OPTION, _ value: Int, _ pointer: UnsafeMutableRawPointer? = nil
  ) -> MHD_OptionItem {
    unsafe MHD_OptionItem(option: name, value: value, ptr_value: pointer)
  }
}
