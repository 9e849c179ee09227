import Testing

@testable import Gateway

struct DataPlaneRouteTests {
  @Test(arguments: [
    ("/", DataPlaneRoute.root), ("/livez", .livez), ("/readyz", .readyz), ("/metrics", .metrics),
    ("/invocations", .invocations(endpoint: nil)),
    ("/endpoints/iris/score", .score(endpoint: 11..<15)),
    ("/endpoints/Breast-Cancer/score", .score(endpoint: 11..<24)),
    ("/endpoints/iris/invocations", .invocations(endpoint: 11..<15)),
    ("/endpoints/Iris/swagger.json", .swagger(endpoint: 11..<15)),
    ("/endpoints/iris", .unknown), ("/endpoints//score", .unknown), ("/endpoints/", .unknown),
    ("/endpoints/iris/score/", .unknown), ("/endpoints/iris/", .ping(endpoint: 11..<15)),
    ("/score", .unknown),
    ("", .unknown), ("/endpoints/iris/../score", .unknown), ("/endpoints", .unknown),
    ("/Endpoints/iris/score", .unknown), ("/livez/", .unknown),
  ])
  func `a path names a route`(path: String, route: DataPlaneRoute) {
    let found = DataPlaneRoute(path: Array(path.utf8).span)
    #expect(found == route)
  }
}

struct RequestIdentifiersTests {
  @Test func `identifiers are version 4 UUIDs`() throws {
    let identifiers = RequestIdentifiers(seed: 0, processBits: .max)
    for _ in 0..<1000 {
      let identifier = identifiers.next()
      let text = identifier.text
      func digits(_ word: UInt64) -> String {
        let text = String(word, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
      }
      #expect(text.filter { $0 != "-" } == digits(identifier.high) + digits(identifier.low))
      #expect(
        text.wholeMatch(of: #/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/#)
          != nil)
    }
  }

  @Test func `no two are equal`() {
    let identifiers = RequestIdentifiers()
    var seen = Set<RequestIdentifier>()
    for _ in 0..<20_000 { seen.insert(identifiers.next()) }
    #expect(seen.count == 20_000)
  }

  @Test(arguments: [
    ("abc-DEF_123", "abc-DEF_123"), ("a b\r\nc\"d", "abcd"), ("é", nil), ("", nil),
    (String(repeating: "x", count: 60), String(repeating: "x", count: 40)),
  ])
  func `a caller's own id is cut to what is safe`(text: String, kept: String?) {
    #expect(clientRequestIdentifier(text) == kept)
  }

  @Test(arguments: [
    (0, "0.000"), (12_345, "0.012"), (999_999, "0.999"), (1_500_000, "1.500"),
    (61_000_007_000, "61000.007"),
  ])
  func `milliseconds have three decimals`(nanoseconds: UInt64, text: String) {
    let bytes = withMilliseconds(nanoseconds) { Array($0) }
    #expect(String(decoding: bytes, as: UTF8.self) == text)
  }
}
