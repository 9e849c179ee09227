internal import Digest
internal import Store

/// The two kinds of endpoints. Their names and keys are apart from each other.
package enum EndpointFamily: Sendable, CaseIterable {
  case online, batch

  var keyTable: String {
    switch self {
    case .online: "endpoint_keys"
    case .batch: "batch_endpoint_keys"
    }
  }

  /// What the audit calls one.
  var noun: String {
    switch self {
    case .online: "endpoint"
    case .batch: "batch endpoint"
    }
  }
}

extension ControlPlane {
  package func keys(
    of endpoint: String, _ family: EndpointFamily = .online
  ) throws(ControlError) -> Keys {
    let state = snapshot
    return effectiveKeys(of: try state.catalog.name(of: endpoint, family), family, in: state)
  }

  /// A fresh key when `value` is nil or the current one.
  package func regenerateKey(
    _ kind: KeyKind, of endpoint: String, _ family: EndpointFamily = .online, value: String?,
    by actor: Actor
  ) throws(ControlError) -> Keys {
    if let value, !(8...1024).contains(value.utf8.count) || !value.utf8.allSatisfy(isKeyByte) {
      throw .invalid(
        field: "keyValue", reason: "expected 8 to 1024 printable ASCII characters, no spaces")
    }
    let endpoint = try snapshot.catalog.name(of: endpoint, family)
    let fileKeys = try keyFiles.keys(of: endpoint)
    guard fileKeys[kind] == nil else {
      throw .conflict(
        "the \(kind.rawValue) key of endpoint '\(endpoint)' is given by a file of --keys-dir; "
          + "change the file")
    }
    return try change { (state, store) throws(ControlError) in
      let name = try state.catalog.name(of: endpoint, family)
      var keys = state.keys[family]?[name.lowercased()] ?? Keys(primary: "", secondary: "")
      let current = kind == .primary ? keys.primary : keys.secondary
      let fresh = value.flatMap { $0 == current ? nil : $0 } ?? EndpointKey.make()
      if kind == .primary { keys.primary = fresh } else { keys.secondary = fresh }
      let time = currentTime()
      try store.saveKey(fresh, kind: kind, endpoint: name, family, sealer: sealer, at: time)
      try store.audit("regenerateKey", "\(family.noun) \(name)", by: actor, at: time)
      state.keys[family, default: [:]][name.lowercased()] = keys
      state.fileKeys[name.lowercased()] = fileKeys
      return effectiveKeys(of: name, family, in: state)
    }
  }

  /// The two keys of an endpoint that is being created.
  func makeKeys(
    of endpoint: String, _ family: EndpointFamily, in state: inout ControlState,
    _ store: EndpointStore, at time: Int64
  ) throws(ControlError) {
    let keys = Keys(primary: EndpointKey.make(), secondary: EndpointKey.make())
    for (kind, value) in [(KeyKind.primary, keys.primary), (.secondary, keys.secondary)] {
      try store.saveKey(value, kind: kind, endpoint: endpoint, family, sealer: sealer, at: time)
    }
    state.keys[family, default: [:]][endpoint.lowercased()] = keys
    try readKeyFiles(of: endpoint, into: &state)
  }

  func effectiveKeys(
    of endpoint: String, _ family: EndpointFamily, in state: ControlState
  ) -> Keys {
    let stored =
      state.keys[family]?[endpoint.lowercased()] ?? Keys(primary: "", secondary: "")
    let given = state.fileKeys[endpoint.lowercased()]
    // With a primary key from a file, the database's secondary one differs between replicas:
    // it still opens, as an operator may have read it.
    return Keys(
      primary: given?.primary ?? stored.primary,
      secondary: given?.secondary ?? stored.secondary)
  }

  /// Reads the key files of one endpoint again; one that cannot be used is an error.
  func readKeyFiles(
    of endpoint: String, into state: inout ControlState
  ) throws(ControlError) {
    state.fileKeys[endpoint.lowercased()] = try keyFiles.keys(of: endpoint)
  }

  /// Reads the key files of all endpoints again.
  func readKeyFiles(into state: inout ControlState) throws(ControlError) {
    for endpoint in state.catalog.allEndpointNames {
      try readKeyFiles(of: endpoint, into: &state)
    }
  }
}

private func isKeyByte(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) }
