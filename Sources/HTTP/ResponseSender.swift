internal import CGnuTLS
internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// Turns an `HTTPResponse` into the library's and queues it.
enum ResponseSender {
  /// Bodies up to this size are copied; larger ones are handed over.
  private static let maxCopiedBytes = 16 * 1024

  /// Queues the answer of `exchange`. Only from the access handler, on the server's thread.
  static func queue(
    _ response: HTTPResponse, on exchange: HTTPExchange, handle: OpaquePointer
  ) -> MHD_Result {
    let connection = exchange.connection
    let core = connection.core
    guard let made = unsafe make(response.body) else {
      response.discard()
      return .NO
    }
    defer { unsafe MHD_destroy_response(made) }
    unsafe add(response.headers, to: made)
    if response.closes || connection.isCut || core.isDraining.load(ordering: .relaxed) {
      unsafe MHD_add_response_header(made, "Connection", "close")
    }
    let byteCount = response.bodyByteCount
    exchange.status = response.status
    exchange.responseByteCount = byteCount
    exchange.stage = .answered
    connection.enter(
      .sending, until: monotonicNanoseconds() + core.timeouts.sending(byteCount: byteCount))
    return unsafe MHD_queue_response(handle, UInt32(clamping: response.status), made)
  }

  private static func make(_ body: HTTPResponse.Body) -> OpaquePointer? {
    switch body {
    case .none:
      return unsafe MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT)
    case .bytes(let bytes) where bytes.count <= maxCopiedBytes:
      return unsafe bytes.withUnsafeBytes {
        unsafe MHD_create_response_from_buffer(
          $0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress), .RESPMEM_MUST_COPY)
      }
    case .bytes(let bytes):
      return unsafe handOver(bytes)
    case .file(let descriptor, let byteCount):
      // Closes the descriptor when the response is destroyed.
      return unsafe MHD_create_response_from_fd(byteCount, descriptor)
    }
  }

  private final class Keeper {
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
  }

  private static func handOver(_ bytes: [UInt8]) -> OpaquePointer? {
    let keeper = unsafe Unmanaged.passRetained(Keeper(bytes))
    // An array's elements stay where they are as long as the array lives and is not written to:
    // the keeper holds it, and nobody can write to a `let`.
    let start = unsafe bytes.withUnsafeBytes { $0.baseAddress }
    let made = unsafe MHD_create_response_from_buffer_with_free_callback_cls(
      bytes.count, UnsafeMutableRawPointer(mutating: start),
      { keeper in
        if let keeper = unsafe keeper { unsafe Unmanaged<Keeper>.fromOpaque(keeper).release() }
      }, keeper.toOpaque())
    if unsafe made == nil { unsafe keeper.release() }
    return unsafe made
  }

  /// The library sets the length and the date itself; it copies names and values.
  private static func add(_ headers: HTTPHeaders, to response: OpaquePointer) {
    unsafe headers.bytes.withUnsafeBytes { bytes in
      var position = 0
      while position < bytes.count, let start = bytes.baseAddress {
        let name = unsafe (start + position).assumingMemoryBound(to: CChar.self)
        position += unsafe strlen(name) + 1
        let value = unsafe (start + position).assumingMemoryBound(to: CChar.self)
        position += unsafe strlen(value) + 1
        if unsafe strcasecmp(name, "content-length") == 0 { continue }
        _ = unsafe MHD_add_response_header(response, name, value)
      }
    }
  }

  /// Writes a whole answer to the socket at once, when the library will take none: in the middle
  /// of a body. The connection must be closed after it.
  static func sendDirectly(
    _ response: HTTPResponse, on exchange: HTTPExchange, handle: OpaquePointer
  ) {
    let message = message(response)
    exchange.status = response.status
    exchange.responseByteCount = response.bodyByteCount
    exchange.stage = .answered
    exchange.wasSentDirectly = true
    unsafe message.withUnsafeBytes { bytes in
      // One try: a refusal fits in an empty socket buffer, and a client that leaves no room for
      // it is not reading.
      if let session = unsafe swerve_connection_tls_session(handle) {
        _ = unsafe gnutls_record_send(OpaquePointer(session), bytes.baseAddress, bytes.count)
      } else {
        _ = unsafe send(
          exchange.connection.descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      }
    }
  }

  /// A whole answer as it goes over the wire, for a connection that ends with it. Its body is
  /// bytes or none.
  static func message(_ response: HTTPResponse) -> [UInt8] {
    var message = [UInt8]("HTTP/1.1 \(response.status) \(reasonPhrase(response.status))\r\n".utf8)
    for field in response.headers.fields {
      message += Array("\(field.name): \(field.value)\r\n".utf8)
    }
    var body: [UInt8] = []
    if case .bytes(let bytes) = response.body { body = bytes }
    response.discard()
    message += Array("Content-Length: \(body.count)\r\nConnection: close\r\n\r\n".utf8)
    return message + body
  }

  private static func reasonPhrase(_ status: Int) -> String {
    switch status {
    case 400: "Bad Request"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 503: "Service Unavailable"
    default: "Error"
    }
  }
}
