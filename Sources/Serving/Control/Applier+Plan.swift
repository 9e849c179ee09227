internal import Registry

/// What is to be done with deployments and endpoints, and what is to go.
extension Applier {
  mutating func planDeployments() {
    let newEndpoints = Set(input.endpoints.map { $0.specification.name.lowercased() })
    for item in input.deployments {
      let key = DeploymentKey(item.specification)
      let current = before.catalog.deployments[key]
      let isBroken = current?.record.provisioningState == "Failed" && before.live[key] == nil
      do throws(ControlError) {
        if !isBroken, unit == .endpoint || current != nil,
          try applied.isUnchanged(item.origin, files: item.specification.inlineModel)
        {
          report(.unchanged, item.origin.key)
          continue
        }
      } catch {
        fail(item.origin.key.description, "\(item.origin.path): $.model: \(error)")
        continue
      }
      guard before.catalog.endpoints[key.endpoint] != nil || newEndpoints.contains(key.endpoint)
      else {
        fail(
          item.origin.key.description,
          "\(item.origin.path): $.endpoint_name: "
            + ControlError.endpointNotFound(
              item.specification.endpointName, known: before.catalog.endpointNames
            ).description)
        continue
      }
      do {
        try before.refuseWhenBusy(key)
      } catch {
        fail(item.origin.key.description, "\(item.origin.path): \(error)")
        continue
      }
      var planned = PlannedDeployment(specification: item.specification, origin: item.origin)
      planned.bringsModel = item.specification.inlineModel != nil
      if let reason = item.specification.cannotRunReason {
        guard unit == .endpoint else {
          fail(item.origin.key.description, "\(item.origin.path): \(reason)")
          continue
        }
        planned.failure = DeploymentFailure(code: "BadArgument", message: reason)
      }
      do throws(ControlError) {
        if planned.failure == nil {
          planned.model = try model(item.specification.model, of: item.origin)
        }
        if !item.origin.keepsFiles, let model = planned.model,
          case .inline? = planned.specification.model
        {
          // Later it could not be read again where it lies now.
          planned.specification.model = .registered(model.reference)
        }
      } catch {
        guard unit == .endpoint else {
          fail(item.origin.key.description, "\(item.origin.path): $.model: \(error)")
          continue
        }
        planned.failure = DeploymentFailure(code: "BadArgument", message: error.description)
      }
      if planned.failure == nil, let model = planned.model,
        let fault = planned.specification.batchingFault(of: model)
      {
        guard unit == .endpoint else {
          fail(item.origin.key.description, "\(item.origin.path): $.swerve.batching: \(fault)")
          continue
        }
        planned.failure = DeploymentFailure(
          code: "BadArgument", message: "swerve.batching: \(fault)")
      }
      plan(&planned, current: current)
    }
  }

  mutating func plan(_ planned: inout PlannedDeployment, current: StoredDeployment?) {
    let action: ApplyReport.Change.Action = current == nil ? .create : .update
    var detail = FieldDifference.text(
      from: current?.record.specification.yaml, to: planned.specification.yaml)
    if let current, let model = planned.model, before.live[planned.key] != nil,
      current.serves(planned.specification, model: model)
    {
      planned.loads = false
    } else if let model = planned.model, let old = current?.record.model,
      old != "\(model.name):\(model.version)"
    {
      detail +=
        (detail.isEmpty ? "" : "; ") + "model version: \(old) → \(model.name):\(model.version)"
    }
    if !planned.loads && detail.isEmpty {
      report(.unchanged, planned.origin.key)
    } else if planned.failure == nil {
      report(action, planned.origin.key, detail)
    }
    deployments.append(planned)
  }

  mutating func planEndpoints() {
    for item in input.endpoints {
      let name = item.specification.name.lowercased()
      let current = before.catalog.endpoints[name]
      if applied.hasText(of: item.origin), unit == .endpoint || current != nil {
        report(.unchanged, item.origin.key)
        continue
      }
      if let fault = unknownShare(item.specification) {
        fail(
          item.origin.key.description,
          "\(item.origin.path): $.\(fault.field) is \(fault.received); expected \(fault.expected)")
        // At start its deployments would have no endpoint.
        deployments.removeAll { $0.key.endpoint == name && current == nil }
        continue
      }
      endpoints.append(item)
      let detail = FieldDifference.text(
        from: current?.specification.yaml, to: item.specification.yaml)
      report(
        current == nil ? .create : detail.isEmpty ? .unchanged : .update, item.origin.key, detail)
    }
    let known = Set(before.catalog.endpoints.keys)
      .union(endpoints.map { $0.specification.name.lowercased() })
    for planned in deployments where !known.contains(planned.key.endpoint) {
      fail(planned.origin.key.description, "its endpoint '\(planned.key.endpoint)' has failed")
    }
    deployments.removeAll { !known.contains($0.key.endpoint) }
  }

  func unknownShare(_ specification: EndpointSpecification) -> TrafficRules.Fault? {
    let name = specification.name.lowercased()
    var names = Set(before.catalog.deployments(of: name).map(\.name))
    names.formUnion(
      input.deployments.map { DeploymentKey($0.specification) }
        .filter { $0.endpoint == name }.map(\.name))
    if unit == .endpoint {
      // A document that cannot be read is a deployment that failed; its share stays written.
      for key in broken where key.kind == "deployment" && key.name.hasPrefix(name + "/") {
        names.insert(String(key.name.dropFirst(name.count + 1)))
      }
    }
    return TrafficRules.fault(
      traffic: specification.traffic, mirrorTraffic: specification.mirrorTraffic,
      deployments: names)
  }

  mutating func planPruning() throws(ControlError) {
    guard prune else { return }
    let keys = input.keys
    for key in applied.keys where !keys.contains(key) {
      pruned.append(key)
      switch key.kind {
      case "endpoint":
        if before.catalog.endpoints[key.name] != nil { report(.delete, key) }
      case "deployment":
        if let deployment = DeploymentKey(key), before.catalog.deployments[deployment] != nil {
          report(.delete, key)
        }
      case DocumentKey.batchEndpoint:
        if before.catalog.batchEndpoints[key.name] != nil { report(.delete, key) }
      case DocumentKey.batchDeployment:
        if let deployment = DeploymentKey(key),
          before.catalog.batchDeployments[deployment] != nil
        {
          report(.delete, key)
        }
      default:
        if try isRegistered(key) { report(.delete, key) }
      }
    }
  }
}
