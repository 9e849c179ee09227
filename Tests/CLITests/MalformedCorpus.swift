import Compression
import Foundation
import Glibc

/// One case of `Tests/Malformed`: what is sent, what must come back, and how the connection stands
/// after it. `Tests/Malformed/README.md` says what each field means.
struct MalformedCase: Decodable, CustomStringConvertible {
  /// What goes over the wire, one piece after the other.
  struct Pieces: Decodable {
    var texts: [String]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      texts = try (try? [container.decode(String.self)]) ?? container.decode([String].self)
    }
  }

  enum Then: String, Decodable { case open, closed, either }

  var name: String
  var answers: [String]
  var then: Then
  /// Raw bytes …
  var send: Pieces?
  /// … or a lawful head around this body.
  var post: String?
  var body: String?
  var headers: String?
  var endpoint: String?
  /// The body's codings, in the order they are applied, and what is done to the coded bytes.
  var gzip: String?
  var keep: Int?
  var flip: Int?
  var behind: String?
  /// The client ends its half of the connection behind the last byte.
  var half: Bool?

  var description: String { name }

  /// How many final and interim answers must come at least.
  var leastAnswers: Int { answers.count { !$0.hasSuffix("?") } }

  /// Whether these statuses are the expected ones, in order.
  func expects(_ statuses: [Int]) -> Bool {
    var rest = statuses[...]
    for answer in answers {
      let isOptional = answer.hasSuffix("?")
      let wanted = isOptional ? answer.dropLast() : answer[...]
      let isThere = rest.first.map { status in
        wanted.split(separator: "|").contains {
          $0 == "\(status)" || ($0.hasSuffix("xx") && $0.first == "\(status)".first)
        }
      }
      if isThere == true { rest.removeFirst() } else if !isOptional { return false }
    }
    return rest.isEmpty
  }
}

/// The corpus, with what its placeholders stand for.
struct MalformedCorpus {
  static let folder = GatewayProcess.packageRoot.appendingPathComponent("Tests/Malformed")

  var cases: [MalformedCase] = []
  /// Cases that libmicrohttpd lets down, each with what it does instead.
  var knownGaps: [String: String] = [:]
  let keys: [String: String]
  let sample: String

  struct Unusable: Error { var reason: String }

  init(keys: [String: String], sample: String) throws {
    self.keys = keys
    self.sample = sample
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).sorted()
    for file in files where file.hasSuffix(".jsonl") {
      let text = try String(
        contentsOf: Self.folder.appendingPathComponent(file), encoding: .utf8)
      for line in text.split(separator: "\n") {
        cases.append(try JSONDecoder().decode(MalformedCase.self, from: Data(line.utf8)))
      }
    }
    knownGaps = try JSONDecoder().decode(
      [String: String].self,
      from: Data(contentsOf: Self.folder.appendingPathComponent("known-gaps.json")))
  }

  /// The bytes of a case, piece by piece.
  func pieces(of entry: MalformedCase) throws -> [[UInt8]] {
    if let send = entry.send { return try send.texts.map(expanded) }
    guard let path = entry.post, let text = entry.body else {
      throw Unusable(reason: "\(entry.name) has neither 'send' nor 'post' and 'body'")
    }
    var body = try expanded(text)
    var headers = entry.headers ?? ""
    let codings = (entry.gzip ?? "").split(separator: " ").map(String.init)
    for name in codings {
      guard let coding = ContentCoding(headerValue: name), let packed = coding.compressed(body)
      else { throw Unusable(reason: "\(entry.name): no coding '\(name)'") }
      body = packed
    }
    if let first = codings.first, !headers.contains("Content-Encoding") {
      headers += "Content-Encoding: \(first)\r\n"
    }
    if let keep = entry.keep { body = Array(body.prefix(keep < 0 ? body.count + keep : keep)) }
    if let flip = entry.flip { body[flip < 0 ? body.count + flip : flip] ^= 1 }
    body += Array((entry.behind ?? "").utf8)
    if !headers.contains("Content-Type") { headers += "Content-Type: application/json\r\n" }
    let key = keys[entry.endpoint ?? "iris"] ?? ""
    let head =
      "POST \(path) HTTP/1.1\r\nHost: swerve\r\nAuthorization: Bearer \(key)\r\n\(headers)"
      + "Content-Length: \(body.count)\r\n\r\n"
    return [Array(head.utf8) + body]
  }

  /// The text's code points as bytes, with each `<name>` and `<text*count>` replaced.
  private func expanded(_ text: String) throws -> [UInt8] {
    let authorization = "Authorization: Bearer \(keys["iris"] ?? "")\r\n"
    let names = [
      "host": "Host: swerve\r\n", "auth": authorization, "sample": sample, "body": sample,
      "length": "\(sample.utf8.count)", "hex": String(sample.utf8.count, radix: 16),
      "score": "POST /endpoints/iris/score HTTP/1.1\r\nHost: swerve\r\n\(authorization)"
        + "Content-Type: application/json\r\n",
    ]
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      guard let byte = UInt8(exactly: scalar.value) else {
        throw Unusable(reason: "U+\(String(scalar.value, radix: 16)) is no byte: \(text)")
      }
      bytes.append(byte)
    }
    var result: [UInt8] = []
    var position = 0
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "<"),
        let end = bytes[position...].firstIndex(of: UInt8(ascii: ">"))
      {
        let inside = bytes[(position + 1)..<end]
        if let value = names[String(decoding: inside, as: UTF8.self)] {
          result += Array(value.utf8)
          position = end + 1
          continue
        }
        if let star = inside.lastIndex(of: UInt8(ascii: "*")),
          let count = Int(String(decoding: inside[(star + 1)...], as: UTF8.self))
        {
          let piece = Array(inside[..<star])
          if piece.count == 1 {
            result += Array(repeating: piece[0], count: count)
          } else {
            for _ in 0..<count { result += piece }
          }
          position = end + 1
          continue
        }
      }
      result.append(bytes[position])
      position += 1
    }
    return result
  }
}

/// A socket that says anything, and reads answers until there are enough of them.
final class CorpusConnection {
  private let descriptor: Int32
  private var received: [UInt8] = []
  private(set) var isClosed = false

  init?(port: UInt16) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    if status != 0 { return nil }
  }

  deinit { close(descriptor) }

  /// Stops where the other side takes no more.
  func send(_ bytes: [UInt8]) {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return }
      offset += count
    }
  }

  func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Reads until `count` whole answers are there (nil: until the end), or the time is over.
  func read(answers count: Int?, milliseconds: Int) {
    let deadline = ContinuousClock.now + .milliseconds(milliseconds)
    while !isClosed {
      if let count, wholeAnswers >= count { return }
      let left = (deadline - ContinuousClock.now) / .milliseconds(1)
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard left > 0, poll(&entry, 1, Int32(left) + 1) > 0 else { return }
      var block = [UInt8](repeating: 0, count: 65_536)
      let got = recv(descriptor, &block, block.count, 0)
      if got <= 0 { isClosed = true } else { received += block[..<got] }
    }
  }

  /// Forgets what has come.
  func forget() { received = [] }

  /// The statuses of what has come. -1 stands for what is no answer, -2 for a head inside a head.
  var statuses: [Int] { parsed().statuses }
  private var wholeAnswers: Int {
    let (statuses, isWhole) = parsed()
    return isWhole ? statuses.count : statuses.count - 1
  }

  var text: String { String(decoding: received.prefix(600), as: UTF8.self) }

  private func parsed() -> (statuses: [Int], isWhole: Bool) {
    var statuses: [Int] = []
    var position = 0
    while position < received.count {
      guard let end = received[position...].firstRange(of: Array("\r\n\r\n".utf8)) else {
        return (statuses + [-1], false)
      }
      let head = String(decoding: received[position..<end.lowerBound], as: UTF8.self)
      let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
      guard let first = lines.first, first.hasPrefix("HTTP/1.1 "),
        let status = Int(first.dropFirst(9).prefix(3))
      else { return (statuses + [-1], true) }
      if lines.dropFirst().contains(where: { $0.hasPrefix("HTTP/1.1 ") }) {
        return (statuses + [-2], true)
      }
      let length = lines.lazy.compactMap { line -> Int? in
        guard line.lowercased().hasPrefix("content-length: ") else { return nil }
        return Int(line.dropFirst(16))
      }.first
      position = end.upperBound + (length ?? 0)
      statuses.append(status)
    }
    return (statuses, position == received.count)
  }
}
