internal import Synchronization

/// What `/readyz` says.
final class Readiness: Sendable {
  /// starting → ready → draining; starting → draining.
  enum State: UInt8, Sendable {
    /// Deployments are being loaded.
    case starting
    /// Every deployment has finished loading or failed.
    case ready
    /// The process is going: no more requests should be sent.
    case draining
  }

  private let raw = Atomic<UInt8>(State.starting.rawValue)

  var state: State { State(rawValue: raw.load(ordering: .acquiring)) ?? .draining }

  /// - Returns: False when it is draining already.
  @discardableResult
  func becomeReady() -> Bool {
    raw.compareExchange(
      expected: State.starting.rawValue, desired: State.ready.rawValue,
      ordering: .acquiringAndReleasing
    ).exchanged
  }

  func beginDraining() { raw.store(State.draining.rawValue, ordering: .releasing) }
}
