internal import HTTP

/// What a path of the Open Inference Protocol asks for, behind `/v2`. Source: `WIRE.md` §2.1.
enum InferenceRoute: Equatable {
  enum Action: Equatable {
    case metadata, ready, infer, config, statistics
  }

  case server
  case live
  case ready
  /// The names of the models.
  case models
  case model(name: String, version: String?, Action)
  /// The statistics of all models.
  case statistics
  case index
  case load(String)
  case unload(String)
  /// A part of Triton that is not here.
  case notServed(String)
  case unknown

  /// - Parameter segments: The path's, decoded, from behind `v2` on.
  init(segments: ArraySlice<String>) {
    if segments.count == 3, segments.first == "models", segments.last == "infer" {
      // What nearly every request is.
      self = .model(name: segments[segments.startIndex + 1], version: nil, .infer)
      return
    }
    let rest = Array(segments)
    switch rest.first {
    case nil: self = .server
    case "health":
      self = rest == ["health", "live"] ? .live : rest == ["health", "ready"] ? .ready : .unknown
    case "models": self = InferenceRoute.model(Array(rest.dropFirst()))
    case "repository": self = InferenceRoute.repository(Array(rest.dropFirst()))
    case "systemsharedmemory", "cudasharedmemory": self = .notServed("shared memory")
    case "trace": self = .notServed("tracing")
    case "logging": self = .notServed("changing the log")
    default: self = .unknown
    }
  }

  private static func model(_ rest: [String]) -> InferenceRoute {
    guard let name = rest.first else { return .models }
    if rest == ["stats"] { return .statistics }
    var rest = rest.dropFirst()
    var version: String?
    if rest.first == "versions" {
      guard rest.count >= 2 else { return .unknown }
      version = rest[rest.startIndex + 1]
      rest = rest.dropFirst(2)
    }
    switch Array(rest) {
    case []: return .model(name: name, version: version, .metadata)
    case ["ready"]: return .model(name: name, version: version, .ready)
    case ["infer"]: return .model(name: name, version: version, .infer)
    case ["config"]: return .model(name: name, version: version, .config)
    case ["stats"]: return .model(name: name, version: version, .statistics)
    case ["generate"], ["generate_stream"]: return .notServed("generating text")
    case ["trace", "setting"]: return .notServed("tracing")
    default: return .unknown
    }
  }

  private static func repository(_ rest: [String]) -> InferenceRoute {
    if rest == ["index"] { return .index }
    guard rest.count == 3, rest[0] == "models" else { return .unknown }
    switch rest[2] {
    case "load": return .load(rest[1])
    case "unload": return .unload(rest[1])
    default: return .unknown
    }
  }

  var allowedMethods: AllowedMethods {
    switch self {
    case .server, .live, .ready, .models, .statistics: .reading
    case .model(_, _, .infer), .index, .load, .unload: .posting
    case .model: .reading
    case .notServed, .unknown: .any
    }
  }
}

/// Methods that a route answers.
enum AllowedMethods: String {
  case reading = "GET, HEAD"
  case posting = "POST"
  /// Whatever comes is answered alike.
  case any = ""

  func contains(_ method: HTTPMethod) -> Bool {
    switch self {
    case .reading: method == .get || method == .head
    case .posting: method == .post
    case .any: true
    }
  }
}
