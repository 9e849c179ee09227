internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

/// One request in flight and its one answer.
///
/// Made by the server at the head, kept until the answer is sent or the client gone.
@safe package final class HTTPExchange: @unchecked Sendable {
  // `@unchecked`: until it is suspended an exchange belongs to the server's thread, then to
  // whoever will respond; `state` hands it back.

  package internal(set) var method = HTTPMethod.get
  /// When the head came and when the body was whole, nanoseconds on the monotonic clock.
  package internal(set) var headTime: UInt64 = 0
  package internal(set) var bodyTime: UInt64 = 0
  /// When the exchange was over: set for `HTTPHandler.ended`.
  package internal(set) var endTime: UInt64 = 0
  /// The status of the answer once given; 0 before.
  package internal(set) var status = 0
  /// Bytes of the answer's body once given.
  package internal(set) var responseByteCount = 0
  /// The handler's own state for this exchange.
  package var context: AnyObject?

  /// Where the exchange stands between the library's calls.
  enum Stage { case head, body, refused, handling, answered }

  /// `open → answered`, or `open → suspended → answered` or `→ abandoned` (the server stops and
  /// has answered 503 in our place: a late answer is dropped).
  enum State: UInt8 { case open, suspended, answered, abandoned }

  let connection: Connection
  /// Nil once the exchange is over.
  var handle: OpaquePointer?
  var stage = Stage.head
  var targetFault: HeadFault?
  /// The request target as it came: in the library's memory, or copied from there before the
  /// library decodes it in place.
  private let target: UnsafePointer<UInt8>?
  private let targetCopy: UnsafeMutablePointer<UInt8>?
  let targetByteCount: Int
  private let pathRange: Range<Int>
  var framing = BodyFraming.none
  var maxBodyBytes = 0
  var buffer = BodyBuffer()
  /// Of the body, in `ServerCore.bodyBytesInFlight`.
  var countedBytes = 0
  var tinyPieces = 0
  var wasAdmitted = false
  var isCounted = false
  var didSuspend = false
  /// The answer was written to the socket by us, behind the library's back.
  var wasSentDirectly = false
  var answer: HTTPResponse?
  private let state = Atomic<UInt8>(State.open.rawValue)

  init(connection: Connection, handle: OpaquePointer, target: Span<UInt8>) {
    self.connection = connection
    unsafe self.handle = handle
    targetByteCount = target.count
    if TargetValidation.isPlain(target) {
      // Plain bytes stay as they came as long as the request lasts.
      pathRange = 0..<target.count
      unsafe targetCopy = nil
      unsafe self.target = target.withUnsafeBufferPointer { $0.baseAddress }
    } else {
      targetFault = TargetValidation.fault(in: target)
      let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(target.count, 1))
      var pathEnd = target.count
      for index in target.indices {
        unsafe copy[index] = target[index]
        if target[index] == UInt8(ascii: "?") { pathEnd = min(pathEnd, index) }
      }
      var pathStart = min(TargetValidation.originStart(of: target) ?? 0, pathEnd)
      if pathStart == pathEnd, pathStart > 0 {
        // `http://host` and `http://host?query` mean the root.
        pathStart -= 1
        unsafe copy[pathStart] = UInt8(ascii: "/")
      }
      pathRange = pathStart..<pathEnd
      unsafe targetCopy = copy
      unsafe self.target = UnsafePointer(copy)
    }
  }

  deinit {
    unsafe targetCopy?.deallocate()
    releaseBody()
    buffer.free()
  }

  /// The body is not held any more, or is somebody else's.
  func releaseBody() {
    guard countedBytes > 0 else { return }
    connection.core.bodyBytesInFlight.subtract(countedBytes, ordering: .relaxed)
    countedBytes = 0
  }

  /// The path as sent, still percent-encoded, without the query: `/endpoints/iris/score`. Valid
  /// until `HTTPHandler.ended` returns.
  package var pathBytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let span = unsafe Span(_unsafeElements: targetBytes(pathRange))
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  package var path: String {
    unsafe String(decoding: targetBytes(pathRange), as: UTF8.self)
  }

  /// The query as sent, without the question mark; empty when there is none.
  package var query: String {
    let start = min(pathRange.upperBound + 1, targetByteCount)
    return unsafe String(decoding: targetBytes(start..<targetByteCount), as: UTF8.self)
  }

  /// Nothing once the exchange is over: the library's memory is then somebody else's.
  private func targetBytes(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
    guard let target = unsafe target, unsafe targetCopy != nil || handle != nil else {
      return unsafe UnsafeBufferPointer(start: nil, count: 0)
    }
    return unsafe UnsafeBufferPointer(start: target + range.lowerBound, count: range.count)
  }

  /// The path's segments, percent-decoded: `["endpoints", "iris", "score"]`. A slash at the end
  /// adds none.
  package var pathSegments: [String] {
    let bytes = unsafe targetBytes(pathRange)
    if unsafe !bytes.contains(UInt8(ascii: "%")) { return unsafe plainSegments(bytes) }
    var segments = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if !segments.isEmpty { segments.removeFirst() }
    if segments.last?.isEmpty == true { segments.removeLast() }
    return segments.map { segment in
      guard segment.contains(UInt8(ascii: "%")) else { return String(Substring(segment)) }
      let bytes = [UInt8](segment)
      // `TargetValidation` has refused bad sequences.
      guard let decoded = PercentEncoding.decoded(bytes.span, from: 0, to: bytes.count) else {
        return String(Substring(segment))
      }
      return String(decoding: decoded.bytes, as: UTF8.self)
    }
  }

  /// `pathSegments` of a path in which nothing is encoded.
  private func plainSegments(_ path: UnsafeBufferPointer<UInt8>) -> [String] {
    var segments: [String] = []
    segments.reserveCapacity(8)
    var start = 0
    for index in 0...path.count {
      guard unsafe index == path.count || path[index] == UInt8(ascii: "/") else { continue }
      // Before the first slash there is nothing, and nothing is behind the last one.
      if start > 0, index < path.count || index > start {
        let part = unsafe UnsafeBufferPointer(rebasing: path[start..<index])
        segments.append(unsafe String(decoding: part, as: UTF8.self))
      }
      start = index + 1
    }
    return segments
  }

  /// The first header of this name, which is given in lower case; nil when absent. On the
  /// server's thread, until `HTTPHandler.ended` returns.
  package func header(_ name: StaticString) -> String? {
    guard let bytes = headerBytes(name) else { return nil }
    return unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// The same without making a string of it.
  @_lifetime(borrow self)
  package func headerBytes(_ name: StaticString) -> Span<UInt8>? {
    guard unsafe handle != nil, let value = unsafe connection.fields.value(of: name) else {
      return nil
    }
    let span = unsafe Span(_unsafeElements: value)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// How often a header is given.
  package func headerCount(_ name: StaticString) -> Int {
    unsafe handle == nil ? 0 : connection.fields.count(of: name)
  }

  /// The body, whole when `handle` is called.
  package var body: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let span = unsafe Span(_unsafeElements: buffer.bytes)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  package var bodyByteCount: Int { buffer.count }
  /// What the head says of the body's length; nil where it does not say.
  package var declaredBodyByteCount: Int? {
    switch framing {
    case .none: 0
    case .length(let byteCount): byteCount
    case .chunked: nil
    }
  }

  /// Takes the body out of the exchange, which has none then, without a copy. Only in
  /// `HTTPHandler.ended`, and when no thread reads it any more.
  package func takeBody() -> HTTPBody {
    defer { buffer = BodyBuffer() }
    return HTTPBody(buffer)
  }

  /// The handler's own word for how it refuses what the path asks for; 0 before it says so. Told
  /// to `HTTPHandler.refusal` also on threads that cannot look at the exchange.
  package var refusalForm: UInt8 {
    get { connection.refusalForm.load(ordering: .relaxed) }
    set { connection.refusalForm.store(newValue, ordering: .relaxed) }
  }

  /// `192.0.2.1:4711`; `unix` for a local socket.
  package var peer: String { connection.peer }
  /// The user id of the process at the other end of a Unix socket; nil over TCP.
  package var peerUserID: UInt32? { connection.peerUserID }
  package var isTLS: Bool { connection.core.isTLS }

  /// Leaves the server's thread: `respond` will come later, from any thread. Only in `handle`,
  /// and before the exchange is handed to another thread.
  package func suspend() {
    guard let handle = unsafe handle, stage == .handling, !didSuspend else {
      preconditionFailure("an exchange is suspended once, in handle")
    }
    didSuspend = true
    connection.suspended.withLock { $0 = self }
    unsafe MHD_suspend_connection(handle)
    let (isOpen, _) = state.compareExchange(
      expected: State.open.rawValue, desired: State.suspended.rawValue,
      ordering: .sequentiallyConsistent)
    precondition(isOpen, "an exchange is suspended after its answer was given")
    // `stop` sets the flag first and looks for suspended exchanges then: one of us sees the other.
    if connection.core.isAbandoning.load(ordering: .sequentiallyConsistent) { abandon() }
  }

  /// Gives the one answer. A second one is a mistake of ours.
  ///
  /// - Parameter note: Called before the exchange is given back, unless the server has answered
  ///   in our place: then it is the server's thread that has the exchange.
  package func respond(_ response: HTTPResponse, noting note: () -> Void = {}) {
    let wasOpen = state.compareExchange(
      expected: State.open.rawValue, desired: State.answered.rawValue,
      ordering: .acquiringAndReleasing)
    if wasOpen.exchanged {
      note()
      answer = response
      return
    }
    if finishSuspension(with: response, as: .answered, noting: note) { return }
    precondition(
      state.load(ordering: .acquiring) == State.abandoned.rawValue,
      "\(method.rawValue) \(path) is answered twice")
    response.discard()
  }

  /// Answers 503 in the handler's place because the server stops.
  func abandon() {
    _ = finishSuspension(with: stopping(), as: .abandoned)
  }

  private func stopping() -> HTTPResponse {
    var response = connection.core.handler.refusal(
      status: 503, reason: "the server is stopping", of: self, form: refusalForm)
    response.closes = true
    return response
  }

  /// - Parameter response: Made once the exchange is the caller's: it may look at the request.
  private func finishSuspension(
    with response: @autoclosure () -> HTTPResponse, as next: State,
    noting note: () -> Void = {}
  ) -> Bool {
    let claim = state.compareExchange(
      expected: State.suspended.rawValue, desired: next.rawValue, ordering: .sequentiallyConsistent)
    guard claim.exchanged else { return false }
    note()
    answer = response()
    connection.suspended.withLock { $0 = nil }
    // The connection cannot end before it is resumed, so the handle is valid; after this call
    // the exchange belongs to the server's thread again.
    if let handle = unsafe handle { unsafe MHD_resume_connection(handle) }
    return true
  }

  /// Whether the client has closed its end while the exchange is suspended (it is not told).
  package var clientHasLeft: Bool {
    guard state.load(ordering: .acquiring) <= State.suspended.rawValue else { return false }
    return connection.peerHasClosed
  }
}

/// `POLLRDHUP`, which the Glibc module does not show: the peer has shut down its writing end.
private let pollPeerClosed: Int32 = 0x2000

extension Connection {
  /// Whether the client has closed its end. Only while the descriptor is valid.
  var peerHasClosed: Bool {
    var poll = pollfd(fd: descriptor, events: Int16(pollPeerClosed), revents: 0)
    guard unsafe Glibc.poll(&poll, 1, 0) > 0 else { return false }
    let found = Int32(poll.revents)
    if found & (POLLHUP | POLLERR | POLLNVAL) != 0 { return true }
    guard found & pollPeerClosed != 0 else { return false }
    // Where we have cut the connection gently, it is our own end that is closed for input: a
    // client whose request came just before still waits for its answer.
    return !isCut || (!core.isUnix && isHalfClosed)
  }

  /// Whether TCP has seen the end of what the client sends, which our own `shutdown` is not.
  private var isHalfClosed: Bool {
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    let established: UInt8 = 1
    return unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) != 0
      || info.tcpi_state != established
  }
}

extension HTTPResponse {
  /// Closes what would have been sent.
  func discard() {
    if case .file(let descriptor, _) = body { close(descriptor) }
  }

  var bodyByteCount: Int {
    switch body {
    case .none: 0
    case .bytes(let bytes): bytes.count
    case .file(_, let byteCount): byteCount
    }
  }
}
