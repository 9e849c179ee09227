import Testing

@testable import HTTP

struct HeadValidationTests {
  static func head(
    _ headers: [(String, String)], method: String = "POST", target: String = "/score",
    version: String = "HTTP/1.1"
  ) -> RequestHead {
    RequestHead(
      method: method, target: Array(target.utf8), version: version,
      headers: headers.map { (Array($0.0.utf8), Array($0.1.utf8)) })
  }

  static func verdict(_ head: RequestHead) -> Result<BodyFraming, HeadFault> {
    do throws(HeadFault) { return .success(try validateHead(head)) } catch {
      return .failure(error)
    }
  }

  static func status(_ head: RequestHead) -> Int {
    if case .failure(let fault) = verdict(head) { fault.status } else { 200 }
  }

  @Test func `a body is delimited by its length, by chunks, or absent`() {
    let host = ("Host", "a")
    #expect(Self.verdict(Self.head([host])) == .success(.none))
    #expect(Self.verdict(Self.head([host, ("Content-Length", "0")])) == .success(.none))
    #expect(Self.verdict(Self.head([host, ("content-length", "12")])) == .success(.length(12)))
    #expect(
      Self.verdict(Self.head([host, ("Transfer-Encoding", "Chunked")])) == .success(.chunked))
  }

  @Test(arguments: [
    [("Content-Length", "1"), ("Content-Length", "1")],
    [("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
    [("Transfer-Encoding", "chunked"), ("transfer-encoding", "chunked")],
    [("Transfer-Encoding", "gzip, chunked")],
    [("Transfer-Encoding", "identity")],
    [("Transfer-Encoding", "chunked\u{0B}")],
    [("Content-Length", "+1")],
    [("Content-Length", "1, 1")],
    [("Content-Length", "99999999999999999999")],
    [("Content-Length", "")],
    [("Host", "b")],
    [("Content-Length ", "1")],
    [("Content-Leng th", "1")],
    [("", "1")],
    [("X\u{1}", "1")],
    [("X", "a\u{0}b")],
    [("X", "a\rb")],
    [("Authorization", "Bearer a"), ("authorization", "Bearer b")],
    [("Content-Type", "a"), ("Content-Type", "b")],
  ])
  func `an ambiguous head is refused with 400`(headers: [(String, String)]) {
    #expect(Self.status(Self.head([("Host", "a")] + headers)) == 400)
  }

  @Test(arguments: [
    ("GET", "/", "HTTP/1.1", 400), ("GET", "/", "HTTP/1.0", 200), ("BREW", "/", "HTTP/1.0", 501),
    ("GET", "/", "HTTP/1.2", 505),
  ])
  func `without Host only HTTP 1_0 is served`(
    method: String, target: String, version: String, expected: Int
  ) {
    let head = Self.head([], method: method, target: target, version: version)
    #expect(Self.status(head) == expected)
  }

  @Test func `chunks need HTTP 1_1`() {
    let head = Self.head([("Transfer-Encoding", "chunked")], version: "HTTP/1.0")
    #expect(Self.status(head) == 400)
  }

  @Test(arguments: [
    ("/", 200), ("/a/b.json", 200), ("/a%20b?x=%41&y", 200), ("/a..b/c.", 200), ("/é", 200),
    ("*", 200), ("", 400), ("a", 400), ("http://a/b", 200),
    ("HTTPS://a:1/b?c", 200), ("http://[::1]:8080", 200), ("http://a?b", 200), ("http://", 400),
    ("http:///b", 400), ("http://u@a/b", 400), ("ftp://a/b", 400), ("http://a/../b", 400),
    ("http://a b/", 400), ("http:/a", 400), ("/a%00", 400), ("/a%2Fb", 400),
    ("/a%2f", 400), ("/../a", 400), ("/a/..", 400), ("/a/%2e%2E/b", 400), ("/a/./b", 400),
    ("/a%", 400), ("/a%4", 400), ("/a%zz", 400), ("/a?b=%", 400), ("/a?b=%00", 400),
    ("/a%ff", 400), ("/a#b", 400), ("/a%0a", 400),
    ("/a?" + String(repeating: "x", count: 1024), 200),
    ("/a?" + String(repeating: "x", count: 1025), 414),
    ("/a?" + String(repeating: "x&", count: 100), 414),
  ])
  func `a target with two readings is refused`(target: String, expected: Int) {
    #expect(Self.status(Self.head([("Host", "a")], target: target)) == expected)
  }

  @Test func `a target that is not UTF-8 is refused`() {
    var head = Self.head([("Host", "a")])
    head.target = [UInt8(ascii: "/"), 0xC3]
    #expect(Self.status(head) == 400)
  }

  @Test func `a head larger or smaller than what is seen of it is refused`() {
    // "POST /score HTTP/1.1\r\nHost: a\r\n\r\n" is 33 bytes.
    var head = Self.head([("Host", "a")])
    head.byteCount = 33
    #expect(Self.status(head) == 200)
    head.byteCount = 32
    #expect(Self.status(head) == 400)
    head.byteCount = 34
    #expect(Self.status(head) == 400)
  }

  @Test func `random heads never trap`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<5_000 {
      var head = Self.head([])
      head.target = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
        "/%.2eFf?&=\u{0}a".utf8.randomElement() ?? 0xFF
      }
      head.headers = (0..<3).map { _ in
        (
          Array("content-length".utf8),
          (0..<Int.random(in: 0..<24)).map { _ in .random(in: 40...60) }
        )
      }
      _ = Self.verdict(head)
    }
  }
}
