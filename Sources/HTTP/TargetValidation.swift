/// Checks a request target as it came on the request line, before anything is decoded.
///
/// The origin form (`/path?query`), the absolute form (`http://host/path?query`, as through a
/// proxy) and `*` are served. What two parsers could read differently is refused: an encoded slash, an encoded NUL or control character, a segment
/// that decodes to `.` or `..`, a bad percent sequence, bytes that are not UTF-8.
enum TargetValidation {
  static let maxQueryBytes = 1024
  /// libmicrohttpd keeps about 56 bytes for each argument in the connection's pool and hangs
  /// without an answer when the pool ends.
  static let maxQueryArguments = 64

  /// Nil when the target is well-formed.
  static func fault(in target: Span<UInt8>) -> HeadFault? {
    guard target.count > 0 else { return HeadFault(400, "the request target is empty") }
    if target.count == 1, target[0] == UInt8(ascii: "*") { return nil }
    guard target[0] == UInt8(ascii: "/") else {
      guard let start = originStart(of: target) else {
        return HeadFault(
          400, "the request target must begin with '/', or with 'http://' and a host")
      }
      let origin = target.extracting(start..<target.count)
      return isPlain(origin) ? nil : faultInEncoded(origin)
    }
    return isPlain(target) ? nil : faultInEncoded(target)
  }

  /// Where path and query begin: behind the authority of the absolute form, which may end the
  /// target. Nil for what is no such form.
  static func originStart(of target: Span<UInt8>) -> Int? {
    if target.count > 0, target[0] == UInt8(ascii: "/") { return 0 }
    if target.count == 1, target[0] == UInt8(ascii: "*") { return 0 }
    let start: Int
    if target.count > 7, HeadValidation.equal(target.extracting(0..<7), "http://") {
      start = 7
    } else if target.count > 8, HeadValidation.equal(target.extracting(0..<8), "https://") {
      start = 8
    } else {
      return nil
    }
    var end = start
    while end < target.count, target[end] != UInt8(ascii: "/"), target[end] != UInt8(ascii: "?") {
      end += 1
    }
    guard end > start, HeadValidation.isHost(target.extracting(start..<end)) else { return nil }
    return end
  }

  /// True when the target holds nothing that needs a second look: a path of letters, digits,
  /// `-_~:/` and dots that do not begin a segment. Nearly all targets are.
  static func isPlain(_ target: Span<UInt8>) -> Bool {
    guard target.count > 0, target.count <= maxQueryBytes, target[0] == UInt8(ascii: "/") else {
      return false
    }
    var previous: UInt8 = 0
    for index in target.indices {
      let byte = target[index]
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "-"),
        UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: ":"):
        break
      case UInt8(ascii: "."):
        if previous == UInt8(ascii: "/") { return false }
      default:
        return false
      }
      previous = byte
    }
    return true
  }

  private static func faultInEncoded(_ target: Span<UInt8>) -> HeadFault? {
    var pathEnd = target.count
    var queryArguments = 0
    for index in target.indices {
      let byte = target[index]
      if byte <= 0x20 || byte == 0x7F || byte == UInt8(ascii: "#") {
        return HeadFault(400, "the request target holds byte \(byte), which must be encoded")
      }
      if byte == UInt8(ascii: "?"), pathEnd == target.count { pathEnd = index }
      if byte == UInt8(ascii: "&"), pathEnd < target.count { queryArguments += 1 }
    }
    let queryBytes = target.count - min(pathEnd + 1, target.count)
    if queryBytes > maxQueryBytes || queryArguments >= maxQueryArguments {
      return HeadFault(
        414,
        "the query has \(queryBytes) bytes and \(queryArguments + 1) arguments, more than "
          + "\(maxQueryBytes) and \(maxQueryArguments)")
    }
    guard let path = PercentEncoding.decoded(target, from: 0, to: pathEnd) else {
      return HeadFault(400, "the path holds a bad percent sequence")
    }
    guard path.encodedSlashes == 0 else {
      return HeadFault(400, "the path holds an encoded slash")
    }
    guard let query = PercentEncoding.decoded(target, from: pathEnd, to: target.count) else {
      return HeadFault(400, "the query holds a bad percent sequence")
    }
    if path.bytes.contains(where: isControl) || query.bytes.contains(0) {
      return HeadFault(400, "the request target holds an encoded control character")
    }
    if String(validating: path.bytes, as: UTF8.self) == nil
      || String(validating: query.bytes, as: UTF8.self) == nil
    {
      return HeadFault(400, "the request target is not UTF-8")
    }
    let dot = UInt8(ascii: ".")
    for segment in path.bytes.split(separator: UInt8(ascii: "/")) {
      if segment.allSatisfy({ $0 == dot }), segment.count <= 2 {
        return HeadFault(400, "the path holds the segment '.' or '..'")
      }
    }
    return nil
  }

  private static func isControl(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x7F }
}

/// `%41` and back.
enum PercentEncoding {
  /// The bytes of `text[start..<end]` with each `%xy` replaced; nil when one is malformed.
  static func decoded(
    _ text: Span<UInt8>, from start: Int, to end: Int
  ) -> (bytes: [UInt8], encodedSlashes: Int)? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(end - start)
    var encodedSlashes = 0
    var index = start
    while index < end {
      let byte = text[index]
      if byte != UInt8(ascii: "%") {
        bytes.append(byte)
        index += 1
        continue
      }
      guard index + 2 < end, let high = hexDigit(text[index + 1]),
        let low = hexDigit(text[index + 2])
      else { return nil }
      let value = high << 4 | low
      if value == UInt8(ascii: "/") { encodedSlashes += 1 }
      bytes.append(value)
      index += 3
    }
    return (bytes, encodedSlashes)
  }

  static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
