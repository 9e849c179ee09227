internal import Digest
internal import Registry
internal import Store

extension ControlPlane {
  /// More would make every request to the endpoint slow: each is compared with all of them.
  static let maxClientKeys = 200

  /// In order of their names.
  package func clientKeys(of endpoint: String) throws(ControlError) -> [ClientKeyRecord] {
    let state = snapshot
    _ = try state.catalog.endpoint(endpoint)
    return (state.clients[endpoint.lowercased()] ?? []).map(\.record).sorted { $0.name < $1.name }
  }

  /// Makes a key, or gives the one of this name another quota. The key itself is only in the
  /// answer that made it.
  package func putClientKey(
    _ name: String, of endpoint: String, quota: ClientQuota, by actor: Actor
  ) throws(ControlError) -> (record: ClientKeyRecord, key: String?) {
    do throws(RegistryError) {
      try PackageName.check(name, kind: "key name")
    } catch {
      throw .invalid(field: "name", reason: "\(error)")
    }
    return try change { (state, store) throws(ControlError) in
      let endpoint = try state.catalog.endpoint(endpoint).specification.name
      var clients = state.clients[endpoint.lowercased()] ?? []
      let time = currentTime()
      let index = clients.firstIndex { $0.record.name.lowercased() == name.lowercased() }
      var record: ClientKeyRecord
      var key: String?
      let hash: [UInt8]
      var before: ClientKey?
      if let index {
        record = clients[index].record
        if record.quota == quota { return (record, nil) }
        record.quota = quota
        let client = clients.remove(at: index)
        hash = client.hash
        before = client
      } else {
        guard clients.count < Self.maxClientKeys else {
          throw .conflict(
            "endpoint '\(endpoint)' has \(clients.count) client keys already; delete one that is "
              + "not used")
        }
        let made = ClientKeyText.make()
        key = made
        hash = ClientKeyText.hash(made.utf8)
        record = ClientKeyRecord(
          name: name, endpoint: endpoint, quota: quota, createdAt: time, createdBy: actor.name)
      }
      try store.save(record, hash: hash)
      try store.audit(
        key == nil ? "update" : "create", "client key \(endpoint)/\(record.name)", by: actor,
        at: time, body: quota.value)
      clients.append(makeClientKey(record, hash: hash, before: before))
      state.clients[endpoint.lowercased()] = clients
      return (record, key)
    }
  }

  /// From the next request on the key opens nothing. False when there is none of this name.
  package func deleteClientKey(
    _ name: String, of endpoint: String, by actor: Actor
  ) throws(ControlError) -> Bool {
    try change { (state, store) throws(ControlError) in
      let endpoint = try state.catalog.endpoint(endpoint).specification.name
      var clients = state.clients[endpoint.lowercased()] ?? []
      let index = clients.firstIndex { $0.record.name.lowercased() == name.lowercased() }
      guard let index else { return false }
      let record = clients.remove(at: index).record
      try store.deleteClientKey(record.name, of: endpoint)
      try store.audit(
        "delete", "client key \(endpoint)/\(record.name)", by: actor, at: currentTime())
      state.clients[endpoint.lowercased()] = clients.isEmpty ? nil : clients
      return true
    }
  }
}

extension EndpointStore {
  func clientKeys() throws(ControlError) -> [(record: ClientKeyRecord, hash: [UInt8])] {
    var keys: [(record: ClientKeyRecord, hash: [UInt8])] = []
    let rows = try query(
      "SELECT endpoint, name, hash, created_at, created_by, body FROM client_keys")
    for row in rows {
      let quota = try ResourceBody.quota(row.text("body"))
      keys.append(
        (
          ClientKeyRecord(
            name: row.text("name"), endpoint: row.text("endpoint"), quota: quota,
            createdAt: row.integer("created_at"), createdBy: row.text("created_by")),
          row.blob("hash")
        ))
    }
    return keys
  }

  func save(_ record: ClientKeyRecord, hash: [UInt8]) throws(ControlError) {
    try execute(
      """
      INSERT INTO client_keys (endpoint, name, hash, created_at, created_by, body)
      VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (endpoint, name) DO UPDATE SET body = excluded.body
      """,
      .text(record.endpoint), .text(record.name), .blob(hash), .integer(record.createdAt),
      .text(record.createdBy), .text(ResourceBody.json(record.quota.value)))
  }

  func deleteClientKey(_ name: String, of endpoint: String) throws(ControlError) {
    try execute(
      "DELETE FROM client_keys WHERE endpoint = ? AND name = ?", .text(endpoint), .text(name))
  }
}
