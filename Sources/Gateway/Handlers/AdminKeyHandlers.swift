internal import Documents
internal import HTTP
internal import Serving

extension AdminHandler {
  func adminKeys(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    return .document(
      status: 200, ["value": .array(adminKeys.records.map { .object(Self.body(of: $0)) })])
  }

  /// PUT makes a key and is the only answer that ever holds it.
  func adminKey(_ name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .put:
      let (key, record) = try armControl { () throws(ControlError) in
        try adminKeys.create(name, by: request.actor)
      }
      var body = Self.body(of: record)
      body["key"] = .string(key)
      return .document(status: 201, .object(body), headers: [("Cache-Control", "no-store")])
    case .delete:
      let isGone = try armControl { () throws(ControlError) in
        try adminKeys.delete(name, by: request.actor)
      }
      guard isGone else { throw noAdminKey(name) }
      return HTTPResponse(status: 200)
    case .get:
      let found = adminKeys.records.first { $0.name.lowercased() == name.lowercased() }
      guard let found else { throw noAdminKey(name) }
      return .document(status: 200, .object(Self.body(of: found)))
    case .head, .post, .patch, .options, .trace:
      throw request.notAllowed("GET, PUT, DELETE")
    }
  }

  private func noAdminKey(_ name: String) -> ARMError {
    let known = adminKeys.records.map(\.name).joined(separator: ", ")
    return ARMError(
      404, "ResourceNotFound",
      "there is no admin key '\(name)'; "
        + (known.isEmpty ? "there are none" : "there are \(known)"))
  }

  private static func body(of record: AdminKeys.Record) -> DocumentObject {
    DocumentObject([
      "name": .string(record.name),
      "createdAt": .string(ISOTime.text(milliseconds: record.createdAt)),
      "createdBy": .string(record.createdBy),
    ])
  }
}
