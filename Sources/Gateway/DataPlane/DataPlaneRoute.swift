internal import Serving

/// What a path of the data plane asks for. The whole data plane as one table.
enum DataPlaneRoute: Equatable, Sendable {
  /// `/endpoints/{ep}/score`, with where the name lies in the path.
  case score(endpoint: Range<Int>)
  /// `/endpoints/{ep}/invocations`; at the root the default endpoint, or the only one: nil.
  case invocations(endpoint: Range<Int>?)
  /// `/endpoints/{ep}/swagger.json`
  case swagger(endpoint: Range<Int>)
  /// `/v2/…`, and `/endpoints/{ep}/v2/…`; `segments` stand before what the protocol itself names.
  case inference(endpoint: Range<Int>?, segments: Int)
  /// `/v1/models…`: TensorFlow Serving and KServe.
  case predict
  /// MLflow's `/ping` and `/health`, at the root or below an endpoint, and `/endpoints/{ep}/`.
  case ping(endpoint: Range<Int>?)
  /// MLflow's `/version`.
  case version(endpoint: Range<Int>?)
  /// `/batch-endpoints/{ep}/jobs`, and `…/jobs/{id}`.
  case jobs(endpoint: Range<Int>, job: Range<Int>?)
  case livez
  case readyz
  case metrics
  /// `/`: what Azure's inference server answers to a health probe.
  case root
  case unknown

  init(path: Span<UInt8>) {
    self =
      if starts(path, with: "/endpoints/") {
        DataPlaneRoute.endpointRoute(path)
      } else if starts(path, with: "/batch-endpoints/") {
        DataPlaneRoute.batchRoute(path)
      } else if isEqual(path, "/") {
        .root
      } else if isEqual(path, "/livez") {
        .livez
      } else if isEqual(path, "/readyz") {
        .readyz
      } else if isEqual(path, "/metrics") {
        .metrics
      } else if isEqual(path, "/invocations") {
        .invocations(endpoint: nil)
      } else if isEqual(path, "/v2") || starts(path, with: "/v2/") {
        .inference(endpoint: nil, segments: 1)
      } else if isEqual(path, "/v1/models") || starts(path, with: "/v1/models/") {
        .predict
      } else if isEqual(path, "/ping") || isEqual(path, "/health") {
        .ping(endpoint: nil)
      } else if isEqual(path, "/version") {
        .version(endpoint: nil)
      } else {
        .unknown
      }
  }

  /// Methods that the route answers; the first is the one meant.
  var allowedMethods: StaticString {
    switch self {
    case .score, .invocations: "POST"
    case .jobs(_, job: nil): "POST, GET"
    case .jobs: "GET"
    case .swagger, .livez, .readyz, .metrics, .root: "GET, HEAD"
    case .ping, .version: "GET, HEAD"
    case .inference, .predict, .unknown: ""
    }
  }

  private static func batchRoute(_ path: Span<UInt8>) -> DataPlaneRoute {
    let nameStart = "/batch-endpoints/".utf8.count
    var nameEnd = nameStart
    while nameEnd < path.count, path[nameEnd] != UInt8(ascii: "/") { nameEnd += 1 }
    guard nameEnd > nameStart, nameEnd < path.count else { return .unknown }
    let rest = path.extracting((nameEnd + 1)...)
    if isEqual(rest, "jobs") { return .jobs(endpoint: nameStart..<nameEnd, job: nil) }
    let jobStart = nameEnd + 1 + "jobs/".utf8.count
    guard starts(rest, with: "jobs/"), jobStart < path.count else { return .unknown }
    for index in jobStart..<path.count where path[index] == UInt8(ascii: "/") { return .unknown }
    return .jobs(endpoint: nameStart..<nameEnd, job: jobStart..<path.count)
  }

  private static func endpointRoute(_ path: Span<UInt8>) -> DataPlaneRoute {
    let nameStart = "/endpoints/".utf8.count
    var nameEnd = nameStart
    while nameEnd < path.count, path[nameEnd] != UInt8(ascii: "/") { nameEnd += 1 }
    guard nameEnd > nameStart, nameEnd < path.count else { return .unknown }
    let rest = path.extracting((nameEnd + 1)...)
    if isEqual(rest, "score") { return .score(endpoint: nameStart..<nameEnd) }
    if isEqual(rest, "invocations") { return .invocations(endpoint: nameStart..<nameEnd) }
    if isEqual(rest, "swagger.json") { return .swagger(endpoint: nameStart..<nameEnd) }
    // Without anything behind the name it is Azure's own health check.
    if rest.isEmpty || isEqual(rest, "ping") || isEqual(rest, "health") {
      return .ping(endpoint: nameStart..<nameEnd)
    }
    if isEqual(rest, "version") { return .version(endpoint: nameStart..<nameEnd) }
    if isEqual(rest, "v2") || starts(rest, with: "v2/") {
      return .inference(endpoint: nameStart..<nameEnd, segments: 3)
    }
    return .unknown
  }
}

/// Whose form the server's own refusals take, which know a path and no more.
enum RefusalForm: UInt8 {
  case score, invocations, predict, inference

  var answerForm: AnswerForm {
    switch self {
    case .score: .score
    case .invocations: .invocations
    case .predict: .predict
    case .inference:
      .inference(InferenceCall(modelName: "", version: nil, headerByteCount: nil))
    }
  }
}

extension DataPlaneRoute {
  var refusalForm: RefusalForm {
    switch self {
    case .invocations, .ping, .version: .invocations
    case .predict: .predict
    case .inference: .inference
    case .score, .swagger, .jobs, .livez, .readyz, .metrics, .root, .unknown: .score
    }
  }
}

/// Whether bytes are these of a constant.
func isEqual(_ bytes: Span<UInt8>, _ text: StaticString) -> Bool {
  bytes.count == text.utf8CodeUnitCount && starts(bytes, with: text)
}

/// Whether bytes begin with these of a constant; letter case counts unless said otherwise.
func starts(
  _ bytes: Span<UInt8>, with text: StaticString, ignoringCase: Bool = false
) -> Bool {
  let count = text.utf8CodeUnitCount
  guard bytes.count >= count else { return false }
  return text.withUTF8Buffer { text in
    for index in 0..<count {
      let difference = bytes[index] ^ text[index]
      if difference != 0 && (!ignoringCase || difference != 0x20) { return false }
    }
    return true
  }
}
