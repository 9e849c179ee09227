internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Store

/// The control plane's answers. The one switch from its errors to statuses.
enum AdminAnswer {
  static func json(
    _ status: Int, _ body: DocumentValue, headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    var writer = JSONWriter()
    writer.document(body)
    return HTTPResponse(
      status: status, headers: [("Content-Type", "application/json")] + headers,
      body: .bytes(writer.bytes))
  }

  static func list(_ values: [DocumentValue]) -> HTTPResponse {
    json(200, ["value": .array(values)])
  }

  static let noContent = HTTPResponse(status: 204)

  /// Azure's error body. Several faults are told together, each as a detail.
  static func error(
    status: Int, code: String, message: String, details: [String] = []
  ) -> HTTPResponse {
    var error: DocumentValue = [
      "code": .string(code), "message": .string(message),
    ]
    if !details.isEmpty, case .object(var object) = error {
      object["details"] = .array(
        details.map { ["code": .string(code), "message": .string($0)] })
      error = .object(object)
    }
    return json(status, ["error": error])
  }

  static func code(of status: Int) -> String {
    switch status {
    case 400: "BadArgument"
    case 404: "ResourceNotFound"
    case 405: "MethodNotAllowed"
    case 408: "RequestTimeout"
    case 409: "Conflict"
    case 413: "RequestTooLarge"
    case 503: "ServiceUnavailable"
    case 507: "InsufficientStorage"
    default: status < 500 ? "BadRequest" : "InternalServerError"
    }
  }

  static func error(_ error: ControlError) -> HTTPResponse {
    switch error {
    case .documents(let faults) where faults.count > 1:
      return AdminAnswer.error(
        status: 400, code: code(of: 400), message: "\(faults.count) faults; nothing was changed",
        details: faults)
    case .deployment(let failure):
      return AdminAnswer.error(status: 400, code: failure.code, message: failure.message)
    default:
      let status = status(of: error)
      return AdminAnswer.error(
        status: status, code: code(of: status), message: sentence(for: error))
    }
  }

  private static func status(of error: ControlError) -> Int {
    switch error {
    case .endpointNotFound, .deploymentNotFound, .operationNotFound: 404
    case .invalid, .document, .documents, .deployment: 400
    case .conflict: 409
    case .registry(let error): status(of: error)
    case .store(let error): status(of: error)
    }
  }

  private static func status(of error: RegistryError) -> Int {
    switch error {
    case .notFound: 404
    case .immutable, .inUse: 409
    case .invalidName, .refused, .unreadable: 400
    case .corrupt: 500
    case .store(let error): status(of: error)
    }
  }

  private static func status(of error: StoreError) -> Int {
    if case .noSpace = error { return 507 }
    if case .escapes = error { return 400 }
    return 500
  }
}
