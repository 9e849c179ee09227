internal import CMicroHTTPD
internal import Glibc
internal import Synchronization

// An exchange's way through the access handler, all on the server's thread.

extension HTTPExchange {
  /// A piece of body below this size counts as tiny; so many of them are an attack, not a body.
  private static let tinyPieceBytes = 256
  private static let maxTinyPieces = 65_536
  /// Counting is for memory that matters, and costs what small requests need not pay.
  private static let maxUncountedBytes = 64 << 10

  /// First call: the head is whole and nothing of the body has been read.
  func headCame(
    _ handle: OpaquePointer, method name: UnsafePointer<CChar>, version: UnsafePointer<CChar>
  ) -> MHD_Result {
    let core = connection.core
    isCounted = true
    connection.daemon.exchangeCount.add(1, ordering: .relaxed)
    headTime = monotonicNanoseconds()
    // What the connection knows is of the request before.
    refusalForm = 0
    connection.fields.removeAll()
    guard connection.advance(to: .body, until: headTime + core.timeouts.body) else { return .NO }
    guard let method = unsafe HTTPMethod(cString: name) else {
      return unsafe refuse(HeadFault(501, "the method is not one this server knows"), handle)
    }
    self.method = method
    if let targetFault { return unsafe refuse(targetFault, handle) }
    do throws(HeadFault) {
      framing = try unsafe validateHead(handle, version: version)
    } catch {
      return unsafe refuse(error, handle)
    }
    if connection.isOverLimit {
      return unsafe refuse(
        HeadFault(503, "the server has reached its limit of connections"), handle)
    }
    wasAdmitted = true
    switch core.handler.admit(self) {
    case .refuse(let response):
      if framing == .none {
        // Nothing is left unread: answered in the next call, the connection can stay.
        answer = response
        stage = .refused
        return .YES
      }
      return unsafe refuse(with: response, handle)
    case .collect(let maxBodyBytes):
      self.maxBodyBytes = maxBodyBytes
      stage = .body
      if case .length(let byteCount) = framing {
        if byteCount > maxBodyBytes { return unsafe refuse(tooLarge(byteCount), handle) }
        if byteCount > Self.maxUncountedBytes, !core.hasRoom(forBody: byteCount) {
          return unsafe refuse(Self.noRoom, handle)
        }
        buffer = connection.spareBody
        connection.spareBody = BodyBuffer()
        buffer.reserve(byteCount)
      }
      return .YES
    }
  }

  private func validateHead(
    _ handle: OpaquePointer, version: UnsafePointer<CChar>
  ) throws(HeadFault) -> BodyFraming {
    var head = ReceivedHead()
    // Changes hands: a copy would be written to.
    swap(&head.fields, &connection.fields)
    defer { swap(&head.fields, &connection.fields) }
    unsafe withUnsafeMutablePointer(to: &head) { pointer in
      _ = unsafe MHD_get_connection_values_n(
        handle, .HEADER_KIND,
        { cls, _, name, nameSize, value, valueSize in
          let name = unsafe UnsafeRawBufferPointer(start: name, count: name == nil ? 0 : nameSize)
          let value = unsafe UnsafeRawBufferPointer(
            start: value, count: value == nil ? 0 : valueSize)
          unsafe cls?.assumingMemoryBound(to: ReceivedHead.self).pointee.note(name, value)
          return .YES
        }, pointer)
    }
    let versionBytes = unsafe UnsafeRawBufferPointer(start: version, count: strlen(version))
    let versionNumber: HeadValidation.Version =
      unsafe strcmp(version, "HTTP/1.1") == 0
      ? .http11 : unsafe strcmp(version, "HTTP/1.0") == 0 ? .http10 : .other
    let headByteCount = unsafe swerve_request_head_size(handle)
    return try head.validation.framing(
      version: versionNumber,
      requestLineByteCount: method.rawValue.utf8.count + targetByteCount + versionBytes.count + 4,
      headByteCount: headByteCount > 0 ? headByteCount : nil)
  }

  func bodyCame(_ bytes: UnsafeRawBufferPointer, _ handle: OpaquePointer) -> MHD_Result {
    let received = buffer.count + bytes.count
    if bytes.count < Self.tinyPieceBytes { tinyPieces += 1 }
    guard received <= maxBodyBytes else {
      return unsafe cutOff(tooLarge(nil), handle)
    }
    guard tinyPieces <= Self.maxTinyPieces else {
      return unsafe cutOff(
        HeadFault(400, "the body comes in more than \(Self.maxTinyPieces) tiny pieces"), handle)
    }
    if received > Self.maxUncountedBytes {
      let more = received - countedBytes
      let sum = connection.core.bodyBytesInFlight.add(more, ordering: .relaxed).newValue
      countedBytes = received
      if sum > connection.core.maxBodyBytesInFlight { return unsafe cutOff(Self.noRoom, handle) }
    }
    guard unsafe buffer.append(bytes) else { return unsafe cutOff(Self.noRoom, handle) }
    if framing == .chunked { connection.core.handler.received(self, byteCount: bytes.count) }
    let deadline = headTime + connection.core.timeouts.body(received: received)
    return connection.advance(to: .body, until: deadline) ? .YES : .NO
  }

  func bodyIsWhole(_ handle: OpaquePointer) -> MHD_Result {
    bodyTime = monotonicNanoseconds()
    guard connection.advance(to: .handling, until: PhaseDeadline.never) else { return .NO }
    stage = .handling
    let daemon = connection.daemon
    daemon.handlingSince.store(bodyTime, ordering: .relaxed)
    connection.core.handler.handle(self)
    daemon.handlingSince.store(0, ordering: .relaxed)
    // Once suspended, the exchange belongs to whoever will respond.
    return didSuspend ? .YES : unsafe queueAnswer(handle)
  }

  /// Sends the answer that the handler has given.
  func queueAnswer(_ handle: OpaquePointer) -> MHD_Result {
    guard let response = answer.take() else {
      return unsafe ResponseSender.queue(
        refusal(HeadFault(500, "the handler neither answered nor suspended")),
        on: self, handle: handle)
    }
    return unsafe ResponseSender.queue(response, on: self, handle: handle)
  }

  /// The request is over. Called exactly once for each exchange.
  func completed(wasSent: Bool) {
    let connection = connection
    let core = connection.core
    endTime = monotonicNanoseconds()
    if connection.phase.phase == .timedOut, status == 0 {
      status = 408
      wasSentDirectly = true
    }
    if stage == .body, !wasSent, !wasSentDirectly {
      // Where the library has refused the body's framing by itself, it may have given the head's
      // memory to its own answer. It does not say what that was; as a rule 400.
      unsafe handle = nil
      if !connection.isCut, !connection.peerHasClosed {
        status = 400
        wasSentDirectly = true
      }
    }
    if wasAdmitted {
      core.handler.ended(
        self, wasSent || wasSentDirectly ? .sent : .aborted(reason: connection.abortReason))
    }
    answer.take()?.discard()
    unsafe handle = nil
    // A thread that was still reading when the deadline gave the answer keeps the body until it
    // lets go of the exchange.
    if !didSuspend {
      connection.spareBody.free()
      releaseBody()
      buffer.trim()
      connection.spareBody = buffer
      buffer = BodyBuffer()
    }
    _ = connection.advance(to: .idle, until: endTime + core.timeouts.idle)
    if isCounted { connection.daemon.exchangeCount.subtract(1, ordering: .sequentiallyConsistent) }
  }

  private static let noRoom = HeadFault(
    503, "the server holds as many bytes of bodies as it may; try again later")

  private func tooLarge(_ byteCount: Int?) -> HeadFault {
    let size = byteCount.map { "has \($0) bytes, " } ?? "is "
    return HeadFault(413, "the body \(size)larger than the limit of \(maxBodyBytes) bytes")
  }

  private func refuse(_ fault: HeadFault, _ handle: OpaquePointer) -> MHD_Result {
    unsafe refuse(with: refusal(fault), handle)
  }

  private func refusal(_ fault: HeadFault) -> HTTPResponse {
    connection.core.handler.refusal(
      status: fault.status, reason: fault.reason, of: self, form: refusalForm)
  }

  /// Answers before the body is read, and closes: what follows on the wire is not a request.
  private func refuse(with response: HTTPResponse, _ handle: OpaquePointer) -> MHD_Result {
    var response = response
    response.closes = true
    connection.needsLingeringClose = true
    return unsafe ResponseSender.queue(response, on: self, handle: handle)
  }

  /// Answers in the middle of a body, where the library takes no answer, and closes.
  private func cutOff(_ fault: HeadFault, _ handle: OpaquePointer) -> MHD_Result {
    let closing = monotonicNanoseconds() + connection.core.timeouts.send
    guard connection.advance(to: .closing, until: closing) else { return .NO }
    connection.needsLingeringClose = true
    unsafe ResponseSender.sendDirectly(refusal(fault), on: self, handle: handle)
    return .NO
  }
}

/// A head while the library hands over its headers.
private struct ReceivedHead {
  var validation = HeadValidation()
  var fields = ReceivedFields()

  mutating func note(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let nameBytes = unsafe name.assumingMemoryBound(to: UInt8.self)
    let valueBytes = unsafe value.assumingMemoryBound(to: UInt8.self)
    unsafe validation.note(
      name: nameBytes.span, value: valueBytes.span, gap: spacesBetween(name, value))
    // The framing is judged by what came; whoever looks a field up gets its value.
    unsafe fields.append(name: nameBytes, value: withoutSpaceBehind(valueBytes))
  }
}

/// A value without the spaces and tabs behind it, which are none of it and which the library
/// leaves there. Source: RFC 9110 §5.5.
private func withoutSpaceBehind(
  _ value: UnsafeBufferPointer<UInt8>
) -> UnsafeBufferPointer<UInt8> {
  var end = value.count
  while end > 0 {
    let last = unsafe value[end - 1]
    guard last == UInt8(ascii: " ") || last == UInt8(ascii: "\t") else { break }
    end -= 1
  }
  return unsafe UnsafeBufferPointer(start: value.baseAddress, count: end)
}

/// Spaces and tabs between a header's colon and its value.
///
/// The library cuts a head in place: the value lies behind the name, the colon (now a NUL) and
/// the spaces it has passed over. Where that is not so, as after a fold, it is the usual one.
private func spacesBetween(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Int {
  guard let start = name.baseAddress, let end = value.baseAddress else { return 1 }
  let gap = unsafe end - start - name.count - 1
  guard gap >= 0, gap <= 1024 else { return 1 }
  for index in 0..<gap {
    let byte = unsafe start.load(fromByteOffset: name.count + 1 + index, as: UInt8.self)
    guard byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") else { return 1 }
  }
  return gap
}

extension HTTPMethod {
  /// Nil for a method that this server does not know.
  init?(cString name: UnsafePointer<CChar>) {
    if unsafe strcmp(name, "POST") == 0 {
      self = .post
    } else if unsafe strcmp(name, "GET") == 0 {
      self = .get
    } else {
      guard let method = unsafe HTTPMethod(rawValue: String(cString: name)) else { return nil }
      self = method
    }
  }
}
