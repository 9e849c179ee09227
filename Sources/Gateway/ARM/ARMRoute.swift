/// What an admin path means. Names of parts are compared without case, as ARM does; any
/// subscription, group and workspace name is accepted.
enum ARMRoute: Equatable {
  case workspace
  case endpoints
  case endpoint(String)
  /// `listKeys`, `regenerateKeys`, `token`, in lower case.
  case endpointAction(String, action: String)
  /// Ours: `…/onlineEndpoints/{ep}/clientKeys`.
  case clientKeys(endpoint: String)
  case clientKey(String, endpoint: String)
  case deployments(endpoint: String)
  case deployment(String, endpoint: String)
  /// `getLogs`, in lower case.
  case deploymentAction(String, endpoint: String, action: String)
  case batch(BatchRoute)
  case models
  case model(String)
  case versions(model: String)
  case version(String, model: String)
  case packageFile(String, version: String, model: String)
  /// Ours: `POST …/apply`.
  case apply
  /// Ours: `GET …/swerve/status`.
  case status
  /// Ours: `POST …/swerve/restart`.
  case restart
  /// Ours: `…/swerve/adminKeys`.
  case adminKeys
  case adminKey(String)
  /// Ours: `…/swerve/uploads`: packages from other machines.
  case uploads
  case upload(String)
  case uploadCommit(String)
  case uploadBlock(Int, file: Int, upload: String)
  /// Ours: `/metrics`.
  case metrics
  case operation(String)
  /// Where a `Location` header leads: 202 until the end, then 204.
  case operationResult(String)

  /// - Returns: The route and the workspace's path as it was written; nil for an unknown path.
  static func parse(_ segments: [String]) -> (route: ARMRoute, workspace: String)? {
    let lower = segments.map { $0.lowercased() }
    if lower.first == "operations" {
      if lower.count == 2 { return (.operation(segments[1]), "") }
      if lower.count == 3, lower[2] == "result" { return (.operationResult(segments[1]), "") }
      return nil
    }
    if lower == ["metrics"] { return (.metrics, "") }
    // Where Azure's clients list the jobs of a batch endpoint.
    if lower.starts(with: ["mferp", "managementfrontend"]) {
      guard let found = parse(Array(segments.dropFirst(2))),
        case .batch(.endpointJobs) = found.route
      else { return nil }
      return found
    }
    guard segments.count >= 8, lower[0] == "subscriptions", lower[2] == "resourcegroups",
      lower[4] == "providers", lower[5] == "microsoft.machinelearningservices",
      lower[6] == "workspaces"
    else { return nil }
    let workspace = "/" + segments[..<8].joined(separator: "/")
    guard let route = parse(Array(segments[8...]), Array(lower[8...])) else { return nil }
    return (route, workspace)
  }

  private static func parse(_ rest: [String], _ lower: [String]) -> ARMRoute? {
    switch lower.first {
    case nil: .workspace
    case "onlineendpoints": parseEndpoint(rest, lower)
    case "batchendpoints", "jobs", "data": BatchRoute(rest, lower).map { .batch($0) }
    case "models": parseModel(rest, lower)
    case "apply": rest.count == 1 ? .apply : nil
    case "swerve": parseOwn(rest, lower)
    default: nil
    }
  }

  private static func parseOwn(_ rest: [String], _ lower: [String]) -> ARMRoute? {
    switch lower.dropFirst().first {
    case "status" where rest.count == 2: .status
    case "restart" where rest.count == 2: .restart
    case "adminkeys" where rest.count == 2: .adminKeys
    case "adminkeys" where rest.count == 3: .adminKey(rest[2])
    case "uploads": parseUpload(rest, lower)
    default: nil
    }
  }

  private static func parseUpload(_ rest: [String], _ lower: [String]) -> ARMRoute? {
    switch rest.count {
    case 2: return .uploads
    case 3: return .upload(rest[2])
    case 4 where lower[3] == "commit": return .uploadCommit(rest[2])
    case 7 where lower[3] == "files" && lower[5] == "blocks":
      guard let file = Int(rest[4]), let block = Int(rest[6]) else { return nil }
      return .uploadBlock(block, file: file, upload: rest[2])
    default: return nil
    }
  }

  /// Whether only the workspace's socket answers it: a key that leaked must not be able to make
  /// others that outlive it, or run a program.
  var isForOwner: Bool {
    switch self {
    case .adminKeys, .adminKey, .restart: true
    case .workspace, .endpoints, .endpoint, .endpointAction, .clientKeys, .clientKey,
      .deployments, .deployment, .deploymentAction, .batch, .models, .model, .versions, .version,
      .packageFile, .apply, .status, .uploads, .upload, .uploadCommit, .uploadBlock, .metrics,
      .operation, .operationResult:
      false
    }
  }

  /// Whether its body is a part of a file, which has a cap of its own and no line in the log.
  var isBlock: Bool {
    if case .uploadBlock = self { return true }
    return false
  }

  private static func parseEndpoint(_ rest: [String], _ lower: [String]) -> ARMRoute? {
    switch rest.count {
    case 1: .endpoints
    case 2: .endpoint(rest[1])
    case 3 where lower[2] == "clientkeys": .clientKeys(endpoint: rest[1])
    case 4 where lower[2] == "clientkeys": .clientKey(rest[3], endpoint: rest[1])
    case 3:
      lower[2] == "deployments"
        ? .deployments(endpoint: rest[1]) : .endpointAction(rest[1], action: lower[2])
    case 4 where lower[2] == "deployments": .deployment(rest[3], endpoint: rest[1])
    case 5 where lower[2] == "deployments":
      .deploymentAction(rest[3], endpoint: rest[1], action: lower[4])
    default: nil
    }
  }

  private static func parseModel(_ rest: [String], _ lower: [String]) -> ARMRoute? {
    switch rest.count {
    case 1: return .models
    case 2: return .model(rest[1])
    case 3 where lower[2] == "versions": return .versions(model: rest[1])
    case 4 where lower[2] == "versions": return .version(rest[3], model: rest[1])
    default:
      guard rest.count >= 6, lower[2] == "versions", lower[4] == "package" else { return nil }
      return .packageFile(
        rest[5...].joined(separator: "/"), version: rest[3], model: rest[1])
    }
  }
}
