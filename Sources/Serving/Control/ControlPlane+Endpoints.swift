internal import Digest
internal import Registry
internal import Store

extension ControlPlane {
  /// Creates or updates, by Azure's rules for traffic. `created` tells which.
  package func putEndpoint(
    _ specification: EndpointSpecification, by actor: Actor
  ) throws(ControlError) -> (record: EndpointRecord, created: Bool) {
    try change { (state, store) throws(ControlError) in
      let existed = state.catalog.endpoints[specification.name.lowercased()] != nil
      let record = try put(specification, in: &state, store, by: actor)
      return (record, !existed)
    }
  }

  /// Deletes it with its deployments.
  package func deleteEndpoint(_ name: String, by actor: Actor) throws(ControlError) {
    let gone = try change { (state, store) throws(ControlError) in
      try deleteEndpoint(name, in: &state, store, by: actor)
    }
    forgetMetrics(of: gone)
  }

  // MARK: Steps of a change

  /// - Parameter isLenient: At start, a share of a deployment that failed stays written.
  @discardableResult
  func put(
    _ wanted: EndpointSpecification, in state: inout ControlState, _ store: EndpointStore,
    by actor: Actor, isLenient: Bool = false
  ) throws(ControlError) -> EndpointRecord {
    let key = wanted.name.lowercased()
    let current = state.catalog.endpoints[key]
    var specification = wanted
    if let current { specification.name = current.specification.name }
    if let expected = ResourceName.fault(in: specification.name) {
      throw .invalid(field: "name", reason: "'\(specification.name)' is not \(expected)")
    }
    let known = Set(state.catalog.deployments(of: key).map(\.name))
    specification.traffic = specification.traffic.filter { $0.value > 0 || known.contains($0.key) }
    if let fault = TrafficRules.fault(
      traffic: specification.traffic, mirrorTraffic: specification.mirrorTraffic)
    {
      throw .invalid(fault)
    }
    if !isLenient { try checkShares(specification, current: current, known: known, in: state) }
    if let current, current.specification == specification { return current }

    let time = currentTime()
    let record = EndpointRecord(
      specification: specification, generation: try store.nextGeneration(),
      provisioningState: "Succeeded", createdAt: current?.createdAt ?? time, modifiedAt: time)
    try store.save(record)
    state.catalog.endpoints[key] = record
    if current == nil {
      try makeKeys(of: specification.name, .online, in: &state, store, at: time)
    }
    try store.audit(
      current == nil ? "create" : "update", "endpoint \(specification.name)", by: actor,
      at: time, body: specification.yaml)
    return record
  }

  @discardableResult
  func deleteEndpoint(
    _ name: String, in state: inout ControlState, _ store: EndpointStore, by actor: Actor
  ) throws(ControlError) -> [DeploymentSpecification] {
    let record = try state.catalog.endpoint(name)
    let keys = state.catalog.deployments(of: name)
    for key in keys { try state.refuseWhenBusy(key) }
    let specifications = keys.compactMap { state.catalog.deployments[$0]?.record.specification }
    try store.deleteEndpoint(record.specification.name)
    try store.audit(
      "delete", "endpoint \(record.specification.name)", by: actor, at: currentTime())
    for key in keys {
      state.catalog.deployments[key] = nil
      state.live[key] = nil
    }
    state.catalog.endpoints[name.lowercased()] = nil
    state.keys[.online]?[name.lowercased()] = nil
    state.fileKeys[name.lowercased()] = nil
    state.clients[name.lowercased()] = nil
    return specifications
  }

  /// A share may only go to a deployment that exists and can answer. One that stays as it was
  /// is not looked at: tags can be changed while a deployment is broken.
  private func checkShares(
    _ specification: EndpointSpecification, current: EndpointRecord?, known: Set<String>,
    in state: ControlState
  ) throws(ControlError) {
    let before = current?.specification
    if let fault = TrafficRules.fault(
      traffic: specification.traffic.filter { $0.value != before?.traffic[$0.key] },
      mirrorTraffic: specification.mirrorTraffic.filter {
        $0.value != before?.mirrorTraffic[$0.key]
      },
      deployments: known)
    {
      throw .invalid(fault)
    }
    let live = specification.traffic.filter { $0.value > before?.traffic[$0.key] ?? 0 }
    let mirrored = specification.mirrorTraffic.filter {
      $0.value > before?.mirrorTraffic[$0.key] ?? 0
    }
    for (field, name) in live.keys.sorted().map({ ("traffic", $0) })
      + mirrored.keys.map({ ("mirror_traffic", $0) })
    {
      let key = DeploymentKey(endpoint: specification.name, name: name)
      guard state.live[key] == nil, let record = state.catalog.deployments[key]?.record else {
        continue
      }
      if let failure = record.failure {
        throw .invalid(
          field: "\(field).\(name)",
          reason: "deployment '\(name)' has failed and cannot take traffic: \(failure.message)")
      }
      throw .conflict("deployment '\(name)' is still being created and cannot take traffic yet")
    }
  }
}

extension ControlError {
  static func invalid(_ fault: TrafficRules.Fault) -> ControlError {
    .invalid(field: fault.field, reason: "is \(fault.received); expected \(fault.expected)")
  }
}

extension ControlPlane {
  /// An operation for something that is done already: clients of deletions and new keys wait
  /// for one.
  package func endedOperation(_ resource: String) throws(ControlError) -> OperationRecord {
    try change { (_, store) throws(ControlError) in
      let time = currentTime()
      let operation = OperationRecord(
        id: SecureRandom.uuid(), status: "Succeeded", startedAt: time, endedAt: time)
      try store.save(operation, resource: resource)
      return operation
    }
  }
}
