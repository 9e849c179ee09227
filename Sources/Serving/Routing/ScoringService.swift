package import Telemetry

/// The one door of the data plane.
package final class ScoringService: Sendable {
  /// - Parameter threads: Threads that run what does not run inline; the CPU quota.
  package init(metrics: MetricRegistry, log: Log, clock: MonotonicClock = .system, threads: Int) {
    fatalError("skeleton")
  }

  /// The table in force.
  package var table: RoutingTable { fatalError("skeleton") }

  /// Puts another table in force: requests that come from now on see only it. Requests already
  /// taken finish with the deployments they were given.
  package func install(_ table: RoutingTable) { fatalError("skeleton") }

  /// Fails what waits in queues with `draining`, ends the threads. At shutdown.
  package func stop() { fatalError("skeleton") }
}
