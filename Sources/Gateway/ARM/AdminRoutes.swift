internal import Documents
internal import HTTP
internal import Registry
internal import Serving

/// The control plane's routes: Azure's below `{WS}`, the operations, and three of our own that
/// look like Azure's actions: `POST {WS}/apply`, `GET {WS}/swerve/status`, and
/// `GET {WS}/models/{name}/versions/{version}/package/{file}`.
struct AdminRoutes: Sendable {
  let control: ControlPlane
  let registry: ModelRegistry
  let isReady: @Sendable () -> Bool
  let scoringAddress: @Sendable () -> String

  func answer(_ request: AdminRequest) -> HTTPResponse {
    do {
      if request.segments.first?.lowercased() == "operations", request.segments.count == 2 {
        return try operation(request, id: request.segments[1])
      }
      guard let resource = request.resource else { return notFound(request) }
      return try route(request, resource)
    } catch {
      return AdminAnswer.error(error)
    }
  }

  private func route(
    _ request: AdminRequest, _ resource: [String]
  ) throws(ControlError) -> HTTPResponse {
    let rest = Array(resource.dropFirst())
    switch resource.first?.lowercased() {
    case "onlineendpoints":
      return try EndpointRoutes(routes: self, request: request).answer(rest)
    case "models":
      return try ModelRoutes(routes: self, request: request).answer(rest)
    case "apply" where rest.isEmpty:
      return try apply(request)
    case "swerve" where rest.count == 1 && rest[0].lowercased() == "status":
      return try status()
    case nil:
      return AdminAnswer.json(
        200,
        [
          "id": .string(request.workspacePath), "name": "local", "location": "local",
          "type": .string(ARMResources.provider),
          "properties": ["workspaceId": "local", "provisioningState": "Succeeded"],
        ])
    default:
      return notFound(request)
    }
  }

  func resources(_ request: AdminRequest) -> ARMResources {
    ARMResources(workspacePath: request.workspacePath, scoringAddress: scoringAddress())
  }

  func notFound(_ request: AdminRequest) -> HTTPResponse {
    AdminAnswer.error(
      status: 404, code: "ResourceNotFound",
      message: "there is nothing at /\(request.segments.joined(separator: "/"))")
  }

  func methodNotAllowed(_ allowed: String) -> HTTPResponse {
    var response = AdminAnswer.error(
      status: 405, code: "MethodNotAllowed", message: "this resource takes \(allowed)")
    response.headers.append(("Allow", allowed))
    return response
  }

  /// The headers by which a client follows an operation. `Retry-After` is in whole seconds, so
  /// 0 says: ask at once.
  func operationHeaders(_ operation: OperationRecord) -> [(name: String, value: String)] {
    [
      ("Azure-AsyncOperation", "/operations/\(operation.id)"),
      ("x-ms-async-operation-timeout", "PT1H"), ("Retry-After", "0"),
    ]
  }

  /// Reads a part of a request; a fault in it is the client's.
  func reading<Result>(
    _ body: () throws(DocumentError) -> Result
  ) throws(ControlError) -> Result {
    do {
      return try body()
    } catch {
      throw .document(error)
    }
  }

  private func operation(
    _ request: AdminRequest, id: String
  ) throws(ControlError) -> HTTPResponse {
    guard request.method == .get else { return methodNotAllowed("GET") }
    let record = try control.operation(id)
    return AdminAnswer.json(
      200, resources(request).operation(record), headers: [("Retry-After", "0")])
  }

  private func apply(_ request: AdminRequest) throws(ControlError) -> HTTPResponse {
    guard request.method == .post else { return methodNotAllowed("POST") }
    let body = try reading { () throws(DocumentError) in try request.document() }
    let asked = try reading { () throws(DocumentError) in try applyRequest(body) }
    let report = try control.apply(
      asked.documents, prune: asked.prune, dryRun: asked.dryRun, unit: .everything,
      by: request.actor)
    return AdminAnswer.json(
      200,
      [
        "changes": .array(
          report.changes.map { change in
            [
              "action": .string(change.action.rawValue), "resource": .string(change.resource),
              "detail": .string(change.detail),
            ]
          }),
        "notices": .array(report.notices.map { .string($0) }),
      ])
  }

  private func applyRequest(
    _ body: Document
  ) throws(DocumentError) -> (documents: [ApplyDocument], prune: Bool, dryRun: Bool) {
    try body.rejectUnknown(known: ["documents", "prune", "dryRun"])
    var documents: [ApplyDocument] = []
    for document in try body.required("documents").elements() {
      documents.append(
        ApplyDocument(
          path: try document.required("path").string(),
          text: try document.required("text").string()))
    }
    return (
      documents, try body.optional("prune")?.bool() ?? false,
      try body.optional("dryRun")?.bool() ?? false
    )
  }

  /// What `health` and `doctor` ask.
  private func status() throws(ControlError) -> HTTPResponse {
    var deployments: [DocumentValue] = []
    for endpoint in try control.endpoints() {
      for record in try control.deployments(of: endpoint.specification.name) {
        var entry: DocumentValue = [
          "name": .string("\(endpoint.specification.name)/\(record.specification.name)"),
          "state": .string(record.provisioningState),
        ]
        if let failure = record.failure, case .object(var object) = entry {
          object["reason"] = .string(failure.message)
          entry = .object(object)
        }
        deployments.append(entry)
      }
    }
    return AdminAnswer.json(
      200,
      [
        "ready": .bool(isReady()), "address": .string(scoringAddress()),
        "deployments": .array(deployments),
      ])
  }
}
