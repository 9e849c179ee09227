import Testing

@testable import Gateway

struct UsableAddressTests {
  @Test(
    arguments: [
      ("http://127.0.0.1:8080", nil, "http://127.0.0.1:8080"),
      ("http://10.0.0.7:8080", "gateway:1", "http://10.0.0.7:8080"),
      ("http://0.0.0.0:8080", nil, "http://127.0.0.1:8080"),
      ("https://0.0.0.0:8443", "gateway.example:9443", "https://gateway.example:8443"),
      ("http://0.0.0.0:8080", "gateway", "http://gateway:8080"),
      ("http://0.0.0.0:8080", "[2001:db8::7]:9", "http://[2001:db8::7]:8080"),
      ("http://0.0.0.0:8080", "0.0.0.0:9", "http://127.0.0.1:8080"),
      ("http://0.0.0.0:8080", "", "http://127.0.0.1:8080"),
      ("http://[::]:8080", nil, "http://[::1]:8080"),
      ("http://[0:0::0]:8080", "[::]:8080", "http://[::1]:8080"),
      ("http://[::1]:8080", "gateway", "http://[::1]:8080"),
    ] as [(String, String?, String)])
  func `an address that listens everywhere is told as one to connect to`(
    address: String, host: String?, expected: String
  ) {
    #expect(UsableAddress.text(address, askedAs: host) == expected)
  }

  @Test(arguments: [
    ("https://models.example.org", "https://models.example.org"),
    ("https://models.example.org/", "https://models.example.org"),
    ("http://10.0.0.1:8080/swerve//", "http://10.0.0.1:8080/swerve"),
    ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
    ("models.example.org", nil), ("ftp://models.example.org", nil), ("https://", nil),
    ("https:///path", nil), ("https://:443", nil), ("https://host/?a=b", nil),
    ("https://user@host", nil), ("https://ho st", nil), ("", nil),
  ])
  func `a public address is a scheme, a host and perhaps a path`(text: String, expected: String?) {
    #expect(UsableAddress.publicAddress(text) == expected)
  }
}
