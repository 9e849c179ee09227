internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Telemetry

extension AdminHandler {
  func workspace(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let id = request.responses.workspace
    let name = id.split(separator: "/").last.map { String($0) } ?? "workspace"
    return .document(
      status: 200,
      [
        "id": .string(id), "name": .string(name), "location": "local",
        "type": .string(ARMResponses.provider), "tags": [:],
        "properties": ["workspaceId": .string(name), "provisioningState": "Succeeded"],
      ])
  }

  // MARK: Endpoints

  func endpoints(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let records = try armControl { () throws(ControlError) in try control.endpoints() }
    return .document(
      status: 200, ["value": .array(records.map { request.responses.endpoint($0) })])
  }

  func endpoint(_ name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      let record = try armControl { () throws(ControlError) in try control.endpoint(name) }
      return .document(status: 200, request.responses.endpoint(record))
    case .put, .patch:
      let body = try request.wanted { () throws(ControlError) in
        ARM.body(of: try control.endpoint(name).specification)
      }
      let specification = try armDocument { () throws(DocumentError) in
        try ARM.endpoint(name: name, body: body)
      }
      let (record, created) = try armControl { () throws(ControlError) in
        try control.putEndpoint(specification, by: request.actor)
      }
      note(ResourceNotices.of(specification))
      return .document(status: created ? 201 : 200, request.responses.endpoint(record))
    case .delete:
      try armControl { () throws(ControlError) in
        try control.deleteEndpoint(name, by: request.actor)
      }
      return try ended("endpoint \(name)", request)
    case .head, .post, .options, .trace:
      throw request.notAllowed("GET, PUT, PATCH, DELETE")
    }
  }

  func endpointAction(
    _ name: String, _ family: EndpointFamily = .online, action: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard ["listkeys", "token", "regeneratekeys"].contains(action) else {
      throw ARMError(404, "NotFound", "an endpoint has no action '\(action)'")
    }
    guard request.method == .post else { throw request.notAllowed("POST") }
    switch action {
    case "listkeys":
      let keys = try armControl { () throws(ControlError) in try control.keys(of: name, family) }
      return .document(
        status: 200,
        ["primaryKey": .string(keys.primary), "secondaryKey": .string(keys.secondary)])
    case "token":
      let keys = try armControl { () throws(ControlError) in try control.keys(of: name, family) }
      // A key stands in for a token until there are tokens. It does not expire.
      return .document(
        status: 200,
        [
          "accessToken": .string(keys.primary), "tokenType": "Bearer",
          "expiryTimeUtc": 4_102_444_800, "refreshAfterTimeUtc": 4_102_444_800,
        ])
    default:
      let document = try request.document()
      let (kind, value) = try armDocument { () throws(DocumentError) in
        var body = try ARMBody(document.value, source: document.source, path: "$")
        let type = try body.text("keyType") ?? "Primary"
        guard let kind = ControlPlane.KeyKind(rawValue: type.lowercased()) else {
          throw DocumentError.value(
            source: document.source, path: "$.keyType", expected: "'Primary' or 'Secondary'",
            received: "'\(type)'")
        }
        return (kind, try body.text("keyValue"))
      }
      _ = try armControl { () throws(ControlError) in
        try control.regenerateKey(kind, of: name, family, value: value, by: request.actor)
      }
      return try ended("keys of endpoint \(name)", request)
    }
  }

  // MARK: Deployments

  func deployments(of endpoint: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let records = try armControl { () throws(ControlError) in
      try control.deployments(of: endpoint)
    }
    return .document(
      status: 200, ["value": .array(records.map { request.responses.deployment($0) })])
  }

  func deployment(
    _ name: String, of endpoint: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      let record = try armControl { () throws(ControlError) in
        try control.deployment(name, of: endpoint)
      }
      return .document(status: 200, request.responses.deployment(record))
    case .put, .patch:
      let body = try request.wanted { () throws(ControlError) in
        ARM.body(of: try control.deployment(name, of: endpoint).specification)
      }
      var wanted = try armDocument { () throws(DocumentError) in
        try ARM.deployment(name: name, endpoint: endpoint, body: body)
      }
      // Out of memory, not from the disk: the only error is that there is none.
      let current = try? control.deployment(wanted.name, of: wanted.endpointName)
      try registerUpload(of: &wanted.model, current: current?.specification.model, request) {
        () throws(ControlError) in
        _ = try control.endpoint(endpoint)
      }
      let specification = wanted
      let accepted = try armControl { () throws(ControlError) in
        try control.putDeployment(specification, by: request.actor)
      }
      note(ResourceNotices.of(specification))
      return .document(
        status: accepted.created ? 201 : 200, request.responses.deployment(accepted.record),
        headers: Self.operationHeaders(accepted.operation, request))
    case .delete:
      try armControl { () throws(ControlError) in
        try control.deleteDeployment(name, of: endpoint, by: request.actor)
      }
      return try ended("deployment \(endpoint)/\(name)", request)
    case .head, .post, .options, .trace:
      throw request.notAllowed("GET, PUT, PATCH, DELETE")
    }
  }

  /// A model that came with the deployment from another machine is registered now and named by
  /// its version: its files go away.
  ///
  /// - Parameters:
  ///   - current: What the deployment has, which the gateway itself has named: it comes back by a
  ///     client's GET → PUT.
  ///   - checkEndpoint: Throws when there is none: then nothing is registered.
  func registerUpload(
    of model: inout DeploymentSpecification.Model?, current: DeploymentSpecification.Model?,
    _ request: AdminRequest, checkEndpoint: () throws(ControlError) -> Void
  ) throws(ARMError) {
    guard case .inline(let registration)? = model, model != current else { return }
    let lease = try packageLease(
      on: registration, field: "$.properties.properties['swerve.model.path']", request)
    guard lease != nil else { return }
    let version = try withExtendedLifetime(lease) { () throws(ARMError) in
      try armControl { () throws(ControlError) in
        try checkEndpoint()
        return try control.registerInline(registration, by: request.actor)
      }
    }
    model = .registered(version.reference)
  }

  func note(_ notices: [String]) {
    for notice in notices { log.write(.info, "notice", ["text": .string(notice)]) }
  }

  func deploymentAction(
    _ name: String, of endpoint: String, action: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard action == "getlogs" else {
      throw ARMError(404, "NotFound", "a deployment has no action '\(action)'")
    }
    guard request.method == .post else { throw request.notAllowed("POST") }
    let document = try request.document()
    let lines = try armDocument { () throws(DocumentError) in
      try document.optional("tail")?.integer(in: 0...Int.max, acceptingText: true) ?? 50
    }
    let record = try armControl { () throws(ControlError) in
      try control.deployment(name, of: endpoint)
    }
    let content = control.deploymentLogs.text(
      endpoint: record.specification.endpointName, deployment: record.specification.name,
      lines: min(lines, DeploymentLogs.maxLines))
    return .document(status: 200, ["content": .string(content)])
  }

  // MARK: Operations

  func operation(_ id: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let record = try armControl { () throws(ControlError) in try control.operation(id) }
    return .document(
      status: 200, request.responses.operation(record),
      headers: record.status == "InProgress" ? [("Retry-After", "1")] : [])
  }

  func operationResult(_ id: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let record = try armControl { () throws(ControlError) in try control.operation(id) }
    if record.status == "InProgress" {
      return HTTPResponse(
        status: 202, headers: HTTPHeaders(Self.operationHeaders(record, request)))
    }
    if let failure = record.failure { throw ARMError(409, failure.code, failure.message) }
    return HTTPResponse(status: 204)
  }

  /// The answer to something that is done already and whose clients wait for an operation.
  func ended(_ resource: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    let operation = try armControl { () throws(ControlError) in
      try control.endedOperation(resource)
    }
    return HTTPResponse(
      status: 202, headers: HTTPHeaders(Self.operationHeaders(operation, request)))
  }

  static func operationHeaders(
    _ operation: OperationRecord, _ request: AdminRequest
  ) -> [(name: String, value: String)] {
    let url = "\(request.origin)/operations/\(operation.id)"
    return [
      ("Azure-AsyncOperation", url), ("Location", url + "/result"),
      ("x-ms-async-operation-timeout", "PT1H"), ("Retry-After", "1"),
    ]
  }
}
