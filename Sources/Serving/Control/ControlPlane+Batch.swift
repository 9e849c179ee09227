internal import Registry
internal import Store

/// Batch endpoints and their deployments. Nothing of them is kept loaded: a change is one row.
extension ControlPlane {
  package func batchEndpoints() -> [BatchEndpointRecord] {
    snapshot.catalog.batchEndpoints.sorted { $0.key < $1.key }.map(\.value)
  }

  package func batchEndpoint(_ name: String) throws(ControlError) -> BatchEndpointRecord {
    try snapshot.catalog.batchEndpoint(name)
  }

  /// In order of their names.
  package func batchDeployments(
    of endpoint: String
  ) throws(ControlError) -> [BatchDeploymentRecord] {
    let catalog = snapshot.catalog
    _ = try catalog.batchEndpoint(endpoint)
    return catalog.batchDeployments(of: endpoint)
  }

  package func batchDeployment(
    _ name: String, of endpoint: String
  ) throws(ControlError) -> BatchDeploymentRecord {
    try snapshot.catalog.batchDeployment(DeploymentKey(endpoint: endpoint, name: name))
  }

  /// The one that a job of the endpoint goes to: that named, else the default, else the only one.
  ///
  /// - Parameter origin: What has named it, for the error: a header, a flag.
  package func batchDeployment(
    named name: String?, of endpoint: String, origin: String
  ) throws(ControlError) -> BatchDeploymentRecord {
    let catalog = snapshot.catalog
    let record = try catalog.batchEndpoint(endpoint)
    let endpoint = record.specification.name
    let all = catalog.batchDeployments(of: endpoint)
    let known = all.map(\.specification.name).joined(separator: ", ")
    let wanted: BatchDeploymentRecord
    if let name {
      let key = DeploymentKey(endpoint: endpoint, name: name)
      guard let found = catalog.batchDeployments[key] else {
        throw .notFound(
          "\(origin) names deployment '\(name)', and batch endpoint '\(endpoint)' has "
            + (all.isEmpty ? "none" : "only \(known)"))
      }
      wanted = found
    } else if let name = record.specification.defaultDeployment,
      let found = catalog.batchDeployments[DeploymentKey(endpoint: endpoint, name: name)]
    {
      wanted = found
    } else if let only = all.first, all.count == 1 {
      wanted = only
    } else {
      throw .invalid(
        field: "deployment",
        reason: all.isEmpty
          ? "batch endpoint '\(endpoint)' has no deployment"
          : "batch endpoint '\(endpoint)' has no default deployment; name one of \(known), or set "
            + "defaults.deployment_name")
    }
    if let failure = wanted.failure { throw .deployment(failure) }
    return wanted
  }

  // MARK: Changes

  /// Creates or updates. `created` tells which.
  package func putBatchEndpoint(
    _ specification: BatchEndpointSpecification, by actor: Actor
  ) throws(ControlError) -> (record: BatchEndpointRecord, created: Bool) {
    try change { (state, store) throws(ControlError) in
      let existed = state.catalog.batchEndpoints[specification.name.lowercased()] != nil
      return (try put(specification, in: &state, store, by: actor), !existed)
    }
  }

  /// Deletes it with its deployments. Its jobs stay.
  package func deleteBatchEndpoint(_ name: String, by actor: Actor) throws(ControlError) {
    try change { (state, store) throws(ControlError) in
      try deleteBatchEndpoint(name, in: &state, store, by: actor)
    }
  }

  /// Creates or updates once its model could be loaded. Takes as long as that takes.
  package func putBatchDeployment(
    _ specification: BatchDeploymentSpecification, by actor: Actor
  ) throws(ControlError) -> (record: BatchDeploymentRecord, created: Bool) {
    _ = try batchEndpoint(specification.endpointName)
    let model = try checkedModel(of: specification)
    return try change { (state, store) throws(ControlError) in
      let existed = state.catalog.batchDeployments[DeploymentKey(specification)] != nil
      let record = try put(
        specification, model: model, failure: nil, in: &state, store, by: actor)
      return (record, !existed)
    }
  }

  package func deleteBatchDeployment(
    _ name: String, of endpoint: String, by actor: Actor
  ) throws(ControlError) {
    try change { (state, store) throws(ControlError) in
      try deleteBatchDeployment(
        DeploymentKey(endpoint: endpoint, name: name), in: &state, store, by: actor)
    }
  }

  // MARK: Steps of a change

  /// - Parameter isLenient: A default that does not exist stays written: at start it may be one
  ///   that failed.
  @discardableResult
  func put(
    _ wanted: BatchEndpointSpecification, in state: inout ControlState, _ store: EndpointStore,
    by actor: Actor, isLenient: Bool = false
  ) throws(ControlError) -> BatchEndpointRecord {
    let key = wanted.name.lowercased()
    let current = state.catalog.batchEndpoints[key]
    var specification = wanted
    if let current { specification.name = current.specification.name }
    if let expected = ResourceName.fault(in: specification.name) {
      throw .invalid(field: "name", reason: "'\(specification.name)' is not \(expected)")
    }
    if let name = specification.defaultDeployment, !isLenient,
      name != current?.specification.defaultDeployment,
      state.catalog.batchDeployments[DeploymentKey(endpoint: key, name: name)] == nil
    {
      let known = state.catalog.batchDeployments(of: key).map(\.specification.name)
      throw .invalid(
        field: "defaults.deployment_name",
        reason: "the endpoint has no deployment '\(name)'; "
          + ControlError.list(known, of: "deployments"))
    }
    if let current, current.specification == specification { return current }
    let time = currentTime()
    if let schedule = specification.schedule, schedule != current?.specification.schedule,
      let days = schedule.impossibleDays(anchor: time / 1000)
    {
      throw .invalid(
        field: "swerve.schedule.trigger", reason: "it would never run: \(days) fits no day")
    }
    let record = BatchEndpointRecord(
      specification: specification, generation: try store.nextGeneration(),
      createdAt: current?.createdAt ?? time, modifiedAt: time)
    try store.save(record)
    try store.saveSchedule(
      specification.schedule, before: current?.specification.schedule, of: specification.name,
      at: time)
    state.catalog.batchEndpoints[key] = record
    if current == nil {
      try makeKeys(of: specification.name, .batch, in: &state, store, at: time)
    }
    try store.audit(
      current == nil ? "create" : "update", "batch endpoint \(specification.name)", by: actor,
      at: time, body: specification.yaml)
    return record
  }

  func deleteBatchEndpoint(
    _ name: String, in state: inout ControlState, _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) {
    let record = try state.catalog.batchEndpoint(name)
    let key = name.lowercased()
    try store.deleteBatchEndpoint(record.specification.name)
    try store.audit(
      "delete", "batch endpoint \(record.specification.name)", by: actor, at: currentTime())
    state.catalog.batchDeployments = state.catalog.batchDeployments.filter {
      $0.key.endpoint != key
    }
    state.catalog.batchEndpoints[key] = nil
    state.keys[.batch]?[key] = nil
    if state.catalog.endpoints[key] == nil { state.fileKeys[key] = nil }
  }

  /// - Parameter failure: Why it cannot be used; only at start.
  @discardableResult
  func put(
    _ wanted: BatchDeploymentSpecification, model: ModelVersion?, failure: DeploymentFailure?,
    in state: inout ControlState, _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) -> BatchDeploymentRecord {
    let endpoint = try state.catalog.batchEndpoint(wanted.endpointName)
    let key = DeploymentKey(wanted)
    let current = state.catalog.batchDeployments[key]
    var specification = wanted
    specification.endpointName = endpoint.specification.name
    if let current { specification.name = current.specification.name }
    if let expected = ResourceName.fault(in: specification.name) {
      throw .invalid(field: "name", reason: "'\(specification.name)' is not \(expected)")
    }
    if let model { try store.requireModel(model) }
    let name = model.map { "\($0.name):\($0.version)" }
    if let current, current.specification == specification, current.model == name,
      current.failure == failure
    {
      return current
    }
    let time = currentTime()
    let record = BatchDeploymentRecord(
      specification: specification, generation: try store.nextGeneration(), model: name,
      failure: failure, createdAt: current?.createdAt ?? time, modifiedAt: time)
    try store.save(record)
    try store.audit(
      current == nil ? "create" : "update", "batch deployment \(key)", by: actor, at: time,
      body: specification.yaml)
    state.catalog.batchDeployments[key] = record
    return record
  }

  func deleteBatchDeployment(
    _ key: DeploymentKey, in state: inout ControlState, _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) {
    _ = try state.catalog.batchDeployment(key)
    let time = currentTime()
    var endpoint = try state.catalog.batchEndpoint(key.endpoint)
    if endpoint.specification.defaultDeployment == key.name {
      // A default that does not exist would name another one made later under its name.
      endpoint.specification.defaultDeployment = nil
      endpoint.generation = try store.nextGeneration()
      endpoint.modifiedAt = time
      try store.save(endpoint)
      try store.audit(
        "update", "batch endpoint \(endpoint.specification.name)", by: actor, at: time,
        body: endpoint.specification.yaml)
      state.catalog.batchEndpoints[key.endpoint] = endpoint
    }
    try store.deleteBatchDeployment(key)
    try store.audit("delete", "batch deployment \(key)", by: actor, at: time)
    state.catalog.batchDeployments[key] = nil
  }

  // MARK: Models

  /// The version that the deployment scores with, which could be loaded. An inline model is
  /// registered.
  private func checkedModel(
    of specification: BatchDeploymentSpecification
  ) throws(ControlError) -> ModelVersion {
    if let reason = specification.cannotRunReason {
      throw .deployment(DeploymentFailure(code: "BadArgument", message: reason))
    }
    let model: ModelVersion
    switch specification.model {
    case .registered(let reference):
      do { model = try registry.resolve(reference) } catch { throw .registry(error) }
    case .inline(let registration):
      model = try registerInline(registration)
    case nil:
      throw .invalid(field: "model", reason: "the batch deployment names no model")
    }
    if let failure = checkFailure(specification, model) { throw .deployment(failure) }
    return model
  }

  /// Why jobs of the deployment could not score with this version, or not write what they are to;
  /// nil when they could.
  func checkFailure(
    _ specification: BatchDeploymentSpecification, _ model: ModelVersion
  ) -> DeploymentFailure? {
    if let reason = specification.settings.outputFault {
      return DeploymentFailure(code: "BadArgument", message: reason)
    }
    do {
      try checkBatch(
        specification, model, registry.packagePath(name: model.name, version: model.version))
      return nil
    } catch {
      return error
    }
  }
}
