#if canImport(Glibc)
  internal import Glibc
#endif

/// An address that a client can connect to: one listens on `0.0.0.0` or `::`, nobody calls it.
enum UsableAddress {
  /// - Parameters:
  ///   - address: `http://0.0.0.0:8080`.
  ///   - host: The `Host` header of who asks over the network; nil for who asks from this machine.
  /// - Returns: The address itself, unless it listens everywhere: then with the name that the
  ///   client used, or of this machine's loopback.
  static func text(_ address: String, askedAs host: String?) -> String {
    guard let scheme = address.firstRange(of: "://") else { return address }
    let (listening, port) = split(address[scheme.upperBound...])
    guard let loopback = loopback(ofWildcard: listening) else { return address }
    let asked = host.map { split($0[...]).host } ?? ""
    let isUsable = !asked.isEmpty && self.loopback(ofWildcard: asked) == nil
    return address[..<scheme.upperBound] + (isUsable ? asked : loopback) + port
  }

  /// A public address without the slash at its end; nil for what is none: a scheme of HTTP, a
  /// host, perhaps a port and a path.
  static func publicAddress(_ text: String) -> String? {
    guard let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) }) else {
      return nil
    }
    var rest = text.dropFirst(scheme.count)
    while rest.hasSuffix("/") { rest = rest.dropLast() }
    let host = rest.prefix { $0 != "/" }
    let isPlain =
      rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && !rest.contains { "?#@\"".contains($0) }
    return isPlain && !split(host).host.isEmpty ? scheme + rest : nil
  }

  /// `[::1]:80` is `[::1]` and `:80`.
  private static func split(_ authority: Substring) -> (host: String, port: String) {
    guard let colon = authority.lastIndex(of: ":"),
      !authority[colon...].contains("]")
    else { return (String(authority), "") }
    return (String(authority[..<colon]), String(authority[colon...]))
  }

  /// The loopback of the family whose every address a host means; nil for a certain one.
  private static func loopback(ofWildcard host: String) -> String? {
    let name =
      host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    var four = in_addr()
    if inet_pton(AF_INET, name, &four) == 1 { return four.s_addr == 0 ? "127.0.0.1" : nil }
    var six = in6_addr()
    guard inet_pton(AF_INET6, name, &six) == 1 else { return nil }
    return withUnsafeBytes(of: six) { $0.allSatisfy { $0 == 0 } } ? "[::1]" : nil
  }
}
