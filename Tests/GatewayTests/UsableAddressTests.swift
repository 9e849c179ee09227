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
}
