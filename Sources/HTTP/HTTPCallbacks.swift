internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

// The C callbacks and nothing more. `cls` is the `Daemon`, which outlives the library's; a
// connection's context is a retained `Connection`; a request's is a retained `HTTPExchange`.

/// Connections beyond the limit that still get a 503; further ones are closed unanswered.
let maxRefusedConnections = 512

/// `MHD_OPTION_NOTIFY_CONNECTION`: first and last word on a connection.
func connectionCallback(
  cls: UnsafeMutableRawPointer?, handle: OpaquePointer?,
  context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, code: MHD_ConnectionNotificationCode
) {
  guard let cls = unsafe cls, let handle = unsafe handle, let context = unsafe context else {
    return
  }
  switch code {
  case .CONNECTION_NOTIFY_STARTED:
    let daemon = unsafe Unmanaged<Daemon>.fromOpaque(cls).takeUnretainedValue()
    daemon.connectionCount.add(1, ordering: .relaxed)
    let connection = unsafe daemon.core.connectionStarted(handle, on: daemon)
    daemon.pendingCount.subtract(1, ordering: .relaxed)
    unsafe context.pointee = Unmanaged.passRetained(connection).toOpaque()
  case .CONNECTION_NOTIFY_CLOSED:
    guard let retained = unsafe context.pointee else { return }
    unsafe Unmanaged<Daemon>.fromOpaque(cls).takeUnretainedValue()
      .connectionCount.subtract(1, ordering: .relaxed)
    let connection = unsafe Unmanaged<Connection>.fromOpaque(retained).takeRetainedValue()
    unsafe context.pointee = nil
    connection.core.connectionClosed(connection)
  }
}

/// `MHD_OPTION_URI_LOG_CALLBACK`: the raw target, before the library decodes it in place. What
/// it returns is the request's context.
func targetCallback(
  cls: UnsafeMutableRawPointer?, target: UnsafePointer<CChar>?, handle: OpaquePointer?
) -> UnsafeMutableRawPointer? {
  guard let target = unsafe target, let handle = unsafe handle,
    let context = unsafe swerve_connection_context(handle)
  else { return nil }
  let connection = unsafe Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue()
  let byteCount = unsafe strlen(target)
  let bytes = unsafe UnsafeRawBufferPointer(start: target, count: byteCount)
  let exchange = unsafe HTTPExchange(
    connection: connection, handle: handle, target: bytes.assumingMemoryBound(to: UInt8.self).span)
  if exchange.targetFault != nil {
    // The library splits the query after this call and hangs, without an answer, when the
    // arguments do not fit the pool. The text lies in its own read buffer: joined into one
    // argument, the query of a request that will be refused cannot do that.
    let text = unsafe UnsafeMutablePointer(mutating: target)
    for index in 0..<byteCount where unsafe text[index] == CChar(UInt8(ascii: "&")) {
      unsafe text[index] = CChar(UInt8(ascii: "+"))
    }
  }
  return unsafe Unmanaged.passRetained(exchange).toOpaque()
}

/// The access handler: once at the head, then for each piece of body, then with none left, and
/// again after a resume.
func accessCallback(
  cls: UnsafeMutableRawPointer?, handle: OpaquePointer?, url: UnsafePointer<CChar>?,
  method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?,
  piece: UnsafePointer<CChar>?, pieceSize: UnsafeMutablePointer<Int>?,
  context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let handle = unsafe handle, let method = unsafe method, let version = unsafe version,
    let pieceSize = unsafe pieceSize, let retained = unsafe context?.pointee
  else { return .NO }
  let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(retained).takeUnretainedValue()
  switch exchange.stage {
  case .head:
    return unsafe exchange.headCame(handle, method: method, version: version)
  case .body:
    if unsafe pieceSize.pointee == 0 { return unsafe exchange.bodyIsWhole(handle) }
    let bytes = unsafe UnsafeRawBufferPointer(start: piece, count: pieceSize.pointee)
    unsafe pieceSize.pointee = 0
    return unsafe exchange.bodyCame(bytes, handle)
  case .refused, .handling:
    return unsafe exchange.queueAnswer(handle)
  case .answered:
    return .YES
  }
}

/// `MHD_OPTION_NOTIFY_COMPLETED`: the request is over, well or not.
func completedCallback(
  cls: UnsafeMutableRawPointer?, handle: OpaquePointer?,
  context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, code: MHD_RequestTerminationCode
) {
  guard let retained = unsafe context?.pointee else { return }
  unsafe context?.pointee = nil
  let exchange = unsafe Unmanaged<HTTPExchange>.fromOpaque(retained).takeRetainedValue()
  exchange.completed(wasSent: code == .REQUEST_TERMINATED_COMPLETED_OK)
}

extension ServerCore {
  /// Notes a new connection, and makes room for it when the limit is reached.
  func connectionStarted(_ handle: OpaquePointer, on daemon: Daemon) -> Connection {
    let descriptor = unsafe swerve_connection_descriptor(handle)
    let excess = connections.count + 1 - maxConnections
    let isOverLimit = excess > 0 && !connections.evictLongestIdle()
    let connection = unsafe Connection(
      daemon: daemon, descriptor: descriptor,
      peer: isUnix ? "unix" : PeerAddress.text(swerve_connection_address(handle)),
      peerUserID: isUnix ? PeerAddress.userID(descriptor) : nil, isOverLimit: isOverLimit)
    if isTLS, let session = unsafe swerve_connection_tls_session(handle),
      let credentials = credentials.withLock({ $0 })
    {
      unsafe credentials.use(in: session)
      connection.credentials = credentials
    }
    connections.insert(connection)
    if isOverLimit && excess > maxRefusedConnections {
      shutdown(descriptor, Int32(SHUT_RDWR))
    }
    return connection
  }

  func connectionClosed(_ connection: Connection) {
    // The library closes its descriptor after this call; a duplicate keeps the socket open.
    if connection.needsLingeringClose { lingering.keep(connection.descriptor) }
    connections.remove(connection)
  }
}
