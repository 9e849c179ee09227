internal import HTTP
internal import Serving

/// Who sends an admin request, for the audit and for what they may: the `context` of its exchange.
final class AdminCaller: Sendable {
  enum Proof: Sendable, Equatable {
    /// Opened the workspace's socket, whose mode is 0600: the owner, on this machine.
    case socket(userID: UInt32)
    /// Sent this admin key over TCP.
    case key(name: String)
  }

  let proof: Proof
  let peer: String

  /// nil for somebody who has proven nothing.
  init?(_ exchange: HTTPExchange, keys: AdminKeys) {
    peer = exchange.peer
    if let userID = exchange.peerUserID {
      proof = .socket(userID: userID)
    } else if let offered = bearerToken(exchange),
      let name = offered.withUnsafeBufferPointer({ keys.name(of: $0) })
    {
      proof = .key(name: name)
    } else {
      return nil
    }
  }

  /// On this machine, with the right to name any of its files.
  var isLocal: Bool {
    switch proof {
    case .socket: true
    case .key: false
    }
  }

  /// For the log: the peer stands in a field of its own there.
  var name: String {
    switch proof {
    case .socket(let userID): "uid \(userID)"
    case .key(let name): "admin key \(name)"
    }
  }

  /// For the database's audit.
  var actor: Actor { Actor(name: isLocal ? name : "\(name) from \(peer)") }
}

/// What stands behind `Authorization: Bearer`; nil when there is none.
@_lifetime(borrow exchange)
func bearerToken(_ exchange: HTTPExchange) -> Span<UInt8>? {
  guard let header = exchange.headerBytes("authorization"),
    starts(header, with: "bearer ", ignoringCase: true)
  else { return nil }
  return header.extracting("bearer ".utf8.count...)
}
