internal import Documents
internal import HTTP
internal import Serving

extension AdminHandler {
  func clientKeys(of endpoint: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let records = try armControl { () throws(ControlError) in
      try control.clientKeys(of: endpoint)
    }
    return .document(
      status: 200, ["value": .array(records.map { .object(Self.body(of: $0)) })])
  }

  /// PUT makes a key, in the only answer that ever holds it, or changes the quota of one.
  func clientKey(
    _ name: String, of endpoint: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .put:
      let document = try request.document()
      let quota = try armDocument { () throws(DocumentError) in try ClientQuota(document) }
      let (record, key) = try armControl { () throws(ControlError) in
        try control.putClientKey(name, of: endpoint, quota: quota, by: request.actor)
      }
      var body = Self.body(of: record)
      body["key"] = key.map { .string($0) }
      return .document(
        status: key == nil ? 200 : 201, .object(body), headers: [("Cache-Control", "no-store")])
    case .delete:
      let isGone = try armControl { () throws(ControlError) in
        try control.deleteClientKey(name, of: endpoint, by: request.actor)
      }
      guard isGone else { throw try noClientKey(name, of: endpoint) }
      return HTTPResponse(status: 200)
    case .get:
      let records = try armControl { () throws(ControlError) in
        try control.clientKeys(of: endpoint)
      }
      let found = records.first { $0.name.lowercased() == name.lowercased() }
      guard let found else { throw try noClientKey(name, of: endpoint) }
      return .document(status: 200, .object(Self.body(of: found)))
    case .head, .post, .patch, .options:
      throw request.notAllowed("GET, PUT, DELETE")
    }
  }

  private func noClientKey(_ name: String, of endpoint: String) throws(ARMError) -> ARMError {
    let known = try armControl { () throws(ControlError) in
      try control.clientKeys(of: endpoint)
    }.map(\.name).joined(separator: ", ")
    return ARMError(
      404, "ResourceNotFound",
      "endpoint '\(endpoint)' has no client key '\(name)'; "
        + (known.isEmpty ? "it has none" : "it has \(known)"))
  }

  private static func body(of record: ClientKeyRecord) -> DocumentObject {
    DocumentObject([
      "name": .string(record.name), "endpoint": .string(record.endpoint),
      "quota": record.quota.value,
      "createdAt": .string(ISOTime.text(milliseconds: record.createdAt)),
      "createdBy": .string(record.createdBy),
    ])
  }
}
