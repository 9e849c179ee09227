internal import BatchScoring
internal import Digest
internal import Registry
internal import Serving
internal import Store
internal import Telemetry

/// Everything behind the listeners: workspace, database, models, deployments.
final class GatewayParts: Sendable {
  let workspace: Workspace
  let log: Log
  let metrics: MetricRegistry
  let readiness = Readiness()
  let service: ScoringService
  let identifiers: RequestIdentifiers
  let database: Database
  let registry: ModelRegistry
  let control: ControlPlane
  let adminKeys: AdminKeys
  let keyFailures: KeyFailures
  let uploads: UploadStore
  let jobs: JobService
  let desk: JobDesk
  let batchCalls: BatchCalls
  let scheduler: Scheduler
  let succession: Succession
  let reloads: Counter
  let reloadFailures: Counter

  /// Opens the workspace. No deployment is loaded yet.
  init(_ configuration: GatewayConfiguration, log: Log) throws(GatewayError) {
    self.log = log
    workspace = try Workspace(configuration.workspace)
    let sealer = try workspace.sealer()
    metrics = MetricRegistry()
    keyFailures = KeyFailures(
      limit: configuration.isTLSUpstream ? 0 : configuration.maxKeyFailures, metrics: metrics)
    reloads = metrics.counter("swerve_reloads_total", help: "Times the folder was applied again.")
    reloadFailures = metrics.counter(
      "swerve_reload_failures_total", help: "Times that applying the folder again failed.")
    try workspace.checkDatabaseIsNotLost()
    do {
      database = try Database(path: workspace.databasePath)
    } catch {
      throw GatewayError(error.description)
    }
    do {
      registry = try ModelRegistry(
        database: database, folder: workspace.modelsPath, inspector: ModelInspector())
    } catch {
      database.close()
      throw GatewayError(registrySentence(for: error))
    }
    do {
      adminKeys = try AdminKeys(database: database)
    } catch {
      database.close()
      throw GatewayError(sentence(for: error))
    }
    do {
      uploads = try UploadStore(
        folder: workspace.path + "/uploads", maxBytes: configuration.maxUploadBytes)
    } catch {
      database.close()
      throw GatewayError(error.description)
    }
    service = ScoringService(
      metrics: metrics, log: log,
      threads: configuration.threads > 0 ? configuration.threads : CPUQuota.processorCount)
    control = ControlPlane(
      database: database, registry: registry, service: service, sealer: sealer,
      metrics: metrics, log: log, keysFolder: configuration.keysFolder,
      findJobs: JobService.unfinishedJobs)
    identifiers = RequestIdentifiers()
    jobs = JobService(
      database: database, registry: registry, workFolder: workspace.jobsPath,
      datastore: workspace.datastorePath, metrics: metrics, log: log,
      requestCount: { [identifiers] in identifiers.count })
    desk = JobDesk(control: control, jobs: jobs, datastore: workspace.datastorePath)
    batchCalls = BatchCalls(desk: desk, adminKeys: adminKeys)
    scheduler = Scheduler(control: control, desk: desk, log: log)
    succession = Succession(
      control: control, scheduler: scheduler, jobs: jobs, database: database, uploads: uploads,
      lock: workspace.lock, log: log)
  }

  /// Removes what a process before this one has left behind, once it is certain that it does not
  /// go on: a restart that fails gives the workspace back as it was.
  func clearLeftovers() {
    do throws(RegistryError) {
      let garbage = try registry.collectGarbage()
      if !garbage.isEmpty {
        log.write(
          .info, "removed what an interrupted registration left",
          ["paths": .string(garbage.joined(separator: ", "))])
      }
    } catch {
      log.write(
        .error, "what an interrupted registration left cannot be removed",
        ["reason": .string(registrySentence(for: error))])
    }
    do throws(StoreError) {
      try uploads.clear()
    } catch {
      log.write(
        .error, "what was being uploaded cannot be removed",
        ["reason": .string(error.description)])
    }
    do throws(StoreError) {
      try DataCopies(datastore: workspace.datastorePath).collectGarbage()
    } catch {
      log.write(
        .error, "what an interrupted copy of data left cannot be removed",
        ["reason": .string(error.description)])
    }
  }

  /// Loads what the workspace holds, then what the settings add.
  func load(_ configuration: GatewayConfiguration) throws(GatewayError) {
    do {
      try control.start()
    } catch {
      throw GatewayError(sentence(for: error))
    }
    if let path = configuration.applyPath {
      let documents = try GatewayParts.documents(path)
      _ = try apply(documents, by: "serve --apply")
    }
    if !configuration.quickModels.isEmpty {
      let report = try apply(
        try QuickModels.documents(configuration.quickModels), by: "serve --model")
      let failures = report.changes.filter { $0.action == .failed }
      guard failures.isEmpty else {
        throw GatewayError(
          failures.map { "\($0.resource): \($0.detail)" }.joined(separator: "\n"))
      }
    }
    try checkOpenEndpoints(configuration)
  }

  /// Goes on with unfinished jobs and with what is scheduled, once this process alone does so.
  func startJobs() throws(GatewayError) {
    do {
      try jobs.start()
    } catch {
      throw GatewayError(error.description)
    }
    scheduler.start()
  }

  /// Applies the folder again, all or nothing.
  func reload(_ path: String) {
    reloads.increment()
    let documents: [ApplyDocument]
    do {
      documents = try GatewayParts.documents(path)
    } catch {
      return reloadFailed(error.description)
    }
    do {
      let report = try control.apply(
        documents, prune: false, dryRun: false, unit: .everything, by: Actor(name: "SIGHUP"))
      write(report)
      log.write(.info, "reloaded", ["path": .string(path)])
    } catch {
      reloadFailed(sentence(for: error))
    }
  }

  /// Ends what runs behind the listeners. The lock goes with the process, or with `self`.
  func stop() {
    uploads.stop()
    scheduler.stop()
    batchCalls.stop()
    jobs.stop()
    service.stop()
    control.stop()
    database.close()
  }

  private static func documents(_ path: String) throws(GatewayError) -> [ApplyDocument] {
    do {
      return try ApplyDocument.read(path)
    } catch {
      throw GatewayError(sentence(for: error))
    }
  }

  private func reloadFailed(_ reason: String) {
    reloadFailures.increment()
    log.write(.error, "reload failed; nothing was changed", ["reason": .string(reason)])
  }

  private func apply(
    _ documents: [ApplyDocument], by actor: String
  ) throws(GatewayError) -> ApplyReport {
    do {
      let report = try control.apply(
        documents, prune: false, dryRun: false, unit: .endpoint, by: Actor(name: actor))
      write(report)
      return report
    } catch {
      throw GatewayError(sentence(for: error))
    }
  }

  private func write(_ report: ApplyReport) {
    for notice in report.notices {
      log.write(.info, "notice", ["text": .string(notice)])
    }
    for change in report.changes where change.action != .unchanged {
      log.write(
        change.action == .failed ? .error : .info, "applied",
        [
          "action": .string(change.action.rawValue), "resource": .string(change.resource),
          "detail": .string(change.detail),
        ])
    }
  }

  private func checkOpenEndpoints(_ configuration: GatewayConfiguration) throws(GatewayError) {
    guard !configuration.allowsOpenEndpoints else { return }
    let open = service.table.endpoints.values.filter(\.isOpen).map(\.name).sorted()
    guard open.isEmpty else {
      throw GatewayError(
        "endpoint \(open.joined(separator: ", ")) has auth: none, which is only for loopback or "
          + "behind a declared proxy (--tls-upstream); --host is \(configuration.host)")
    }
  }
}

extension GatewayConfiguration {
  /// Whether an endpoint may answer without a key.
  var allowsOpenEndpoints: Bool { listensOnLoopback || isTLSUpstream }
}
