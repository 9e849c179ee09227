internal import HTTP
internal import Serving

// What MLflow's scoring server answers beside `/invocations`. Source: `WIRE.md` §2.5.

extension DataPlaneHandler {
  /// `/ping`, `/health` and `/version`: no key, as load balancers have none. At the root they are
  /// about the default endpoint, or about the whole gateway where there is none.
  func admitMLflow(
    _ exchange: HTTPExchange, _ route: DataPlaneRoute, name: Range<Int>?, isVersion: Bool
  ) -> HTTPAdmission {
    guard exchange.method == .get || exchange.method == .head else {
      return refuse(
        exchange, .methodNotAllowed(allowed: "\(route.allowedMethods)"), form: .invocations)
    }
    let isWell: Bool
    if let endpoint = endpoint(of: exchange, named: name, in: service.table) {
      isWell = !endpoint.deployments.isEmpty
    } else {
      isWell = name == nil && readiness.state == .ready && !service.table.endpoints.isEmpty
    }
    let text = isVersion ? Version.text : "\n"
    exchange.context = plain(
      exchange,
      HTTPResponse(
        status: isWell || isVersion ? 200 : 404,
        headers: [("Content-Type", isVersion ? "text/plain; charset=utf-8" : "application/json")],
        body: .bytes(Array(text.utf8))))
    return .collect(maxBodyBytes: DataPlaneHandler.maxProbeBytes)
  }

  /// Whether `/invocations` gets JSON or CSV; nil for anything else, which it refuses.
  ///
  /// MLflow knows two types and one parameter. No type, and what `curl -d` calls a form, are JSON
  /// here as on every other route.
  func invocationsForm(_ contentType: String?) -> AnswerForm? {
    let parts = (contentType ?? "").lowercased().split(separator: ";").map {
      $0.filter { $0 != " " && $0 != "\t" }
    }
    for parameter in parts.dropFirst() where parameter != "charset=utf-8" { return nil }
    switch parts.first ?? "" {
    case "", "application/json", "application/x-www-form-urlencoded": return .invocations
    case "text/csv": return .invocationsCSV
    default: return nil
    }
  }
}
