internal import Documents
internal import HTTP
internal import Serving

/// A control-plane request, its path taken apart.
struct AdminRequest {
  let method: HTTPMethod
  /// The segments below the workspace, in the client's letter case; nil for another path.
  let resource: [String]?
  /// All segments.
  let segments: [String]
  /// The workspace's own path as the client wrote it.
  let workspacePath: String
  let query: [String: String]
  let body: [UInt8]
  let actor: Actor

  init(_ exchange: HTTPExchange) {
    method = exchange.method
    segments = exchange.pathSegments
    // /subscriptions/S/resourceGroups/G/providers/P/workspaces/W: any names, any letter case.
    let frame = ["subscriptions", nil, "resourcegroups", nil, "providers", nil, "workspaces", nil]
    let isWorkspace =
      segments.count >= frame.count
      && zip(segments, frame).allSatisfy { $1 == nil || $0.lowercased() == $1 }
    resource = isWorkspace ? Array(segments.dropFirst(frame.count)) : nil
    workspacePath = isWorkspace ? "/" + segments.prefix(frame.count).joined(separator: "/") : ""
    query = AdminRequest.query(exchange.query)
    let span = exchange.body
    var bytes: [UInt8] = []
    bytes.reserveCapacity(span.count)
    for index in span.indices { bytes.append(span[index]) }
    body = bytes
    actor = Actor(name: exchange.peerUserID.map { "uid \($0)" } ?? "unknown")
  }

  func document() throws(DocumentError) -> Document {
    Document(try JSONReader.read(body.span, source: "the request's body"), source: "the request's body")
  }

  private static func query(_ text: String) -> [String: String] {
    var query: [String: String] = [:]
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = decoded(parts[0]).lowercased()
      query[name] = parts.count > 1 ? decoded(parts[1]) : ""
    }
    return query
  }

  private static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let first = rest.popFirst() {
      if first == UInt8(ascii: "%"), rest.count >= 2,
        let byte = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(byte)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(first == UInt8(ascii: "+") ? UInt8(ascii: " ") : first)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
