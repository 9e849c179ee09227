internal import Registry
internal import Store

extension ControlPlane {
  /// Loads every deployment that the database names and puts them in force. A deployment that
  /// fails is `Failed` with its reason; the others serve.
  ///
  /// What was accepted before a crash is loaded now. Where an update has failed, or fails now,
  /// the last generation that could be served is loaded instead.
  package func start() throws(ControlError) {
    let stored: [StoredDeployment] = try change { (state, store) throws(ControlError) in
      state.catalog = try store.catalog()
      for family in EndpointFamily.allCases {
        state.keys[family] = try store.keys(of: family, sealer: sealer)
      }
      for key in try store.clientKeys() {
        state.clients[key.record.endpoint.lowercased(), default: []].append(
          makeClientKey(key.record, hash: key.hash))
      }
      try readKeyFiles(into: &state)
      state.busy.formUnion(state.catalog.deployments.keys)
      return state.catalog.deployments.sorted {
        ($0.key.endpoint, $0.key.name) < ($1.key.endpoint, $1.key.name)
      }.map(\.value)
    }
    let outcomes = LoadThreads.map(stored, threads: 2) { [self] in restored($0) }
    try change { (state, store) throws(ControlError) in
      for outcome in outcomes {
        let key = DeploymentKey(outcome.stored.record.specification)
        state.busy.remove(key)
        guard let before = state.catalog.deployments[key] else { continue }
        if before != outcome.stored { try store.save(outcome.stored) }
        state.catalog.deployments[key] = outcome.stored
        state.live[key] = outcome.live
      }
      try store.endInterruptedOperations(in: state.catalog, at: currentTime())
      state.hasStarted = true
    }
    for outcome in outcomes {
      let key = DeploymentKey(outcome.stored.record.specification)
      if let live = outcome.live { logState(key, .success(live)) }
      if let failure = outcome.stored.record.failure { logState(key, .failure(failure)) }
    }
  }

  private struct Restored: Sendable {
    var stored: StoredDeployment
    var live: LiveDeployment?
  }

  /// What loading a deployment once more has come to.
  struct Reloaded: Sendable {
    /// The record, with the end of the load.
    var stored: StoredDeployment
    /// The generation that is wanted.
    var wanted: Result<LiveDeployment, DeploymentFailure>
    /// What is to answer: that one, else the last that could; nil when none can.
    var live: LiveDeployment?
  }

  /// Loads what is wanted, also where that has failed before; else the last that could answer.
  func reloaded(_ before: StoredDeployment) -> Reloaded {
    var stored = before
    let record = before.record
    let wanted = loaded(
      record.specification, generation: record.generation, registeredAs: record.model)
    if case .success(let live) = wanted {
      if record.provisioningState != "Succeeded" { stored.finish(wanted, at: currentTime()) }
      return Reloaded(stored: stored, wanted: wanted, live: live)
    }
    stored.finish(wanted, at: currentTime())
    guard let serving = before.serving, serving.generation != record.generation else {
      return Reloaded(stored: stored, wanted: wanted)
    }
    let older = loaded(
      serving.specification, generation: serving.generation,
      registeredAs: "\(serving.modelName):\(serving.modelVersion)")
    // Why the older one cannot answer either is of less use than why the wanted one cannot.
    let live: LiveDeployment? = if case .success(let live) = older { live } else { nil }
    return Reloaded(stored: stored, wanted: wanted, live: live)
  }

  private func restored(_ before: StoredDeployment) -> Restored {
    var stored = before
    let record = before.record
    let hasOlderGeneration = before.serving.map { $0.generation != record.generation } ?? false
    if record.provisioningState != "Failed" || !hasOlderGeneration {
      let outcome = loaded(
        record.specification, generation: record.generation, registeredAs: record.model)
      if case .success(let live) = outcome {
        if record.provisioningState != "Succeeded" { stored.finish(outcome, at: currentTime()) }
        return Restored(stored: stored, live: live)
      }
      stored.finish(outcome, at: currentTime())
      stored.record.modifiedAt = record.modifiedAt
    }
    guard hasOlderGeneration, let serving = before.serving else {
      return Restored(stored: stored)
    }
    let older = loaded(
      serving.specification, generation: serving.generation,
      registeredAs: "\(serving.modelName):\(serving.modelVersion)")
    if case .success(let live) = older { return Restored(stored: stored, live: live) }
    return Restored(stored: stored)
  }

  /// Loads with the version that `churn:3` names, or with what the specification says when it
  /// is gone. When the database does not tell which, nothing is loaded: it could be another one.
  private func loaded(
    _ specification: DeploymentSpecification, generation: Int64, registeredAs name: String?
  ) -> Result<LiveDeployment, DeploymentFailure> {
    var model: ModelVersion?
    if let name, let colon = name.lastIndex(of: ":") {
      let version = String(name[name.index(after: colon)...])
      do {
        model = try registry.existing(name: String(name[..<colon]), version: version)
      } catch {
        return .failure(
          DeploymentFailure(code: "ResourceNotReady", message: "model \(name): \(error)"))
      }
    }
    return loaded(specification, generation: generation, model: model)
  }
}
