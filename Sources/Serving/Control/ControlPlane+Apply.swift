internal import Telemetry

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
