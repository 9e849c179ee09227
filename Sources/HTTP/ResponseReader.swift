/// Reads one answer from a stream: head, then a body delimited by a length, by chunks or by the
/// end of the connection.
struct ResponseReader {
  private let stream: ClientStream
  private var deadline: UInt64
  private let receive: ((ArraySlice<UInt8>) -> Bool)?
  private var buffer: [UInt8] = []
  private var position = 0

  private static let maxHeadBytes = 256 * 1024
  private static let maxLineBytes = 64 * 1024

  /// As long as a streamed body keeps coming it may take longer than the deadline: a piece of it
  /// must come at least this often.
  private static let pieceTimeout: UInt64 = 60_000_000_000

  /// - Parameter receive: Gets the body of a 200 in pieces; nil: it is collected.
  init(
    stream: ClientStream, deadline: UInt64, receive: ((ArraySlice<UInt8>) -> Bool)? = nil
  ) {
    self.stream = stream
    self.deadline = deadline
    self.receive = receive
  }

  /// The answer, and whether the connection can take another request.
  mutating func read(
    method: String
  ) throws(HTTPClient.Failure) -> (response: HTTPClient.Response, isKept: Bool) {
    while true {
      var (response, isVersion11) = try readHead()
      // 1xx: the real answer is still to come.
      if (100..<200).contains(response.status), response.status != 101 { continue }
      let connection = response.header("Connection")?.lowercased()
      var isKept = isVersion11 ? connection != "close" : connection == "keep-alive"
      if method == "HEAD" || response.status == 204 || response.status == 304 {
        return (response, isKept)
      }
      if let coding = response.header("Transfer-Encoding") {
        guard coding.lowercased() == "chunked" else {
          throw .malformedResponse(reason: "transfer coding '\(coding)'")
        }
        response.body = try readChunks()
      } else if let text = response.header("Content-Length") {
        guard let byteCount = Int(text), byteCount >= 0 else {
          throw .malformedResponse(reason: "Content-Length '\(text)'")
        }
        if let receive, response.status == 200 {
          try handOver(byteCount, to: receive)
        } else {
          response.body = try take(byteCount)
        }
        return (response, isKept)
      } else {
        response.body = try readToEnd()
        isKept = false
      }
      if let receive, response.status == 200 {
        guard receive(response.body[...]) else { throw Self.unwanted }
        response.body = []
      }
      return (response, isKept)
    }
  }

  private mutating func readHead() throws(HTTPClient.Failure) -> (HTTPClient.Response, Bool) {
    let statusLine = try line()
    let parts = statusLine.split(separator: " ", maxSplits: 2)
    guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), parts[1].utf8.count == 3,
      let status = Int(parts[1]), status >= 100
    else { throw .malformedResponse(reason: "status line '\(statusLine.prefix(80))'") }
    var headers: [(name: String, value: String)] = []
    var byteCount = 0
    while true {
      let text = try line()
      if text.isEmpty { break }
      byteCount += text.utf8.count
      guard let colon = text.firstIndex(of: ":"), byteCount <= Self.maxHeadBytes else {
        throw .malformedResponse(reason: "header line '\(text.prefix(80))'")
      }
      let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      let end = value.lastIndex { $0 != " " && $0 != "\t" }.map(value.index(after:))
      headers.append((String(text[..<colon]), String(value[..<(end ?? value.startIndex)])))
    }
    return (
      HTTPClient.Response(status: status, headers: headers, body: []), parts[0] == "HTTP/1.1"
    )
  }

  private mutating func readChunks() throws(HTTPClient.Failure) -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let sizeLine = try line()
      let digits = sizeLine.prefix { $0 != ";" && $0 != " " }
      guard digits.utf8.count <= 15, let size = Int(digits, radix: 16), size >= 0 else {
        throw .malformedResponse(reason: "chunk size '\(sizeLine.prefix(80))'")
      }
      if size == 0 { break }
      body += try take(size)
      guard try line().isEmpty else { throw .malformedResponse(reason: "no end of chunk") }
    }
    while try !line().isEmpty {}
    return body
  }

  private mutating func readToEnd() throws(HTTPClient.Failure) -> [UInt8] {
    while try fill() {}
    defer { position = buffer.count }
    return Array(buffer[position...])
  }

  /// Exactly `byteCount` bytes. Memory grows with what has come, not with what was promised.
  private mutating func take(_ byteCount: Int) throws(HTTPClient.Failure) -> [UInt8] {
    while buffer.count - position < byteCount {
      guard try fill() else {
        throw .connectionLost(
          reason: "closed after \(buffer.count - position) of \(byteCount) bytes of the body")
      }
    }
    defer {
      buffer.removeFirst(position + byteCount)
      position = 0
    }
    return Array(buffer[position..<(position + byteCount)])
  }

  private static let unwanted = HTTPClient.Failure.connectionLost(
    reason: "the body was not wanted any more")

  /// Exactly `byteCount` bytes, given on as they come.
  private mutating func handOver(
    _ byteCount: Int, to receive: (ArraySlice<UInt8>) -> Bool
  ) throws(HTTPClient.Failure) {
    var rest = byteCount
    while rest > 0 {
      if position == buffer.count {
        buffer.removeAll(keepingCapacity: true)
        position = 0
        deadline = max(deadline, monotonicNanoseconds() + Self.pieceTimeout)
        guard try fill() else {
          throw .connectionLost(
            reason: "closed after \(byteCount - rest) of \(byteCount) bytes of the body")
        }
      }
      let end = position + min(rest, buffer.count - position)
      guard receive(buffer[position..<end]) else { throw Self.unwanted }
      rest -= end - position
      position = end
    }
  }

  private mutating func line() throws(HTTPClient.Failure) -> String {
    var searched = position
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        var bytes = buffer[position..<end]
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        position = end + 1
        return String(decoding: bytes, as: UTF8.self)
      }
      searched = buffer.count
      guard searched - position <= Self.maxLineBytes else {
        throw .malformedResponse(reason: "a line longer than \(Self.maxLineBytes) bytes")
      }
      guard try fill() else { throw .connectionLost(reason: "closed before the answer") }
    }
  }

  /// False at the end of the stream.
  private mutating func fill() throws(HTTPClient.Failure) -> Bool {
    try stream.read(into: &buffer, deadline: deadline) > 0
  }
}
