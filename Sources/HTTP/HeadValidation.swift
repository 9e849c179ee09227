// The framing checks that libmicrohttpd 0.9.75 leaves to us (`RELIABILITY.md` §1): a request
// that a proxy and this server could cut differently, or whose credentials two parsers could
// read differently, is refused before a handler sees it.
//
// `HeadValidation` is fed one header at a time, so that the server can check a head in place;
// `validateHead` does the same over a value, for tables and fuzzing.

/// Why a head is refused: the status and a sentence for the client.
package struct HeadFault: Error, Equatable, Sendable {
  package var status: Int
  package var reason: String

  package init(_ status: Int, _ reason: String) {
    self.status = status
    self.reason = reason
  }
}

/// A request's head as a value.
package struct RequestHead: Sendable {
  package var method: String
  package var target: [UInt8]
  package var version: String
  package var headers: [(name: [UInt8], value: [UInt8])]
  /// Bytes the head took on the wire, the empty line included; nil when not known.
  package var byteCount: Int?

  package init(
    method: String, target: [UInt8], version: String,
    headers: [(name: [UInt8], value: [UInt8])], byteCount: Int? = nil
  ) {
    self.method = method
    self.target = target
    self.version = version
    self.headers = headers
    self.byteCount = byteCount
  }
}

/// How the body of an accepted request is delimited.
package enum BodyFraming: Equatable, Sendable {
  case none
  case length(Int)
  case chunked
}

/// Checks a whole head: its body's framing, or why it must be refused.
package func validateHead(_ head: RequestHead) throws(HeadFault) -> BodyFraming {
  guard HTTPMethod(rawValue: head.method) != nil else {
    throw HeadFault(501, "the method is not one this server knows")
  }
  if let fault = TargetValidation.fault(in: head.target.span) { throw fault }
  var validation = HeadValidation()
  for header in head.headers {
    validation.note(name: header.name.span, value: header.value.span)
  }
  let lineByteCount = head.method.utf8.count + head.target.count + head.version.utf8.count + 4
  return try validation.framing(
    version: head.version == "HTTP/1.1" ? .http11 : head.version == "HTTP/1.0" ? .http10 : .other,
    requestLineByteCount: lineByteCount, headByteCount: head.byteCount)
}

/// Collects what matters for framing while the headers go by.
struct HeadValidation {
  enum Version { case http10, http11, other }

  static let maxHeaderCount = 100

  private var contentLengths = 0
  private var transferEncodings = 0
  private var hosts = 0
  private var authorizations = 0
  private var contentTypes = 0
  private var headerCount = 0
  private var rebuiltByteCount = 0
  private var declaredLength: Int?
  private var isChunked = false
  private var fault: HeadFault?

  /// Takes the next header. Names and values are as libmicrohttpd cut them.
  ///
  /// - Parameter gap: Spaces and tabs between the colon and the value.
  mutating func note(name: Span<UInt8>, value: Span<UInt8>, gap: Int = 1) {
    headerCount += 1
    rebuiltByteCount += name.count + value.count + gap + 3
    guard fault == nil else { return }
    if Self.holdsControl(value) {
      fault = HeadFault(400, "header \(headerCount) holds a control character")
      return
    }
    // A name that we know is a token.
    switch name.count {
    case 4 where Self.equal(name, "host"):
      hosts += 1
      if !Self.isHost(value) { fault = HeadFault(400, "the Host header is malformed") }
    case 12 where Self.equal(name, "content-type"):
      contentTypes += 1
    case 13 where Self.equal(name, "authorization"):
      authorizations += 1
    case 14 where Self.equal(name, "content-length"):
      contentLengths += 1
      declaredLength = Self.decimal(value)
      if declaredLength == nil { fault = HeadFault(400, "Content-Length is not a number") }
    case 17 where Self.equal(name, "transfer-encoding"):
      transferEncodings += 1
      isChunked = Self.equal(value, "chunked")
    default:
      if !Self.isToken(name) {
        fault = HeadFault(400, "header \(headerCount) has a name that is not a token")
      }
    }
  }

  /// The verdict, after the last header.
  ///
  /// - Parameter headByteCount: The size of the head on the wire. A head larger than the sum of
  ///   what we see holds something the library has dropped: a fold, a NUL, a line without a name,
  ///   a doubled space in the first line. A smaller one has lines that end in a bare LF.
  func framing(
    version: Version, requestLineByteCount: Int, headByteCount: Int?
  ) throws(HeadFault) -> BodyFraming {
    if let fault { throw fault }
    guard version != .other else {
      throw HeadFault(505, "the protocol version must be HTTP/1.0 or HTTP/1.1")
    }
    if headerCount > Self.maxHeaderCount {
      throw HeadFault(431, "\(headerCount) headers, more than \(Self.maxHeaderCount)")
    }
    if contentLengths > 1 {
      throw HeadFault(400, "Content-Length is given \(contentLengths) times")
    }
    if transferEncodings > 0 {
      if contentLengths > 0 {
        throw HeadFault(400, "Content-Length and Transfer-Encoding are given together")
      }
      if transferEncodings > 1 || !isChunked {
        throw HeadFault(400, "Transfer-Encoding must be exactly one 'chunked'")
      }
      if version == .http10 { throw HeadFault(400, "Transfer-Encoding needs HTTP/1.1") }
    }
    if hosts > 1 || (hosts == 0 && version == .http11) {
      throw HeadFault(400, "the Host header is given \(hosts) times, not once")
    }
    if authorizations > 1 {
      throw HeadFault(400, "Authorization is given \(authorizations) times")
    }
    if contentTypes > 1 { throw HeadFault(400, "Content-Type is given \(contentTypes) times") }
    if let headByteCount {
      let rebuilt = requestLineByteCount + rebuiltByteCount + 2
      if headByteCount > rebuilt {
        throw HeadFault(400, "the head holds bytes that belong to no header")
      }
      if headByteCount < rebuilt {
        throw HeadFault(400, "the head has lines that do not end in CR LF")
      }
    }
    if isChunked { return .chunked }
    guard let declaredLength, declaredLength > 0 else { return .none }
    return .length(declaredLength)
  }

  /// RFC 9110 §5.6.2: `!#$%&'*+-.^_`|~`, digits and letters, at least one.
  static func isToken(_ name: Span<UInt8>) -> Bool {
    guard name.count > 0 else { return false }
    for index in 0..<name.count {
      let byte = unsafe name[unchecked: index]
      let mask = byte < 64 ? tokenBytesBelow64 : byte < 128 ? tokenBytesBelow128 : 0
      if mask >> UInt64(byte & 63) & 1 == 0 { return false }
    }
    return true
  }

  // One bit for each byte of a token. Computed, since a stored static is looked up through a lock.
  private static var tokenBytesBelow64: UInt64 { 0x03FF_6CFA_0000_0000 }
  private static var tokenBytesBelow128: UInt64 { 0x57FF_FFFF_C7FF_FFFE }

  /// Looks at eight bytes at a time: a word whose bytes are all from 0x20 to 0x7E, or above 0x7F,
  /// holds none.
  private static func holdsControl(_ value: Span<UInt8>) -> Bool {
    let lows: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    var index = 0
    while index + 8 <= value.count {
      let word = unsafe value.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
      let deletes = word ^ (lows &* 0x7F)
      let suspects = ((word &- lows &* 0x20) & ~word) | ((deletes &- lows) & ~deletes)
      if suspects & highs != 0 && holdsControl(value, from: index, to: index + 8) { return true }
      index += 8
    }
    return holdsControl(value, from: index, to: value.count)
  }

  private static func holdsControl(_ value: Span<UInt8>, from start: Int, to end: Int) -> Bool {
    for index in start..<end {
      let byte = value[index]
      if (byte < 0x20 && byte != 0x09) || byte == 0x7F { return true }
    }
    return false
  }

  /// A host with an optional port; empty is lawful.
  static func isHost(_ value: Span<UInt8>) -> Bool {
    for index in value.indices {
      switch value[index] {
      case 0...0x20, 0x7F...0xFF, UInt8(ascii: "/"), UInt8(ascii: "@"), UInt8(ascii: "?"),
        UInt8(ascii: "#"), UInt8(ascii: ","), UInt8(ascii: "\\"), UInt8(ascii: "<"),
        UInt8(ascii: ">"), UInt8(ascii: "\""):
        return false
      default: break
      }
    }
    return true
  }

  /// Digits only, no sign, no list; nil beyond what an `Int` holds.
  static func decimal(_ text: Span<UInt8>) -> Int? {
    guard text.count > 0 else { return nil }
    var number = 0
    for index in text.indices {
      let byte = text[index]
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
      let (product, overflows) = number.multipliedReportingOverflow(by: 10)
      let (sum, carries) = product.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      if overflows || carries { return nil }
      number = sum
    }
    return number
  }

  /// Whether two names are the same, letter case aside. `lowercase` must be in lower case.
  static func equal(_ text: Span<UInt8>, _ lowercase: StaticString) -> Bool {
    guard text.count == lowercase.utf8CodeUnitCount else { return false }
    return lowercase.withUTF8Buffer { expected in
      for index in text.indices {
        let byte = text[index]
        let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
        if unsafe (isUpper ? byte | 0x20 : byte) != expected[index] { return false }
      }
      return true
    }
  }
}
