/// What a path of TensorFlow Serving's or KServe's version 1 asks for, behind `/v1/models`.
/// Source: `WIRE.md` §2.6.
enum PredictRoute: Equatable {
  /// The names of the models.
  case models
  case status(name: String, version: String?)
  case metadata(name: String, version: String?)
  case predict(name: String, version: String?)
  /// A verb that native models do not have.
  case notServed(String)
  case unknown

  /// - Parameter segments: The path's, decoded, from behind `/v1/models` on.
  init(segments: ArraySlice<String>) {
    var rest = Array(segments)
    guard !rest.isEmpty else {
      self = .models
      return
    }
    var verb: String?
    let last = rest[rest.count - 1]
    if let colon = last.lastIndex(of: ":") {
      verb = last[last.index(after: colon)...].lowercased()
      rest[rest.count - 1] = String(last[..<colon])
    }
    var isMetadata = false
    if verb == nil, rest.count > 1, rest[rest.count - 1] == "metadata" {
      isMetadata = true
      rest.removeLast()
    }
    var version: String?
    if rest.count == 3, ["versions", "labels"].contains(rest[1]) {
      version = rest[2]
      rest.removeLast(2)
    }
    guard rest.count == 1, !rest[0].isEmpty else {
      self = .unknown
      return
    }
    let name = rest[0]
    switch verb {
    case nil where isMetadata: self = .metadata(name: name, version: version)
    case nil: self = .status(name: name, version: version)
    case "predict": self = .predict(name: name, version: version)
    case "classify", "regress", "explain": self = .notServed(verb ?? "")
    default: self = .unknown
    }
  }

  var allowedMethods: AllowedMethods {
    switch self {
    case .models, .status, .metadata: .reading
    case .predict: .posting
    case .notServed, .unknown: .any
    }
  }
}
