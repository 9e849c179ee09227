internal import Registry
internal import Store

/// Loading, and then everything at once.
extension Applier {
  mutating func load() throws(ControlError) {
    let loading = deployments.indices.filter {
      deployments[$0].loads && deployments[$0].failure == nil
    }
    if !loading.isEmpty {
      let keys = loading.map { deployments[$0].key }
      let count = Int64(keys.count)
      // Numbers are taken before loading, since a deployment's counters carry them.
      let first: Int64 = try control.change { (state, store) throws(ControlError) in
        for key in keys { try state.refuseWhenBusy(key) }
        var last: Int64 = 0
        for _ in keys { last = try store.nextGeneration() }
        state.busy.formUnion(keys)
        return last - count + 1
      }
      for (offset, index) in loading.enumerated() {
        deployments[index].generation = first + Int64(offset)
      }
      let control = control
      let outcomes = LoadThreads.map(loading.map { deployments[$0] }, threads: 2) { planned in
        control.loaded(
          planned.specification, generation: planned.generation, model: planned.model)
      }
      for (index, outcome) in zip(loading, outcomes) { deployments[index].outcome = outcome }
    }
    for index in deployments.indices {
      if let failure = deployments[index].failure { deployments[index].outcome = .failure(failure) }
      guard case .failure(let failure)? = deployments[index].outcome else { continue }
      let origin = deployments[index].origin
      fail(origin.key.description, "\(origin.path): \(failure.message)")
    }
    if unit == .everything && !faults.isEmpty {
      control.release(loading.map { deployments[$0].key })
      throw .documents(faults)
    }
  }

  mutating func commit() throws(ControlError) {
    let keys = deployments.filter { $0.generation > 0 }.map(\.key)
    let plan = self
    let committed: Committed
    do {
      committed = try control.change { (state, store) throws(ControlError) in
        state.busy.subtract(keys)
        return try plan.commit(&state, store)
      }
    } catch {
      control.release(keys)
      throw error
    }
    staged = []
    control.forgetMetrics(of: committed.goneDeployments)
    for planned in deployments {
      if let outcome = planned.outcome { control.logState(planned.key, outcome) }
    }
    for model in committed.goneModels {
      control.registry.removeFiles(ofDeleted: model.name, version: model.version)
    }
    for (key, reason) in committed.keptModels {
      report.changes.removeAll { $0.action == .delete && $0.resource == key.description }
      report.notices.append("\(key) stays: \(reason)")
    }
  }

  /// What a commit leaves to be done after it.
  struct Committed: Sendable {
    var goneDeployments: [DeploymentSpecification] = []
    var goneModels: [(name: String, version: String)] = []
    /// Models that were to be pruned and are in use.
    var keptModels: [(key: DocumentKey, reason: String)] = []
  }

  func commit(
    _ state: inout ControlState, _ store: EndpointStore
  ) throws(ControlError) -> Committed {
    // Two documents may bring the same content.
    var committed: Set<String> = []
    for staged in staged
    where committed.insert("\(staged.version.name):\(staged.version.version)").inserted {
      try control.commit(staged, store, by: actor)
    }
    for wanted in changedModels { try commit(wanted, store) }
    // Endpoints have to exist before their deployments, and deployments before their shares.
    for item in endpoints where state.catalog.endpoints[item.specification.name.lowercased()] == nil
    {
      var bare = item.specification
      bare.traffic = [:]
      bare.mirrorTraffic = [:]
      try control.put(bare, in: &state, store, by: actor)
    }
    for planned in deployments { try commit(planned, &state, store) }
    for item in endpoints {
      try control.put(
        item.specification, in: &state, store, by: actor, isLenient: unit == .endpoint)
    }
    try commitBatch(&state, store)
    let done = try commitPruning(&state, store)
    try control.readKeyFiles(into: &state)
    let time = currentTime()
    var inForce = accepted.merging(applied.restamped) { accepted, _ in accepted }
    for item in endpoints {
      inForce[item.origin.key] = applied.document(item.origin, contentHash: nil)
    }
    for planned in deployments {
      // One that failed is tried again at the next start.
      if case .failure? = planned.outcome { continue }
      let hash = planned.bringsModel ? planned.model?.contentHash : nil
      inForce[planned.origin.key] = applied.document(planned.origin, contentHash: hash)
    }
    for item in batchEndpoints {
      inForce[item.origin.key] = applied.document(item.origin, contentHash: nil)
    }
    for planned in batchDeployments where planned.failure == nil {
      let hash = planned.bringsModel ? planned.model?.contentHash : nil
      inForce[planned.origin.key] = applied.document(planned.origin, contentHash: hash)
    }
    for (key, document) in inForce { try store.save(document, key, at: time) }
    return done
  }

  /// The words of a version that exists.
  func commit(_ wanted: ModelVersion, _ store: EndpointStore) throws(ControlError) {
    let updated: ModelVersion?
    do throws(RegistryError) {
      updated = try control.registry.update(
        name: wanted.name, version: wanted.version, in: store.transaction
      ) {
        $0.description = wanted.description
        $0.tags = wanted.tags
        $0.properties = wanted.properties
        $0.stage = wanted.stage
      }
    } catch {
      throw .registry(error)
    }
    guard updated != nil else {
      throw .conflict(
        "model \(wanted.name):\(wanted.version) was deleted by another operation; apply again")
    }
  }

  func commit(
    _ planned: PlannedDeployment, _ state: inout ControlState, _ store: EndpointStore
  ) throws(ControlError) {
    let key = planned.key
    let current = state.catalog.deployments[key]
    let endpoint = try state.catalog.endpoint(key.endpoint)
    try state.refuseWhenBusy(key)
    // The lock was not held since the plan was made.
    guard current?.record.generation == before.catalog.deployments[key]?.record.generation else {
      throw .conflict("deployment '\(key)' was changed by another operation; apply again")
    }
    if let model = planned.model { try store.requireModel(model) }
    let time = currentTime()
    var specification = planned.specification
    specification.endpointName = endpoint.specification.name
    if let current { specification.name = current.record.specification.name }

    var stored: StoredDeployment
    if !planned.loads, var same = current {
      guard same.record.specification != specification else { return }
      same.record.specification = specification
      same.serving?.specification = specification
      same.record.modifiedAt = time
      stored = same
    } else {
      let generation =
        planned.generation > 0 ? planned.generation : try store.nextGeneration()
      stored = StoredDeployment(
        record: DeploymentRecord(
          specification: specification, generation: generation, provisioningState: "Failed",
          model: planned.model.map { "\($0.name):\($0.version)" },
          createdAt: current?.record.createdAt ?? time, modifiedAt: time))
      stored.serving = current?.serving
      if let outcome = planned.outcome { stored.finish(outcome, at: time) }
      if case .success(let live)? = planned.outcome { state.live[key] = live }
    }
    try store.save(stored)
    try store.audit(
      current == nil ? "create" : "update", "deployment \(key)", by: actor, at: time,
      body: specification.yaml)
    state.catalog.deployments[key] = stored
  }

  func commitPruning(
    _ state: inout ControlState, _ store: EndpointStore
  ) throws(ControlError) -> Committed {
    var done = Committed()
    // Deployments before endpoints: an endpoint takes those that are left with it.
    for key in pruned where key.kind == "endpoint" {
      if state.catalog.endpoints[key.name] != nil {
        done.goneDeployments += try control.deleteEndpoint(key.name, in: &state, store, by: actor)
      }
      try store.deleteApplied(key)
    }
    for key in pruned where key.kind == DocumentKey.batchEndpoint {
      if state.catalog.batchEndpoints[key.name] != nil {
        try control.deleteBatchEndpoint(key.name, in: &state, store, by: actor)
      }
      try store.deleteApplied(key)
    }
    for key in pruned where key.kind != "endpoint" && key.kind != DocumentKey.batchEndpoint {
      if let deployment = DeploymentKey(key) {
        if key.kind == DocumentKey.batchDeployment,
          state.catalog.batchDeployments[deployment] != nil
        {
          try control.deleteBatchDeployment(deployment, in: &state, store, by: actor)
        } else if key.kind == "deployment", state.catalog.deployments[deployment] != nil {
          done.goneDeployments.append(
            try control.deleteDeployment(deployment, in: &state, store, by: actor))
        }
      }
      try store.deleteApplied(key)
    }
    // Models last: those that use them are gone by now.
    for key in pruned where key.kind == "model" {
      guard let (name, version) = Self.model(key) else { continue }
      do throws(ControlError) {
        if try control.deleteModel(name: name, version: version, in: state, store, by: actor) {
          done.goneModels.append((name, version))
        }
      } catch {
        guard case .registry(.inUse) = error else { throw error }
        done.keptModels.append((key, error.description))
      }
    }
    return done
  }
}

extension DeploymentKey {
  /// Of an applied document's key, `deployment churn/blue` or `batch deployment churn/blue`.
  init?(_ key: DocumentKey) {
    let parts = key.name.split(separator: "/")
    guard ["deployment", DocumentKey.batchDeployment].contains(key.kind), parts.count == 2 else {
      return nil
    }
    self.init(endpoint: String(parts[0]), name: String(parts[1]))
  }
}
