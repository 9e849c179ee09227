internal import Documents
internal import Registry
internal import Store
internal import Telemetry

/// One `apply` from its documents to its commit.
///
/// Everything that can fail is done first: models are staged, deployments are loaded and warmed
/// up. Then one transaction and one swap of the routing table put it all in force. On any
/// failure what was staged is thrown away and nothing has changed.
struct Applier {
  let control: ControlPlane
  let input: ApplyInput
  let prune: Bool
  let unit: ControlPlane.ApplyUnit
  let actor: Actor
  private let before: ControlState
  private var applied: AppliedDocuments

  private var report = ApplyReport()
  /// Faults when the unit is everything: told together, nothing is done.
  private var faults: [String] = []
  private var staged: [ModelRegistry.Staged] = []
  private var changedModels: [ModelVersion] = []
  private var endpoints: [ApplyInput.Endpoint] = []
  private var deployments: [PlannedDeployment] = []
  private var pruned: [DocumentKey] = []
  private var broken: Set<DocumentKey> = []

  /// A deployment that this apply creates or updates.
  private struct PlannedDeployment: Sendable {
    var specification: DeploymentSpecification
    var origin: ApplyInput.Origin
    var model: ModelVersion?
    /// Set when the deployment is known to fail (at start only).
    var failure: DeploymentFailure?
    /// False when only words change.
    var loads = true
    var generation: Int64 = 0
    var outcome: Result<LiveDeployment, DeploymentFailure>?

    var key: DeploymentKey { DeploymentKey(specification) }
  }

  init(
    _ control: ControlPlane, _ documents: [ApplyDocument], prune: Bool,
    unit: ControlPlane.ApplyUnit, by actor: Actor
  ) throws(ControlError) {
    self.control = control
    self.prune = prune
    self.unit = unit
    self.actor = actor
    input = ApplyInput(documents)
    before = control.snapshot
    let known = try control.reading { (store) throws(ControlError) in
      try store.appliedDocuments()
    }
    applied = AppliedDocuments(known, registry: control.registry)
    report.notices = input.notices
  }

  mutating func run(dryRun: Bool) throws(ControlError) -> ApplyReport {
    defer { discardStaged() }
    for fault in input.faults {
      if let key = fault.key { broken.insert(key) }
      fail(fault.key?.description ?? fault.path, fault.message)
    }
    stageModels()
    planDeployments()
    planEndpoints()
    try planPruning()
    if unit == .everything && !faults.isEmpty { throw .documents(faults) }
    if dryRun { return report }
    guard hasWork else {
      // Key files are no documents, and may have changed.
      try control.adjust { (state) throws(ControlError) in try control.readKeyFiles(into: &state) }
      return report
    }
    try load()
    try commit()
    return report
  }

  private var hasWork: Bool {
    !staged.isEmpty || !changedModels.isEmpty || !deployments.isEmpty || !endpoints.isEmpty
      || !pruned.isEmpty || !accepted.isEmpty || !applied.restamped.isEmpty
  }

  // MARK: Plan

  private mutating func stageModels() {
    for model in input.models {
      let origin = model.origin
      do throws(ControlError) {
        if try isUnchanged(model) {
          report(.unchanged, origin.key)
          continue
        }
        try applied.noteFiles(model.registration, of: origin.key)
        let staged =
          model.registration.version == nil
          ? try control.stageInline(model.registration) : try control.stage(model.registration)
        let name = "model \(staged.version.name):\(staged.version.version)"
        if staged.isNew {
          self.staged.append(staged)
          report.changes.append(
            .init(
              action: .create, resource: name,
              detail: "\(staged.version.files.count) files, sha256 \(staged.version.contentHash)"))
        } else {
          // Where only the files' times differ, words that were changed by hand stay.
          let wanted =
            applied.hasText(of: origin)
            ? staged.version : staged.version.with(model.registration)
          let detail = staged.version.difference(to: wanted)
          if !detail.isEmpty { changedModels.append(wanted) }
          report.changes.append(
            .init(
              action: detail.isEmpty ? .unchanged : .update, resource: name, detail: detail))
        }
        accepted[origin.key] = applied.document(
          origin, contentHash: staged.version.contentHash)
      } catch {
        broken.insert(origin.key)
        fail(origin.key.description, "\(origin.path): \(error)")
      }
    }
  }

  /// Documents of models that are in force after the commit.
  private var accepted: [DocumentKey: AppliedDocument] = [:]

  private mutating func planDeployments() {
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
      if let reason = item.specification.cannotRunReason {
        guard unit == .endpoint else {
          fail(item.origin.key.description, "\(item.origin.path): \(reason)")
          continue
        }
        planned.failure = DeploymentFailure(code: "BadArgument", message: reason)
      }
      do throws(ControlError) {
        if planned.failure == nil { planned.model = try model(of: item) }
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
      plan(&planned, current: current)
    }
  }

  private mutating func plan(_ planned: inout PlannedDeployment, current: StoredDeployment?) {
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

  /// The version that a deployment will serve: registered, among those staged, or staged now.
  private mutating func model(
    of item: ApplyInput.Deployment
  ) throws(ControlError) -> ModelVersion? {
    switch item.specification.model {
    case nil:
      return nil
    case .inline(let registration):
      try applied.noteFiles(registration, of: item.origin.key)
      let staged = try control.stageInline(registration)
      if staged.isNew { self.staged.append(staged) }
      return staged.version
    case .registered(let reference):
      let fresh = staged.map(\.version).filter { $0.name == reference.name }
      switch reference.revision {
      case .version(let version):
        if let match = fresh.first(where: { $0.version == version }) { return match }
      case .latest:
        if let match = fresh.max(by: { $0.createdAt < $1.createdAt }) { return match }
      }
      if case .version(let version) = reference.revision,
        broken.contains(DocumentKey(kind: "model", name: "\(reference.name):\(version)")),
        let reason = report.changes.last(where: {
          $0.action == .failed && $0.resource == "model \(reference.name):\(version)"
        })
      {
        throw .deployment(DeploymentFailure(code: "BadArgument", message: reason.detail))
      }
      return try control.registeredModel(of: item.specification)
    }
  }

  private mutating func planEndpoints() {
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

  private func unknownShare(_ specification: EndpointSpecification) -> TrafficRules.Fault? {
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

  private mutating func planPruning() throws(ControlError) {
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
      default:
        if try isRegistered(key) { report(.delete, key) }
      }
    }
  }

  // MARK: Load and commit

  private mutating func load() throws(ControlError) {
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

  private mutating func commit() throws(ControlError) {
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
  private struct Committed: Sendable {
    var goneDeployments: [DeploymentSpecification] = []
    var goneModels: [(name: String, version: String)] = []
    /// Models that were to be pruned and are in use.
    var keptModels: [(key: DocumentKey, reason: String)] = []
  }

  private func commit(
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
      // An uploaded model has become a reference by now; its document brought it nevertheless.
      let bringsModel = planned.specification.inlineModel != nil || !planned.origin.keepsFiles
      let hash = bringsModel ? planned.model?.contentHash : nil
      inForce[planned.origin.key] = applied.document(planned.origin, contentHash: hash)
    }
    for (key, document) in inForce { try store.save(document, key, at: time) }
    return done
  }

  /// The words of a version that exists.
  private func commit(_ wanted: ModelVersion, _ store: EndpointStore) throws(ControlError) {
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

  private func commit(
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

  private func commitPruning(
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
    for key in pruned where key.kind != "endpoint" {
      if let deployment = DeploymentKey(key), state.catalog.deployments[deployment] != nil {
        done.goneDeployments.append(
          try control.deleteDeployment(deployment, in: &state, store, by: actor))
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

  private mutating func discardStaged() {
    for staged in staged { control.registry.discard(staged) }
    staged = []
  }

  // MARK: Small things

  /// At start a version that was deleted by hand stays so.
  private mutating func isUnchanged(_ model: ApplyInput.Model) throws(ControlError) -> Bool {
    guard try applied.isUnchanged(model.origin, files: model.registration) else { return false }
    guard unit == .everything, let version = model.registration.version else { return true }
    return try isRegistered(name: model.registration.name, version: version)
  }

  private func isRegistered(_ key: DocumentKey) throws(ControlError) -> Bool {
    guard let (name, version) = Self.model(key) else { return false }
    return try isRegistered(name: name, version: version)
  }

  private func isRegistered(name: String, version: String) throws(ControlError) -> Bool {
    do {
      return try control.registry.existing(name: name, version: version) != nil
    } catch {
      throw .registry(error)
    }
  }

  /// The version that `model churn:3` names; nil when it names none.
  private static func model(_ key: DocumentKey) -> (name: String, version: String)? {
    guard let colon = key.name.lastIndex(of: ":") else { return nil }
    return (String(key.name[..<colon]), String(key.name[key.name.index(after: colon)...]))
  }

  private mutating func report(
    _ action: ApplyReport.Change.Action, _ key: DocumentKey, _ detail: String = ""
  ) {
    report.changes.append(.init(action: action, resource: key.description, detail: detail))
  }

  private mutating func fail(_ resource: String, _ reason: String) {
    faults.append(reason)
    report.changes.removeAll { $0.resource == resource && $0.action != .delete }
    report.changes.append(.init(action: .failed, resource: resource, detail: reason))
  }
}

extension DeploymentSpecification {
  /// The model that comes with the deployment's document; nil when that names a registered one.
  fileprivate var inlineModel: ModelRegistration? {
    if case .inline(let registration)? = model { registration } else { nil }
  }
}

extension DeploymentKey {
  /// Of an applied document's key, `deployment churn/blue`.
  init?(_ key: DocumentKey) {
    let parts = key.name.split(separator: "/")
    guard key.kind == "deployment", parts.count == 2 else { return nil }
    self.init(endpoint: String(parts[0]), name: String(parts[1]))
  }
}

extension ControlPlane {
  /// Validates, registers, loads and warms up everything first, then commits with one database
  /// commit and one routing swap, or changes nothing (`DESIGN.md` §2). An unchanged document
  /// changes nothing.
  ///
  /// - Parameter dryRun: Reports what would be done, and does none of it (`plan`).
  package func apply(
    _ documents: [ApplyDocument], prune: Bool, dryRun: Bool, unit: ApplyUnit, by actor: Actor
  ) throws(ControlError) -> ApplyReport {
    try applying.withLock { _ throws(ControlError) in
      var applier = try Applier(self, documents, prune: prune, unit: unit, by: actor)
      return try applier.run(dryRun: dryRun)
    }
  }
}
