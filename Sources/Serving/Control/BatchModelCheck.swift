internal import Executors
internal import Registry

/// Whether jobs of a batch deployment could score with its model, and write what it answers: it is
/// loaded once, and let go.
enum BatchModelCheck {
  static func check(in registry: ModelRegistry) -> ControlPlane.CheckBatch {
    { (specification, version, package) throws(DeploymentFailure) in
      try run(specification.settings, version, package: package, registry: registry)
    }
  }

  private static func run(
    _ settings: BatchSettings, _ version: ModelVersion, package: String, registry: ModelRegistry
  ) throws(DeploymentFailure) {
    let name = "model \(version.name):\(version.version)"
    do {
      try registry.verify(version)
    } catch {
      throw DeploymentFailure(
        code: "ResourceNotReady", message: "\(name): \(registrySentence(for: error))")
    }
    let model: LoadedModel
    do {
      model = try ModelLoader.load(
        path: package + "/" + version.artifact, type: version.type,
        properties: version.properties)
    } catch {
      throw DeploymentFailure(code: "BadArgument", message: "\(name): \(error)")
    }
    if let reason = settings.columnFault(model.defaultOutputs.map { model.signature.outputs[$0] }) {
      throw DeploymentFailure(code: "BadArgument", message: "\(name): \(reason)")
    }
    do {
      _ = try TableDecoder(jsonLines: model.signature)
    } catch {
      throw DeploymentFailure(
        code: "BadArgument", message: "\(name): \(error.inputSentence ?? "\(error)")")
    }
  }
}
