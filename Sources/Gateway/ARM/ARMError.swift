internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Store

/// Why an admin request fails, as the client sees it: `{"error": {"code", "message", …}}`.
struct ARMError: Error {
  var status: Int
  var code: String
  var message: String
  var target: String?
  var details: [String] = []

  init(_ status: Int, _ code: String, _ message: String, target: String? = nil) {
    self.status = status
    self.code = code
    self.message = message
    self.target = target
  }

  init(_ error: ControlError) {
    switch error {
    case .endpointNotFound, .deploymentNotFound, .operationNotFound, .notFound:
      self.init(404, "ResourceNotFound", error.description)
    case .invalid(let field, _):
      self.init(400, "BadArgument", error.description, target: field)
    case .conflict:
      self.init(409, "Conflict", error.description)
    case .document(let error):
      self.init(error)
    case .documents(let faults):
      self.init(
        400, "BadArgument",
        faults.count == 1
          ? faults[0] : "\(faults.count) documents are wrong; nothing was changed")
      details = faults
    case .registry(let error):
      self.init(error)
    case .deployment(let failure):
      self.init(400, failure.code, failure.message)
    case .store(let fault):
      self.init(fault, error.description)
    }
  }

  init(_ error: DocumentError) {
    switch error {
    case .tooLarge: self.init(413, "RequestTooLarge", error.description)
    case .value(_, let path, _, _), .unknownField(_, let path, _), .missingField(_, let path):
      self.init(400, "BadArgument", error.description, target: path)
    case .syntax: self.init(400, "BadArgument", error.description)
    }
  }

  init(_ error: RegistryError) {
    let message = registrySentence(for: error)
    switch error {
    case .notFound: self.init(404, "ResourceNotFound", message)
    case .immutable, .inUse: self.init(409, "Conflict", message)
    case .invalidName, .refused, .unreadable: self.init(400, "BadArgument", message)
    case .corrupt: self.init(500, "ModelCorrupt", message)
    case .store(let fault): self.init(fault, message)
    case .interrupted: self.init(503, "ServiceUnavailable", message)
    }
  }

  private init(_ error: StoreError, _ message: String) {
    switch error {
    case .noSpace: self.init(507, "InsufficientStorage", message)
    case .busy: self.init(503, "ServiceUnavailable", message)
    case .unstorable: self.init(400, "BadArgument", message)
    case .io, .database, .locked, .escapes, .exists:
      self.init(500, "InternalServerError", message)
    }
  }

  var response: HTTPResponse { response(headers: []) }

  /// What is away now is back in a moment.
  static let retryAfter = (name: "Retry-After", value: "1")

  func response(headers: [(name: String, value: String)]) -> HTTPResponse {
    var error = DocumentObject()
    error["code"] = .string(code)
    error["message"] = .string(message)
    error["target"] = target.map { .string($0) }
    error["details"] = .array(
      details.map { ["code": .string(code), "message": .string($0)] })
    let isTold = headers.contains { $0.name == Self.retryAfter.name }
    return .document(
      status: status, ["error": .object(error)],
      headers: status == 503 && !isTold ? headers + [Self.retryAfter] : headers)
  }
}

extension HTTPResponse {
  static func document(
    status: Int, _ value: DocumentValue, headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    var writer = JSONWriter()
    writer.document(value)
    return HTTPResponse(
      status: status, headers: HTTPHeaders([("Content-Type", "application/json")] + headers),
      body: .bytes(writer.bytes))
  }
}
