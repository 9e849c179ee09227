package import Digest
internal import Documents
package import Registry
package import Store
internal import Synchronization
package import Telemetry

/// Desired state to running deployments: every change of models, endpoints and deployments goes
/// through here, is in the database before it is acknowledged, and then in force in one swap of
/// the routing table. Any thread; changes are serialised.
///
/// A change is made on a copy of the state inside a database transaction; when that is
/// committed the copy takes the state's place (`change`). Loading a model happens before, with
/// no lock held; the deployment is marked busy meanwhile.
package final class ControlPlane: Sendable {
  /// Makes a deployment that can answer from its specification, generation, model version and
  /// the package's folder.
  package typealias Load =
    @Sendable (DeploymentSpecification, Int64, ModelVersion, String) throws(DeploymentFailure) ->
    LiveDeployment

  /// Finds out whether a batch deployment could score with a model version, whose package's folder
  /// is given too.
  package typealias CheckBatch =
    @Sendable (BatchDeploymentSpecification, ModelVersion, String) throws(DeploymentFailure) -> Void

  /// Unfinished jobs that a model version is needed for, as `job NAME`: in the transaction that is
  /// to delete it.
  package typealias FindJobs =
    @Sendable (_ model: String, _ version: String, any SQLTransaction) throws(StoreError) ->
    [String]

  package struct Keys: Sendable, Equatable {
    package var primary: String
    package var secondary: String
  }
  package enum KeyKind: String, Sendable { case primary, secondary }

  package enum ApplyUnit: Sendable {
    /// All documents or nothing.
    case everything
    /// At start: an endpoint with its deployments; one that fails leaves the others.
    case endpoint
  }

  let database: Database
  let registry: ModelRegistry
  let sealer: Sealer
  let log: Log
  let load: Load
  let checkBatch: CheckBatch
  let findJobs: FindJobs?
  private let service: ScoringService
  private let metrics: MetricRegistry
  let keyFiles: KeyFiles
  private let loads = LoadThreads(count: 2)
  private let state = Mutex(ControlState())
  /// Held through a change: from reading the state to the swap of the table.
  private let changing = Monitor(())
  /// A successor has the database, or is about to. Read and written under `changing`.
  private let isPaused = Atomic(false)
  /// Models that are being registered: their files are in the workspace before the database knows.
  /// Read and written under `changing`.
  private let registrations = Atomic(0)
  private let shownGenerations = Mutex(ShownGenerations())
  /// Held through an `apply`, which reads the state long before it changes it.
  let applying = Monitor(())

  package convenience init(
    database: Database, registry: ModelRegistry, service: ScoringService, sealer: Sealer,
    metrics: MetricRegistry, log: Log, keysFolder: String?, findJobs: @escaping FindJobs
  ) {
    self.init(
      database: database, registry: registry, service: service, sealer: sealer,
      metrics: metrics, log: log, keysFolder: keysFolder, findJobs: findJobs
    ) { (specification, generation, model, package) throws(DeploymentFailure) in
      try LiveDeployment(
        specification, generation: generation, model: model, package: package,
        registry: registry, metrics: metrics, log: log)
    }
  }

  /// - Parameters:
  ///   - checkBatch: Tries a batch deployment's model; nil: loads it. Tests hand in their own.
  ///   - findJobs: nil: there are no jobs.
  ///   - load: Loads a deployment; tests hand in their own.
  package init(
    database: Database, registry: ModelRegistry, service: ScoringService, sealer: Sealer,
    metrics: MetricRegistry, log: Log, keysFolder: String?, checkBatch: CheckBatch? = nil,
    findJobs: FindJobs? = nil, load: @escaping Load
  ) {
    self.database = database
    self.registry = registry
    self.service = service
    self.sealer = sealer
    self.metrics = metrics
    self.log = log
    self.load = load
    self.checkBatch = checkBatch ?? BatchModelCheck.check(in: registry)
    self.findJobs = findJobs
    keyFiles = KeyFiles(folder: keysFolder)
  }

  /// True when every deployment of the workspace has finished loading or failed.
  package var isReady: Bool { snapshot.hasStarted }

  /// What `get-logs` tells of each deployment.
  package var deploymentLogs: DeploymentLogs { service.deploymentLogs }

  /// Ends the loading threads. At shutdown.
  package func stop() {
    loads.stop()
    applying.withLock { _ in }
    changing.withLock { _ in }
  }

  // MARK: Handing over

  /// From now on nothing is changed: the database can be closed.
  ///
  /// - Throws: When an operation is in progress; then nothing is paused.
  package func pause() throws(ControlError) {
    let isFree = applying.withLockIfFree { _ in
      changing.withLock { _ in
        guard snapshot.busy.isEmpty, snapshot.hasStarted,
          registrations.load(ordering: .relaxed) == 0
        else { return false }
        isPaused.store(true, ordering: .relaxed)
        return true
      }
    }
    guard isFree == true else {
      throw .conflict("an operation is in progress; wait for its end, then restart")
    }
  }

  package func resume() { changing.withLock { _ in isPaused.store(false, ordering: .relaxed) } }

  /// Writes files of models to the workspace: not while it is handed over.
  func registering<Result>(
    _ body: () throws(ControlError) -> Result
  ) throws(ControlError) -> Result {
    try changing.withLock { _ throws(ControlError) in
      try refuseWhenPaused()
      registrations.add(1, ordering: .relaxed)
    }
    defer { changing.withLock { _ in _ = registrations.subtract(1, ordering: .relaxed) } }
    return try body()
  }

  /// - Throws: When the database is, or is about to be, the successor's.
  package func refuseWhenPaused() throws(ControlError) {
    guard isPaused.load(ordering: .relaxed) else { return }
    throw .conflict("the gateway is handing over to its successor; try again in a moment")
  }

  // MARK: What there is

  package func endpoints() throws(ControlError) -> [EndpointRecord] {
    snapshot.catalog.endpoints.sorted { $0.key < $1.key }.map(\.value)
  }

  package func endpoint(_ name: String) throws(ControlError) -> EndpointRecord {
    try snapshot.catalog.endpoint(name)
  }

  package func deployments(of endpoint: String) throws(ControlError) -> [DeploymentRecord] {
    let state = snapshot
    _ = try state.catalog.endpoint(endpoint)
    return state.catalog.deployments(of: endpoint).compactMap { key in
      state.catalog.deployments[key].map { shown($0.record, live: state.live[key]) }
    }
  }

  package func deployment(
    _ name: String, of endpoint: String
  ) throws(ControlError) -> DeploymentRecord {
    let state = snapshot
    let key = DeploymentKey(endpoint: endpoint, name: name)
    return shown(try state.catalog.deployment(key).record, live: state.live[key])
  }

  private func shown(_ record: DeploymentRecord, live: LiveDeployment?) -> DeploymentRecord {
    var record = record
    record.execution = live?.executionSentence
    return record
  }

  package func operation(_ id: String) throws(ControlError) -> OperationRecord {
    let record = try reading { (store) throws(ControlError) in try store.operation(id) }
    // The end is in the database a moment before what it did is in force: who is told of the end
    // must find that too.
    if record.status != "InProgress" { changing.withLock { _ in } }
    return record
  }

  // MARK: Changes

  var snapshot: ControlState { state.withLock { $0 } }

  /// Makes one change: `body` works on a copy of the state and on the database; what it did to
  /// both is in force when this returns, or nothing of it.
  func change<Result: Sendable>(
    _ body: (inout ControlState, EndpointStore) throws(ControlError) -> Result
  ) throws(ControlError) -> Result {
    try changing.withLock { _ throws(ControlError) in
      try refuseWhenPaused()
      var next = snapshot
      let result: Result
      do throws(DatabaseFailure<ControlError>) {
        result = try database.write { transaction throws(ControlError) in
          try body(&next, EndpointStore(transaction: transaction))
        }
      } catch {
        switch error {
        case .store(let error): throw .store(error)
        case .body(let error): throw error
        }
      }
      install(next)
      return result
    }
  }

  /// Changes only what is in memory.
  func adjust<Result: Sendable>(
    _ body: (inout ControlState) throws(ControlError) -> Result
  ) throws(ControlError) -> Result {
    try changing.withLock { _ throws(ControlError) in
      try refuseWhenPaused()
      var next = snapshot
      let result = try body(&next)
      install(next)
      return result
    }
  }

  func release(_ keys: some Sequence<DeploymentKey>) {
    changing.withLock { _ in
      var next = snapshot
      next.busy.subtract(keys)
      install(next)
    }
  }

  func reading<Result>(
    _ body: (EndpointStore) throws(ControlError) -> Result
  ) throws(ControlError) -> Result {
    var outcome: Swift.Result<Result, ControlError>?
    do {
      try database.read { (transaction) throws(StoreError) in
        do throws(ControlError) {
          outcome = .success(try body(EndpointStore(transaction: transaction)))
        } catch {
          outcome = .failure(error)
        }
      }
    } catch {
      throw .store(error)
    }
    switch outcome {
    case .success(let result): return result
    case .failure(let error): throw error
    case nil: preconditionFailure("the database ended a read without running its body")
    }
  }

  func inBackground(_ job: @escaping @Sendable () -> Void) { loads.submit(job) }

  /// Forgets what was counted and noted of deployments that are gone.
  func forgetMetrics(of specifications: [DeploymentSpecification]) {
    for specification in specifications {
      deploymentLogs.forget(DeploymentKey(specification))
      metrics.remove(labels: [
        (name: "endpoint", value: specification.endpointName),
        (name: "deployment", value: specification.name),
      ])
    }
  }

  func makeClientKey(
    _ record: ClientKeyRecord, hash: [UInt8], before: ClientKey? = nil
  ) -> ClientKey {
    ClientKey(record, hash: hash, metrics: metrics, before: before)
  }

  private func install(_ changed: ControlState) {
    var next = changed
    for endpoint in next.catalog.allEndpointNames {
      do throws(ControlError) {
        try readKeyFiles(of: endpoint, into: &next)
      } catch {
        // The change is made already. The key that the file gave last stays in force.
        log.write(
          .error, "a key file cannot be used; the key that was in force stays",
          ["endpoint": .string(endpoint), "reason": .string("\(error)")])
      }
    }
    let clientsBefore = snapshot.clients
    state.withLock { [next] in $0 = next }
    service.install(
      next.table(
        effectiveKeys: { effectiveKeys(of: $0, .online, in: next) },
        mirror: { service.mirrorShare(percent: $0, to: $1) }))
    for labels in shownGenerations.withLock({ [next] in $0.replace(with: next.live) }) {
      metrics.remove(labels: labels)
    }
    forgetMetrics(ofClients: clientsBefore, without: next.clients)
  }

  private func forgetMetrics(
    ofClients before: [String: [ClientKey]], without kept: [String: [ClientKey]]
  ) {
    for (endpoint, clients) in before {
      let names = Set((kept[endpoint] ?? []).map(\.record.name))
      for client in clients where !names.contains(client.record.name) {
        client.forget()
      }
    }
  }
}
