internal import Store

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

  private func reload(_ endpoint: String, by actor: Actor) throws(ControlError) {
    let stored = try adjust { (state) throws(ControlError) -> [StoredDeployment] in
      let name = try state.catalog.endpoint(endpoint).specification.name
      let keys = state.catalog.deployments(of: name)
      for key in keys { try state.refuseWhenBusy(key) }
      state.busy.formUnion(keys)
      return keys.compactMap { state.catalog.deployments[$0] }
    }
    var failure: ControlError?
    for deployment in stored {
      let key = DeploymentKey(deployment.record.specification)
      deploymentLogs.append(key, .info, "load asked for by \(actor.name)")
      let outcome = reloaded(deployment)
      if case .failure(let reason) = outcome { failure = failure ?? .deployment(reason) }
      logState(key, outcome)
      try adjust { (state) throws(ControlError) in
        state.busy.remove(key)
        let isSame =
          state.catalog.deployments[key]?.record.generation == deployment.record.generation
        if isSame, case .success(let live) = outcome { state.live[key] = live }
      }
    }
    if let failure { throw failure }
  }

  /// Takes every deployment of an endpoint out of force at once; requests that have begun end.
  package func unload(_ endpoint: String, by actor: Actor) throws(ControlError) {
    let keys = try adjust { (state) throws(ControlError) -> [DeploymentKey] in
      let keys = state.catalog.deployments(
        of: try state.catalog.endpoint(endpoint).specification.name)
      for key in keys { try state.refuseWhenBusy(key) }
      for key in keys { state.live[key] = nil }
      return keys
    }
    for key in keys { deploymentLogs.append(key, .info, "unloaded by \(actor.name)") }
  }
}
