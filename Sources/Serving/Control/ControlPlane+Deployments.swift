internal import Digest
internal import Documents
internal import Registry
internal import Store
internal import Telemetry

extension ControlPlane {
  /// Accepts the change, commits it as `Creating` or `Updating`, and loads it on another thread;
  /// an update keeps the old generation serving until the new one is ready, and for good when
  /// that fails. A change of words only (tags, description) loads nothing.
  package func putDeployment(
    _ specification: DeploymentSpecification, by actor: Actor
  ) throws(ControlError) -> (record: DeploymentRecord, created: Bool, operation: OperationRecord) {
    _ = try endpoint(specification.endpointName)
    if let reason = specification.cannotRunReason {
      throw .deployment(DeploymentFailure(code: "BadArgument", message: reason))
    }
    // What a reference names is looked up before the change is accepted; an inline model is
    // registered after it, as that copies files.
    let model = try registeredModel(of: specification)
    if let fault = model.flatMap({ specification.batchingFault(of: $0) }) {
      throw .invalid(field: "swerve.batching", reason: fault)
    }
    let accepted = try change { (state, store) throws(ControlError) in
      try accept(specification, model: model, in: &state, store, by: actor)
    }
    deploymentLogs.append(
      DeploymentKey(accepted.record.specification), .info,
      "\(accepted.created ? "create" : "update") accepted from \(actor.name)")
    if accepted.operation.status == "InProgress" {
      let record = accepted.record
      inBackground { [self] in load(record, model: model, operation: accepted.operation) }
    }
    return (accepted.record, accepted.created, accepted.operation)
  }

  /// Refused while it has live traffic.
  package func deleteDeployment(
    _ name: String, of endpoint: String, by actor: Actor
  ) throws(ControlError) {
    let gone = try change { (state, store) throws(ControlError) in
      try deleteDeployment(
        DeploymentKey(endpoint: endpoint, name: name), in: &state, store, by: actor)
    }
    forgetMetrics(of: [gone])
  }

  // MARK: Put

  private struct Accepted: Sendable {
    var record: DeploymentRecord
    var created: Bool
    var operation: OperationRecord
  }

  private func accept(
    _ wanted: DeploymentSpecification, model: ModelVersion?, in state: inout ControlState,
    _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) -> Accepted {
    let endpoint = try state.catalog.endpoint(wanted.endpointName)
    let key = DeploymentKey(wanted)
    try state.refuseWhenBusy(key)
    if let model { try store.requireModel(model) }
    let current = state.catalog.deployments[key]
    var specification = wanted
    specification.endpointName = endpoint.specification.name
    if let current { specification.name = current.record.specification.name }
    if let expected = ResourceName.fault(in: specification.name) {
      throw .invalid(field: "name", reason: "'\(specification.name)' is not \(expected)")
    }
    let time = currentTime()
    var operation = OperationRecord(
      id: SecureRandom.uuid(), status: "InProgress", startedAt: time)
    let resource = "deployment \(specification.endpointName)/\(specification.name)"

    if var current, let model, state.live[key] != nil,
      current.serves(specification, model: model)
    {
      current.record.specification = specification
      current.serving?.specification = specification
      current.record.modifiedAt = time
      operation.status = "Succeeded"
      operation.endedAt = time
      try store.save(current)
      try store.save(operation, resource: resource)
      try store.audit("update", resource, by: actor, at: time, body: specification.yaml)
      state.catalog.deployments[key] = current
      return Accepted(record: current.record, created: false, operation: operation)
    }

    var stored = StoredDeployment(
      record: DeploymentRecord(
        specification: specification, generation: try store.nextGeneration(),
        provisioningState: current == nil ? "Creating" : "Updating",
        model: model.map { "\($0.name):\($0.version)" },
        createdAt: current?.record.createdAt ?? time, modifiedAt: time))
    stored.serving = current?.serving
    try store.save(stored)
    try store.save(operation, resource: resource)
    try store.forgetOperations(before: time - 86_400_000)
    try store.audit(
      current == nil ? "create" : "update", resource, by: actor, at: time,
      body: specification.yaml)
    state.catalog.deployments[key] = stored
    state.busy.insert(key)
    return Accepted(record: stored.record, created: current == nil, operation: operation)
  }

  /// On a loading thread.
  private func load(
    _ record: DeploymentRecord, model: ModelVersion?, operation: OperationRecord
  ) {
    let outcome = loaded(
      record.specification, generation: record.generation, model: model)
    finish(record, outcome, operation: operation)
  }

  private func finish(
    _ record: DeploymentRecord, _ outcome: Result<LiveDeployment, DeploymentFailure>,
    operation: OperationRecord
  ) {
    let key = DeploymentKey(record.specification)
    var ended = operation
    ended.endedAt = currentTime()
    switch outcome {
    case .success: ended.status = "Succeeded"
    case .failure(let failure):
      ended.status = "Failed"
      ended.failure = failure
    }
    do {
      try change { (state, store) throws(ControlError) in
        state.busy.remove(key)
        try store.save(ended, resource: "deployment \(key)")
        guard var stored = state.catalog.deployments[key],
          stored.record.generation == record.generation
        else { return }
        stored.finish(outcome, at: ended.endedAt ?? 0)
        try store.save(stored)
        state.catalog.deployments[key] = stored
        if case .success(let live) = outcome { state.live[key] = live }
      }
    } catch {
      // The database refuses to write. In memory the deployment must not stay in between.
      log.write(
        .error, "the end of a deployment's operation could not be stored",
        ["deployment": .string("\(key)"), "reason": .string("\(error)")])
      release([key])
    }
    logState(key, outcome)
  }

  func logState(_ key: DeploymentKey, _ outcome: Result<LiveDeployment, DeploymentFailure>) {
    switch outcome {
    case .success(let live):
      deploymentLogs.append(key, .info, live.readySentence)
      log.write(
        .info, "deployment ready",
        [
          "endpoint": .string(key.endpoint), "deployment": .string(key.name),
          "model": .string("\(live.modelName):\(live.modelVersion)"),
          "generation": .integer(live.generation),
        ])
    case .failure(let failure):
      deploymentLogs.append(key, .error, "failed: \(failure.code): \(failure.message)")
      log.write(
        .error, "deployment failed",
        [
          "endpoint": .string(key.endpoint), "deployment": .string(key.name),
          "code": .string(failure.code), "reason": .string(failure.message),
        ])
    }
  }

  // MARK: Delete

  @discardableResult
  func deleteDeployment(
    _ key: DeploymentKey, in state: inout ControlState, _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) -> DeploymentSpecification {
    let stored = try state.catalog.deployment(key)
    try state.refuseWhenBusy(key)
    var endpoint = try state.catalog.endpoint(key.endpoint)
    if let percent = endpoint.specification.traffic[key.name], percent > 0 {
      throw .conflict(
        "deployment '\(key.name)' of endpoint '\(endpoint.specification.name)' has "
          + "\(percent) % of the live traffic; set it to 0 first")
    }
    // What is left of it in the endpoint would name a deployment that does not exist.
    if endpoint.specification.traffic.removeValue(forKey: key.name) != nil
      || endpoint.specification.mirrorTraffic.removeValue(forKey: key.name) != nil
    {
      endpoint.specification.mirrorTraffic[key.name] = nil
      endpoint.generation = try store.nextGeneration()
      endpoint.modifiedAt = currentTime()
      try store.save(endpoint)
      state.catalog.endpoints[key.endpoint] = endpoint
    }
    try store.deleteDeployment(key)
    try store.audit("delete", "deployment \(key)", by: actor, at: currentTime())
    state.catalog.deployments[key] = nil
    state.live[key] = nil
    return stored.record.specification
  }

  // MARK: Loading

  /// The version that a reference names; nil for an inline model.
  func registeredModel(
    of specification: DeploymentSpecification
  ) throws(ControlError) -> ModelVersion? {
    guard case .registered(let reference)? = specification.model else { return nil }
    do { return try registry.resolve(reference) } catch { throw .registry(error) }
  }

  /// Loads on the calling thread; registers an inline model first.
  func loaded(
    _ specification: DeploymentSpecification, generation: Int64, model: ModelVersion?
  ) -> Result<LiveDeployment, DeploymentFailure> {
    do throws(ControlError) {
      let version: ModelVersion
      if let model {
        version = model
      } else if case .inline(let registration)? = specification.model {
        version = try registerInline(registration)
      } else if let registered = try registeredModel(of: specification) {
        version = registered
      } else {
        throw .deployment(
          DeploymentFailure(
            code: "BadArgument",
            message: specification.cannotRunReason
              ?? "deployment '\(specification.name)' names no model"))
      }
      let package = registry.packagePath(name: version.name, version: version.version)
      deploymentLogs.append(
        DeploymentKey(specification), .info,
        "loading generation \(generation): model \(version.name):\(version.version), sha256 "
          + version.contentHash)
      do {
        return .success(try load(specification, generation, version, package))
      } catch {
        return .failure(error)
      }
    } catch {
      if case .deployment(let failure) = error { return .failure(failure) }
      return .failure(DeploymentFailure(code: "BadArgument", message: error.description))
    }
  }
}

extension StoredDeployment {
  /// Whether what serves differs from `specification` by words only.
  func serves(_ specification: DeploymentSpecification, model: ModelVersion) -> Bool {
    guard record.provisioningState == "Succeeded", let serving,
      serving.modelName == model.name, serving.modelVersion == model.version
    else { return false }
    return serving.specification.loadingParts == specification.loadingParts
  }

  /// The end of a load of the generation that `record` has.
  mutating func finish(_ outcome: Result<LiveDeployment, DeploymentFailure>, at time: Int64) {
    record.modifiedAt = time
    switch outcome {
    case .success(let live):
      record.provisioningState = "Succeeded"
      record.failure = nil
      record.model = "\(live.modelName):\(live.modelVersion)"
      serving = Serving(
        specification: record.specification, generation: record.generation,
        modelName: live.modelName, modelVersion: live.modelVersion)
    case .failure(let failure):
      record.provisioningState = "Failed"
      record.failure = failure
    }
  }
}

extension DeploymentSpecification {
  /// What a running deployment depends on: the rest can change without loading again. The model
  /// is compared by the version that it resolved to.
  var loadingParts: DeploymentSpecification {
    var parts = self
    parts.description = nil
    parts.tags = [:]
    parts.properties = [:]
    parts.noted = DocumentObject()
    parts.model = nil
    return parts
  }
}
