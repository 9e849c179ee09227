internal import HTTP
internal import Serving

/// Loads and unloads endpoints' deployments on behalf of the Open Inference Protocol's clients,
/// where `--model-control explicit` allows it.
final class ModelControl: Sendable {
  private let control: ControlPlane
  private let adminKeys: AdminKeys

  init(control: ControlPlane, adminKeys: AdminKeys) {
    self.control = control
    self.adminKeys = adminKeys
  }

  /// Who asks, if an admin key proves it.
  func actor(_ exchange: HTTPExchange) -> Actor? {
    AdminCaller(exchange, keys: adminKeys)?.actor
  }

  func load(
    _ endpoint: String, by actor: Actor, then end: @escaping @Sendable (ControlError?) -> Void
  ) {
    control.reloadInBackground(endpoint, by: actor, then: end)
  }

  func unload(
    _ endpoint: String, by actor: Actor, then end: @escaping @Sendable (ControlError?) -> Void
  ) {
    control.unloadInBackground(endpoint, by: actor, then: end)
  }
}
