import Gateway
import HTTP

/// A gateway on another machine, and the key to it.
struct RemoteGateway {
  let url: String
  let address: URLAddress
  let key: String
  let caFile: String?

  /// - Throws: Without a key, and for plain HTTP to another machine: everybody on the way would
  ///   read the key.
  init(_ url: String, keyFile: String?, caFile: String?) throws(CommandFailure) {
    self.url = url
    self.caFile = caFile ?? environmentValue("SWERVE_CA_CERT")
    address = try URLAddress(url, caFile: self.caFile)
    guard address.isTLS || isLoopback(address.host) else {
      throw CommandFailure(
        "\(url) is not encrypted, and the admin key would travel to it in the open; use https")
    }
    key = try RemoteGateway.key(keyFile)
  }

  private static func key(_ file: String?) throws(CommandFailure) -> String {
    let text: String
    let origin: String
    if let file {
      text = try LocalFile.readText(file)
      origin = file
    } else if let value = environmentValue("SWERVE_ADMIN_KEY") {
      text = value
      origin = "SWERVE_ADMIN_KEY"
    } else {
      throw CommandFailure(
        "--url needs an admin key: set SWERVE_ADMIN_KEY, or name a file that holds it with "
          + "--admin-key-file; 'swerve admin-key create' on the gateway's machine makes one")
    }
    let key = text.split(whereSeparator: \.isWhitespace)
    // Not printed: it is a secret, even when it is none of ours.
    guard key.count == 1, key[0].utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw CommandFailure("\(origin) holds no admin key: expected one word such as swa_…")
    }
    return String(key[0])
  }
}

/// Where a URL leads.
struct URLAddress {
  let target: HTTPClient.Target
  let host: String
  let isTLS: Bool
  /// Without a slash at its end; empty for the root.
  let path: String

  /// - Parameter caFile: For https: the authority to trust; nil: those of the system.
  init(_ url: String, caFile: String?) throws(CommandFailure) {
    guard let scheme = url.firstRange(of: "://"),
      ["http", "https"].contains(url[..<scheme.lowerBound].lowercased())
    else {
      throw CommandFailure("'\(url)' is no URL; expected https://HOST:PORT")
    }
    isTLS = url[..<scheme.lowerBound].lowercased() == "https"
    let rest = url[scheme.upperBound...]
    let authority = rest.prefix { $0 != "/" }
    var path = rest.dropFirst(authority.count)
    while path.last == "/" { path.removeLast() }
    self.path = String(path)
    var host = authority
    var port: UInt16 = isTLS ? 443 : 80
    // An IPv6 address has colons of its own, inside brackets.
    if let colon = authority.lastIndex(of: ":"), authority[colon...].firstIndex(of: "]") == nil {
      guard let number = UInt16(authority[authority.index(after: colon)...]) else {
        throw CommandFailure("'\(url)' has no port number behind its host")
      }
      host = authority[..<colon]
      port = number
    }
    self.host = String(host.drop { $0 == "[" }.prefix { $0 != "]" })
    guard !self.host.isEmpty, !self.host.contains("@") else {
      throw CommandFailure("'\(url)' names no host; expected https://HOST:PORT")
    }
    target =
      isTLS
      ? .tls(host: self.host, port: port, caFile: caFile) : .tcp(host: self.host, port: port)
  }
}
