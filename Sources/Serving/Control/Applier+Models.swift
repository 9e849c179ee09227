internal import Registry

/// Models: staged first, since deployments may serve them.
extension Applier {
  mutating func stageModels() {
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

  /// At start a version that was deleted by hand stays so.
  mutating func isUnchanged(_ model: ApplyInput.Model) throws(ControlError) -> Bool {
    guard try applied.isUnchanged(model.origin, files: model.registration) else { return false }
    guard unit == .everything, let version = model.registration.version else { return true }
    return try isRegistered(name: model.registration.name, version: version)
  }

  /// The version that a deployment will serve: registered, among those staged, or staged now.
  mutating func model(
    _ model: DeploymentSpecification.Model?, of origin: ApplyInput.Origin
  ) throws(ControlError) -> ModelVersion? {
    switch model {
    case nil:
      return nil
    case .inline(let registration):
      try applied.noteFiles(registration, of: origin.key)
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
      do { return try control.registry.resolve(reference) } catch { throw .registry(error) }
    }
  }

  func isRegistered(_ key: DocumentKey) throws(ControlError) -> Bool {
    guard let (name, version) = Self.model(key) else { return false }
    return try isRegistered(name: name, version: version)
  }

  func isRegistered(name: String, version: String) throws(ControlError) -> Bool {
    do {
      return try control.registry.existing(name: name, version: version) != nil
    } catch {
      throw .registry(error)
    }
  }

  /// The version that `model churn:3` names; nil when it names none.
  static func model(_ key: DocumentKey) -> (name: String, version: String)? {
    guard let colon = key.name.lastIndex(of: ":") else { return nil }
    return (String(key.name[..<colon]), String(key.name[key.name.index(after: colon)...]))
  }
}
