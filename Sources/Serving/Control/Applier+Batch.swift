internal import Registry

/// A batch deployment that this apply creates or updates.
struct PlannedBatchDeployment: Sendable {
  var specification: BatchDeploymentSpecification
  var origin: ApplyInput.Origin
  var model: ModelVersion?
  /// Whether the document brings the model's files, not only its name.
  var bringsModel = false
  /// Why it cannot be used; only at start.
  var failure: DeploymentFailure?

  var key: DeploymentKey { DeploymentKey(specification) }
}

/// Batch endpoints and deployments of an apply. Nothing of them stays loaded; models are tried
/// before the commit.
extension Applier {
  mutating func planBatchEndpoints() {
    for item in input.batchEndpoints {
      let name = item.specification.name.lowercased()
      let current = before.catalog.batchEndpoints[name]
      if applied.hasText(of: item.origin), unit == .endpoint || current != nil {
        report(.unchanged, item.origin.key)
        continue
      }
      if let deployment = item.specification.defaultDeployment,
        !batchDeploymentNames(of: name).contains(deployment)
      {
        fail(
          item.origin.key.description,
          "\(item.origin.path): $.defaults.deployment_name is '\(deployment)'; the endpoint has no "
            + "such deployment")
        continue
      }
      batchEndpoints.append(item)
      let detail = FieldDifference.text(
        from: current?.specification.yaml, to: item.specification.yaml)
      report(
        current == nil ? .create : detail.isEmpty ? .unchanged : .update, item.origin.key, detail)
    }
  }

  /// What the endpoint has and is to have, also what cannot be read.
  private func batchDeploymentNames(of endpoint: String) -> Set<String> {
    var keys = Set(before.catalog.batchDeployments.keys)
    for item in input.batchDeployments { keys.insert(DeploymentKey(item.specification)) }
    for key in broken where key.kind == DocumentKey.batchDeployment {
      if let key = DeploymentKey(key) { keys.insert(key) }
    }
    return Set(keys.filter { $0.endpoint == endpoint }.map(\.name))
  }

  mutating func planBatchDeployments() {
    let known = Set(before.catalog.batchEndpoints.keys)
      .union(batchEndpoints.map { $0.specification.name.lowercased() })
    for item in input.batchDeployments {
      let key = DeploymentKey(item.specification)
      let current = before.catalog.batchDeployments[key]
      do throws(ControlError) {
        if current?.failure == nil, unit == .endpoint || current != nil,
          try applied.isUnchanged(item.origin, files: item.specification.inlineModel)
        {
          report(.unchanged, item.origin.key)
          continue
        }
        guard known.contains(key.endpoint) else {
          throw .invalid(
            field: "$.endpoint_name",
            reason: "batch endpoint '\(item.specification.endpointName)' does not exist; "
              + ControlError.list(before.catalog.batchEndpointNames, of: "batch endpoints"))
        }
      } catch {
        fail(item.origin.key.description, "\(item.origin.path): \(error)")
        continue
      }
      var planned = PlannedBatchDeployment(specification: item.specification, origin: item.origin)
      planned.bringsModel = item.specification.inlineModel != nil
      do throws(ControlError) {
        if let reason = item.specification.cannotRunReason {
          throw .deployment(DeploymentFailure(code: "BadArgument", message: reason))
        }
        planned.model = try model(item.specification.model, of: item.origin)
        if !item.origin.keepsFiles, let model = planned.model, planned.bringsModel {
          // Later it could not be read again where it lies now.
          planned.specification.model = .registered(model.reference)
        }
      } catch {
        guard unit == .endpoint else {
          fail(item.origin.key.description, "\(item.origin.path): \(error)")
          continue
        }
        planned.failure = Self.failure(error)
      }
      let detail = FieldDifference.text(
        from: current?.specification.yaml, to: planned.specification.yaml)
      let isSameModel = planned.model.map { "\($0.name):\($0.version)" } == current?.model
      if current != nil, detail.isEmpty, isSameModel, current?.failure == nil {
        report(.unchanged, item.origin.key)
      } else if planned.failure == nil {
        report(current == nil ? .create : .update, item.origin.key, detail)
      }
      batchDeployments.append(planned)
    }
  }

  /// Loads each model once and lets it go.
  mutating func checkBatchDeployments() {
    for index in batchDeployments.indices {
      let planned = batchDeployments[index]
      if planned.failure == nil, let model = planned.model {
        batchDeployments[index].failure = control.checkFailure(planned.specification, model)
      }
      guard let failure = batchDeployments[index].failure else { continue }
      fail(planned.origin.key.description, "\(planned.origin.path): \(failure.message)")
    }
  }

  func commitBatch(
    _ state: inout ControlState, _ store: EndpointStore
  ) throws(ControlError) {
    // Endpoints have to exist before their deployments, and these before one is the default.
    for item in batchEndpoints {
      var bare = item.specification
      guard state.catalog.batchEndpoints[bare.name.lowercased()] == nil else { continue }
      bare.defaultDeployment = nil
      try control.put(bare, in: &state, store, by: actor)
    }
    for planned in batchDeployments {
      let current = state.catalog.batchDeployments[planned.key]
      // The lock was not held since the plan was made.
      guard
        current?.generation == before.catalog.batchDeployments[planned.key]?.generation
      else {
        throw .conflict(
          "batch deployment '\(planned.key)' was changed by another operation; apply again")
      }
      // What could be used goes on being used.
      if planned.failure != nil, let current, current.failure == nil { continue }
      try control.put(
        planned.specification, model: planned.model, failure: planned.failure, in: &state, store,
        by: actor)
    }
    for item in batchEndpoints {
      try control.put(
        item.specification, in: &state, store, by: actor, isLenient: unit == .endpoint)
    }
  }

  private static func failure(_ error: ControlError) -> DeploymentFailure {
    if case .deployment(let failure) = error { return failure }
    return DeploymentFailure(code: "BadArgument", message: error.description)
  }
}

extension BatchDeploymentSpecification {
  /// The model that comes with the deployment's document; nil when that names a registered one.
  var inlineModel: ModelRegistration? {
    if case .inline(let registration)? = model { registration } else { nil }
  }
}
