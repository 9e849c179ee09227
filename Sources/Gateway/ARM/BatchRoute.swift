/// What an admin path about batch scoring means: endpoints, deployments, jobs, data assets.
enum BatchRoute: Equatable {
  case endpoints
  case endpoint(String)
  /// `listkeys`, `token`, `regeneratekeys`.
  case endpointAction(String, action: String)
  case deployments(endpoint: String)
  case deployment(String, endpoint: String)
  /// Of an endpoint, or of one of its deployments.
  case endpointJobs(endpoint: String, deployment: String?)
  case endpointJob(String, endpoint: String)
  case jobs
  case job(String)
  case cancel(job: String)
  /// Ours: what a job has written.
  case outputs(JobOutput, job: String)
  case outputFile(String, JobOutput, job: String)
  case assets
  case asset(String)
  case assetVersions(String)
  case assetVersion(String, asset: String)
  /// Ours: `…/swerve/schedules`.
  case schedules
  case schedule(endpoint: String)
  case pauseSchedule(endpoint: String, Bool)

  /// - Parameters:
  ///   - rest: The segments behind the workspace.
  ///   - lower: The same in lower case.
  init?(_ rest: [String], _ lower: [String]) {
    let route: BatchRoute? =
      switch lower.first {
      case "batchendpoints": BatchRoute.endpoint(rest, lower)
      case "jobs": BatchRoute.job(rest, lower)
      case "data": BatchRoute.asset(rest, lower)
      case "swerve": BatchRoute.schedule(rest, lower)
      default: nil
      }
    guard let route else { return nil }
    self = route
  }

  private static func endpoint(_ rest: [String], _ lower: [String]) -> BatchRoute? {
    switch rest.count {
    case 1: .endpoints
    case 2: .endpoint(rest[1])
    case 3 where lower[2] == "deployments": .deployments(endpoint: rest[1])
    case 3 where lower[2] == "jobs": .endpointJobs(endpoint: rest[1], deployment: nil)
    case 3: .endpointAction(rest[1], action: lower[2])
    case 4 where lower[2] == "deployments": .deployment(rest[3], endpoint: rest[1])
    case 4 where lower[2] == "jobs": .endpointJob(rest[3], endpoint: rest[1])
    case 5 where lower[2] == "deployments" && lower[4] == "jobs":
      .endpointJobs(endpoint: rest[1], deployment: rest[3])
    default: nil
    }
  }

  private static func job(_ rest: [String], _ lower: [String]) -> BatchRoute? {
    switch rest.count {
    case 1: return .jobs
    case 2: return .job(rest[1])
    case 3 where lower[2] == "cancel": return .cancel(job: rest[1])
    default:
      guard rest.count >= 4, lower[2] == "outputs", let output = JobOutput(rawValue: lower[3])
      else { return nil }
      if rest.count == 4 { return .outputs(output, job: rest[1]) }
      guard rest.count >= 6, lower[4] == "files" else { return nil }
      return .outputFile(rest[5...].joined(separator: "/"), output, job: rest[1])
    }
  }

  private static func schedule(_ rest: [String], _ lower: [String]) -> BatchRoute? {
    switch rest.count {
    case 2: .schedules
    case 3: .schedule(endpoint: rest[2])
    case 4 where lower[3] == "pause": .pauseSchedule(endpoint: rest[2], true)
    case 4 where lower[3] == "resume": .pauseSchedule(endpoint: rest[2], false)
    default: nil
    }
  }

  private static func asset(_ rest: [String], _ lower: [String]) -> BatchRoute? {
    switch rest.count {
    case 1: .assets
    case 2: .asset(rest[1])
    case 3 where lower[2] == "versions": .assetVersions(rest[1])
    case 4 where lower[2] == "versions": .assetVersion(rest[3], asset: rest[1])
    default: nil
    }
  }
}

/// What of a job may be downloaded.
enum JobOutput: String {
  /// The whole output of a job that is Completed.
  case score
  /// The rows that failed, of a job that is Failed.
  case logs
}
