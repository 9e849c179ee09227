internal import Synchronization
internal import Telemetry

/// What an endpoint copies, and where to.
package struct MirrorShare: Sendable {
  /// Of the requests that name no deployment. Range 1...50.
  let percent: Int
  let lane: MirrorLane
}

/// The lanes of all mirrors: one for each deployment that is one, from the table that makes it
/// a mirror to the one that does not.
final class MirrorLanes: Sendable {
  private struct State {
    var lanes: [ObjectIdentifier: MirrorLane] = [:]
    /// Told to stop, and not seen to have ended.
    var ending: [MirrorLane] = []
  }

  private let state = Mutex(State())
  private let policy: MirrorPolicy
  private let metrics: MetricRegistry
  private let log: Log
  private let deploymentLogs: DeploymentLogs

  init(
    policy: MirrorPolicy = MirrorPolicy(), metrics: MetricRegistry, log: Log,
    deploymentLogs: DeploymentLogs
  ) {
    self.policy = policy
    self.metrics = metrics
    self.log = log
    self.deploymentLogs = deploymentLogs
  }

  func lane(to deployment: LiveDeployment) -> MirrorLane {
    state.withLock { state in
      if let lane = state.lanes[ObjectIdentifier(deployment)] { return lane }
      let lane = MirrorLane(
        deployment, policy: policy, metrics: metrics, log: log, deploymentLogs: deploymentLogs)
      state.lanes[ObjectIdentifier(deployment)] = lane
      return lane
    }
  }

  /// Ends every lane that the table does not copy to.
  func keep(_ table: RoutingTable) {
    let kept = Set(
      table.endpoints.values.compactMap { $0.mirror?.lane.deployment }.map(ObjectIdentifier.init))
    let (gone, ending) = state.withLock { state in
      let gone = state.lanes.filter { !kept.contains($0.key) }
      for (key, lane) in gone {
        state.lanes[key] = nil
        state.ending.append(lane)
      }
      return (Array(gone.values), state.ending)
    }
    for lane in gone { lane.stop() }
    forget(ending, until: 0)
  }

  /// Ends all lanes; a model that does not come back is left behind.
  func stop() {
    let all = state.withLock { state in
      state.ending += state.lanes.values
      state.lanes = [:]
      return state.ending
    }
    for lane in all { lane.stop() }
    forget(all, until: MonotonicClock.system.now() &+ 1_000_000_000)
  }

  private func forget(_ lanes: [MirrorLane], until deadline: UInt64) {
    let ended = lanes.filter { $0.join(until: deadline) }
    state.withLock { state in
      state.ending.removeAll { lane in ended.contains { $0 === lane } }
    }
  }
}

extension ScoringService {
  /// Makes the share of an endpoint's table; the lane lives as long as tables in force have it.
  package func mirrorShare(percent: Int, to deployment: LiveDeployment) -> MirrorShare? {
    guard percent > 0 else { return nil }
    return MirrorShare(percent: min(percent, 50), lane: mirrors.lane(to: deployment))
  }

  /// Offers a request that has been answered to the endpoint's mirror. Never waits.
  ///
  /// - Parameter pinned: Whether the caller has named its deployment: such requests are not
  ///   copied.
  package func mirror(
    _ endpoint: EndpointRoute, pinned: Bool, bodyByteCount: Int, _ copy: () -> MirrorCopy
  ) {
    guard let share = endpoint.mirror, !pinned, isDrawn(percent: share.percent) else { return }
    share.lane.offer(bodyByteCount: bodyByteCount, copy)
  }
}
