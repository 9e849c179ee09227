internal import Registry

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
  let before: ControlState
  var applied: AppliedDocuments

  var report = ApplyReport()
  /// Faults when the unit is everything: told together, nothing is done.
  var faults: [String] = []
  var staged: [ModelRegistry.Staged] = []
  var changedModels: [ModelVersion] = []
  var endpoints: [ApplyInput.Endpoint] = []
  var deployments: [PlannedDeployment] = []
  var batchEndpoints: [ApplyInput.BatchEndpoint] = []
  var batchDeployments: [PlannedBatchDeployment] = []
  var pruned: [DocumentKey] = []
  var broken: Set<DocumentKey> = []
  /// Documents of models that are in force after the commit.
  var accepted: [DocumentKey: AppliedDocument] = [:]

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
    planBatchEndpoints()
    planBatchDeployments()
    try planPruning()
    if unit == .everything && !faults.isEmpty { throw .documents(faults) }
    if dryRun { return report }
    guard hasWork else {
      // Key files are no documents, and may have changed.
      try control.adjust { (state) throws(ControlError) in try control.readKeyFiles(into: &state) }
      return report
    }
    checkBatchDeployments()
    try load()
    try commit()
    return report
  }

  var hasWork: Bool {
    !staged.isEmpty || !changedModels.isEmpty || !deployments.isEmpty || !endpoints.isEmpty
      || !batchEndpoints.isEmpty || !batchDeployments.isEmpty || !pruned.isEmpty
      || !accepted.isEmpty || !applied.restamped.isEmpty
  }

  mutating func discardStaged() {
    for staged in staged { control.registry.discard(staged) }
    staged = []
  }

  mutating func report(
    _ action: ApplyReport.Change.Action, _ key: DocumentKey, _ detail: String = ""
  ) {
    report.changes.append(.init(action: action, resource: key.description, detail: detail))
  }

  mutating func fail(_ resource: String, _ reason: String) {
    faults.append(reason)
    report.changes.removeAll { $0.resource == resource && $0.action != .delete }
    report.changes.append(.init(action: .failed, resource: resource, detail: reason))
  }
}
