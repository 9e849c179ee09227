internal import Documents
internal import HTTP
internal import Serving

/// `{WS}/onlineEndpoints/…`.
struct EndpointRoutes {
  let routes: AdminRoutes
  let request: AdminRequest

  private var control: ControlPlane { routes.control }
  private var resources: ARMResources { routes.resources(request) }

  func answer(_ path: [String]) throws(ControlError) -> HTTPResponse {
    switch path.count {
    case 0:
      guard request.method == .get else { return routes.methodNotAllowed("GET") }
      return AdminAnswer.list(try control.endpoints().map(resources.endpoint))
    case 1:
      return try endpoint(path[0])
    case 2 where path[1].lowercased() == "deployments":
      guard request.method == .get else { return routes.methodNotAllowed("GET") }
      return AdminAnswer.list(try control.deployments(of: path[0]).map(resources.deployment))
    case 2:
      return try action(path[1].lowercased(), on: path[0])
    case 3 where path[1].lowercased() == "deployments":
      return try deployment(path[2], of: path[0])
    case 4 where path[1].lowercased() == "deployments" && path[3].lowercased() == "getlogs":
      guard request.method == .post else { return routes.methodNotAllowed("POST") }
      _ = try control.deployment(path[2], of: path[0])
      return AdminAnswer.json(
        200,
        [
          "content":
            """
            This gateway writes its log to its own standard error, one JSON object a line; the \
            lines of this deployment have "endpoint":"\(path[0])" and "deployment":"\(path[2])".

            """
        ])
    default:
      return routes.notFound(request)
    }
  }

  private func endpoint(_ name: String) throws(ControlError) -> HTTPResponse {
    switch request.method {
    case .get:
      return AdminAnswer.json(200, resources.endpoint(try control.endpoint(name)))
    case .put:
      let specification = try routes.reading { () throws(DocumentError) in
        try ARM.endpoint(name: name, body: try request.document())
      }
      return try put(specification)
    case .patch:
      let current = try control.endpoint(name).specification
      let specification = try routes.reading { () throws(DocumentError) in
        let change = try request.document()
        let merged = mergePatch(ARM.body(of: current), change.value)
        return try ARM.endpoint(name: name, body: Document(merged, source: change.source))
      }
      return try put(specification)
    case .delete:
      try control.deleteEndpoint(name, by: request.actor)
      return AdminAnswer.noContent
    case .head, .post, .options:
      return routes.methodNotAllowed("GET, PUT, PATCH, DELETE")
    }
  }

  private func put(_ specification: EndpointSpecification) throws(ControlError) -> HTTPResponse {
    let (record, created) = try control.putEndpoint(specification, by: request.actor)
    return AdminAnswer.json(created ? 201 : 200, resources.endpoint(record))
  }

  private func action(_ name: String, on endpoint: String) throws(ControlError) -> HTTPResponse {
    guard request.method == .post else { return routes.methodNotAllowed("POST") }
    switch name {
    case "listkeys":
      return AdminAnswer.json(200, body(of: try control.keys(of: endpoint)))
    case "token":
      // Tokens do not exist yet: an endpoint in a token mode is served with its key.
      let keys = try control.keys(of: endpoint)
      return AdminAnswer.json(
        200,
        [
          "accessToken": .string(keys.primary), "tokenType": "Bearer",
          "expiryTimeUtc": 253_402_300_799, "refreshAfterTimeUtc": 253_402_300_799,
        ])
    case "regeneratekeys":
      let asked = try routes.reading { () throws(DocumentError) in
        let body = try request.document()
        let kind = try body.required("keyType")
        guard let known = ControlPlane.KeyKind(rawValue: try kind.string().lowercased()) else {
          throw kind.mismatch("Primary or Secondary")
        }
        return (kind: known, value: try body.optional("keyValue")?.string())
      }
      let keys = try control.regenerateKey(
        asked.kind, of: endpoint, value: asked.value, by: request.actor)
      return AdminAnswer.json(200, body(of: keys))
    default:
      return routes.notFound(request)
    }
  }

  private func body(of keys: ControlPlane.Keys) -> DocumentValue {
    ["primaryKey": .string(keys.primary), "secondaryKey": .string(keys.secondary)]
  }

  private func deployment(
    _ name: String, of endpoint: String
  ) throws(ControlError) -> HTTPResponse {
    switch request.method {
    case .get:
      return AdminAnswer.json(
        200, resources.deployment(try control.deployment(name, of: endpoint)))
    case .put:
      let specification = try routes.reading { () throws(DocumentError) in
        try ARM.deployment(name: name, endpoint: endpoint, body: try request.document())
      }
      return try put(specification)
    case .patch:
      let current = try control.deployment(name, of: endpoint).specification
      let specification = try routes.reading { () throws(DocumentError) in
        let change = try request.document()
        let merged = mergePatch(ARM.body(of: current), change.value)
        return try ARM.deployment(
          name: name, endpoint: endpoint, body: Document(merged, source: change.source))
      }
      return try put(specification)
    case .delete:
      try control.deleteDeployment(name, of: endpoint, by: request.actor)
      return AdminAnswer.noContent
    case .head, .post, .options:
      return routes.methodNotAllowed("GET, PUT, PATCH, DELETE")
    }
  }

  private func put(_ specification: DeploymentSpecification) throws(ControlError) -> HTTPResponse {
    let (record, created, operation) = try control.putDeployment(specification, by: request.actor)
    return AdminAnswer.json(
      created ? 201 : 200, resources.deployment(record),
      headers: routes.operationHeaders(operation))
  }
}

/// `change` laid over `body`: null removes a member, an object is merged, the rest replaced.
/// Source: RFC 7396.
func mergePatch(_ body: DocumentValue, _ change: DocumentValue) -> DocumentValue {
  guard case .object(let changes) = change else { return change }
  var merged = DocumentObject()
  if case .object(let object) = body { merged = object }
  for (key, value) in changes.members {
    merged[key] = value == .null ? nil : mergePatch(merged[key] ?? .null, value)
  }
  return .object(merged)
}
