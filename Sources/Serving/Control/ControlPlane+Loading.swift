internal import Store
internal import Telemetry

// Taking an endpoint's deployments out of memory and back, without a change of what is wanted:
// a restart loads them all.

extension ControlPlane {
  /// Loads every deployment of an endpoint anew on another thread. One that answers now goes on
  /// until the new one is there, and for good when that fails.
  ///
  /// - Parameter end: Called once, with the first failure if there was one.
  package func reloadInBackground(
    _ endpoint: String, by actor: Actor, then end: @escaping @Sendable (ControlError?) -> Void
  ) {
    inBackground { [self] in
      do throws(ControlError) {
        try reload(endpoint, by: actor)
        end(nil)
      } catch {
        end(error)
      }
    }
  }

  /// Takes every deployment of an endpoint out of force on another thread.
  ///
  /// - Parameter end: Called once.
  package func unloadInBackground(
    _ endpoint: String, by actor: Actor, then end: @escaping @Sendable (ControlError?) -> Void
  ) {
    inBackground { [self] in
      do throws(ControlError) {
        try unload(endpoint, by: actor)
        end(nil)
      } catch {
        end(error)
      }
    }
  }

  /// - Throws: Also when something is in force that is not what is wanted.
  func reload(_ endpoint: String, by actor: Actor) throws(ControlError) {
    let stored = try change { (state, store) throws(ControlError) -> [StoredDeployment] in
      let name = try state.catalog.endpoint(endpoint).specification.name
      let keys = state.catalog.deployments(of: name)
      guard !keys.isEmpty else {
        throw .invalid(field: name, reason: "the endpoint has no deployment that could be loaded")
      }
      for key in keys { try state.refuseWhenBusy(key) }
      state.busy.formUnion(keys)
      try store.audit("load", "endpoint \(name)", by: actor, at: currentTime())
      return keys.compactMap { state.catalog.deployments[$0] }
    }
    log.write(
      .info, "load asked for",
      ["endpoint": .string(endpoint), "actor": .string(actor.name)])
    var failure: ControlError?
    for deployment in stored {
      let key = DeploymentKey(deployment.record.specification)
      deploymentLogs.append(key, .info, "load asked for by \(actor.name)")
      do throws(ControlError) {
        try put(reloaded(deployment), in: key)
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  private func put(_ reloaded: Reloaded, in key: DeploymentKey) throws(ControlError) {
    logState(key, reloaded.wanted)
    do {
      try change { (state, store) throws(ControlError) in
        state.busy.remove(key)
        // A busy deployment is neither changed nor deleted.
        guard let before = state.catalog.deployments[key] else { return }
        if before != reloaded.stored {
          try store.save(reloaded.stored)
          state.catalog.deployments[key] = reloaded.stored
        }
        if let live = reloaded.live { state.live[key] = live }
      }
    } catch {
      release([key])
      throw error
    }
    guard case .failure(let reason) = reloaded.wanted else { return }
    guard let live = reloaded.live else { throw .deployment(reason) }
    throw .deployment(
      DeploymentFailure(
        code: reason.code,
        message: "\(reason.message); generation \(live.generation) answers instead"))
  }

  /// Takes every deployment of an endpoint out of force at once; requests that have begun end.
  func unload(_ endpoint: String, by actor: Actor) throws(ControlError) {
    let keys = try change { (state, store) throws(ControlError) -> [DeploymentKey] in
      let name = try state.catalog.endpoint(endpoint).specification.name
      let keys = state.catalog.deployments(of: name)
      for key in keys { try state.refuseWhenBusy(key) }
      for key in keys { state.live[key] = nil }
      try store.audit("unload", "endpoint \(name)", by: actor, at: currentTime())
      return keys
    }
    log.write(
      .info, "unloaded", ["endpoint": .string(endpoint), "actor": .string(actor.name)])
    for key in keys { deploymentLogs.append(key, .info, "unloaded by \(actor.name)") }
  }
}
