internal import Executors
internal import Registry

/// Whether jobs of a batch deployment could score with its model: it is loaded once, and let go.
enum BatchModelCheck {
  static func check(in registry: ModelRegistry) -> ControlPlane.CheckBatch {
    { (_, version, package) throws(DeploymentFailure) in
      try run(version, package: package, registry: registry)
    }
  }

  private static func run(
    _ version: ModelVersion, package: String, registry: ModelRegistry
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
    do {
      _ = try TableDecoder(jsonLines: model.signature)
    } catch {
      throw DeploymentFailure(
        code: "BadArgument", message: "\(name): \(error.inputSentence ?? "\(error)")")
    }
  }
}
