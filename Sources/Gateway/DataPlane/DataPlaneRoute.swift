/// What a path of the data plane asks for. The whole data plane as one table.
enum DataPlaneRoute: Equatable, Sendable {
  /// `/endpoints/{ep}/score`
  case score(endpoint: String)
  /// `/endpoints/{ep}/invocations`; at the root the default endpoint, or the only one: nil.
  case invocations(endpoint: String?)
  /// `/endpoints/{ep}/swagger.json`
  case swagger(endpoint: String)
  case livez
  case readyz
  case metrics
  /// `/`: what Azure's inference server answers to a health probe.
  case root
  case unknown

  init(path: String) {
    switch path {
    case "/": self = .root
    case "/livez": self = .livez
    case "/readyz": self = .readyz
    case "/metrics": self = .metrics
    case "/invocations": self = .invocations(endpoint: nil)
    default: self = DataPlaneRoute.endpointRoute(path)
    }
  }

  /// Methods that the route answers; the first is the one meant.
  var allowedMethods: StaticString {
    switch self {
    case .score, .invocations: "POST"
    case .swagger, .livez, .readyz, .metrics, .root: "GET, HEAD"
    case .unknown: ""
    }
  }

  private static func endpointRoute(_ path: String) -> DataPlaneRoute {
    let prefix: StaticString = "/endpoints/"
    let bytes = path.utf8
    guard bytes.count > prefix.utf8CodeUnitCount, path.hasPrefix("/endpoints/") else {
      return .unknown
    }
    let nameStart = bytes.index(bytes.startIndex, offsetBy: prefix.utf8CodeUnitCount)
    guard let nameEnd = bytes[nameStart...].firstIndex(of: UInt8(ascii: "/")),
      nameEnd > nameStart
    else { return .unknown }
    let name = String(path[nameStart..<nameEnd]).lowercased()
    switch path[bytes.index(after: nameEnd)...] {
    case "score": return .score(endpoint: name)
    case "invocations": return .invocations(endpoint: name)
    case "swagger.json": return .swagger(endpoint: name)
    default: return .unknown
    }
  }
}
