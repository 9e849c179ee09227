internal import HTTP
package import Serving
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Builds all parts, starts them in order, drains them in order.
package final class GatewayServer: Sendable {
  private let configuration: GatewayConfiguration
  let parts: GatewayParts
  private let listeners: Listeners
  /// nil without TLS.
  private let certificates: CertificateFiles?
  let signals: SignalState
  /// Follows another process, and `reportReady` has yet to take its sockets over.
  private let isSuccessor: Bool

  /// Opens the workspace and starts everything; prints nothing.
  ///
  /// - Parameter handlesSignals: False in tests: the process's signals stay as they are.
  /// - Throws: `GatewayError` with a sentence; nothing is left running.
  package init(
    _ configuration: GatewayConfiguration, handlesSignals: Bool = true
  ) throws(GatewayError) {
    let faults = configuration.faults()
    guard faults.isEmpty else { throw GatewayError(faults.joined(separator: "\n")) }
    self.configuration = configuration
    ProcessLimits.apply()
    signals = SignalState()
    let log = Log(level: Log.Level(name: configuration.logLevel))
    if handlesSignals { signals.start(log: log) }
    let inherited = try Inheritance.accepted()
    isSuccessor = inherited != nil
    parts = try GatewayParts(configuration, log: log)
    do {
      if inherited != nil {
        // The process before this one answers meanwhile.
        try parts.load(configuration)
        parts.readiness.becomeReady()
      }
      listeners = try Listeners(configuration, parts, inherited: inherited) {
        [signals] reason in
        log.write(
          .error, "a listening socket has ended; nobody can connect, so the gateway stops",
          ["reason": .string(reason)])
        signals.fail()
      }
    } catch {
      parts.stop()
      throw error
    }
    do {
      if inherited == nil {
        parts.clearLeftovers()
        try parts.load(configuration)
        try parts.startJobs()
      }
    } catch {
      listeners.stop(deadline: MonotonicClock.system.now())
      parts.stop()
      throw error
    }
    certificates = CertificateFiles(
      configuration, servers: [listeners.scoring] + [listeners.remoteAdmin].compactMap { $0 },
      metrics: parts.metrics, log: log)
    parts.succession.begin(listeners) { [signals] in signals.handOver() }
    if let name = configuration.defaultEndpoint,
      parts.service.table.endpoints[name.lowercased()] == nil
    {
      log.write(
        .warning, "there is no endpoint of the name that --default-endpoint gives",
        ["default_endpoint": .string(name)])
    }
    if !isSuccessor { signals.beginServing() }
    parts.readiness.becomeReady()
    if let adminAddress = listeners.adminAddress {
      log.write(
        .info, "ready",
        ["address": .string(listeners.address), "admin_address": .string(adminAddress)])
      if parts.adminKeys.records.isEmpty {
        log.write(
          .warning, "nobody can use the admin address yet: 'swerve admin-key create' makes a key")
      }
    } else {
      log.write(.info, "ready", ["address": .string(listeners.address)])
    }
  }

  /// Tells the process that has started this one, if it waits for that, why there will be no
  /// successor.
  package static func reportFailure(_ reason: String) { Inheritance.refuse(reason) }

  /// Tells the process before this one, if there is one, that this one can answer, and takes its
  /// sockets over: from here on this one accepts connections.
  ///
  /// - Throws: When there is nothing to take over any more; then nothing is left running.
  package func reportReady() throws(GatewayError) {
    guard isSuccessor else { return }
    do throws(GatewayError) {
      try Inheritance.take()
      parts.clearLeftovers()
      try listeners.beginAccepting()
    } catch {
      certificates?.stop()
      listeners.giveUp()
      parts.stop()
      throw error
    }
    do throws(GatewayError) {
      try parts.startJobs()
    } catch {
      // Nobody else can answer any more: requests go on without the jobs.
      parts.log.write(
        .error, "the jobs cannot go on; a restart takes them up",
        ["reason": .string(error.description)])
    }
    signals.beginServing()
  }

  /// The address that scoring answers on: `http://127.0.0.1:8080`.
  package var address: String { listeners.address }
  /// Where callers reach it: the public address, where there is one.
  package var scoringAddress: String { listeners.scoringAddress }

  /// The endpoints that the settings name models for.
  package var quickModels: [String] { configuration.quickModels.map(\.name) }

  /// The address of the admin API over TCP, as it was picked; nil when it is on its socket only.
  package var adminAddress: String? { listeners.adminAddress }

  /// The admin socket.
  package var socketPath: String { parts.workspace.socketPath }

  package var control: ControlPlane { parts.control }

  /// Serves until SIGTERM or SIGINT, reapplies on SIGHUP; returns the exit status.
  package func run() -> Int32 {
    let reloads = Threads()
    reloads.start(name: "reload") { [self] in
      while signals.waitForReload() { reload() }
    }
    signals.waitForStop()
    drain { reloads.join() }
    return signals.hasFailed ? 1 : 0
  }

  /// Reads the certificate and applies the folder again; what fails stays as it was.
  package func reload() {
    certificates?.reload()
    guard let path = configuration.applyPath else {
      if certificates != nil { return }
      return parts.log.write(.warning, "nothing to reload: no --apply folder was given")
    }
    parts.reload(path)
  }

  /// Stops in the order that loses nothing: `/readyz` says so first, then callers have time to
  /// go elsewhere, then no more connections, then what is in flight ends, then the rest.
  ///
  /// - Parameter wait: For what still works on the parts: a reload that has begun.
  package func drain(waitingFor wait: () -> Void = {}) {
    let log = parts.log
    endsAtTheLatest(
      after: configuration.drainDelay + configuration.drainTimeout + .seconds(2))
    // Sockets that a new process has are not ended for it: it goes first, or has them already.
    parts.succession.cancel()
    if signals.isHandedOver {
      // Nobody has to go elsewhere: the address is the successor's.
      log.write(.info, "handed over, draining")
    } else {
      log.write(.info, "draining")
      parts.readiness.beginDraining()
      listeners.beginDrain()
      sleep(configuration.drainDelay)
    }
    let deadline = MonotonicClock.system.now() &+ nanoseconds(configuration.drainTimeout)
    let isClean = listeners.stop(deadline: deadline)
    if !isClean { log.write(.warning, "requests were cut off at the end of the drain") }
    wait()
    certificates?.stop()
    parts.stop()
    log.write(.info, "stopped")
    log.flush()
  }

  /// A thread that no deadline reaches (a long batch, a large copy) must not hold the process:
  /// what was acknowledged is on the disk already.
  private func endsAtTheLatest(after duration: Duration) {
    let log = parts.log
    Threads().start(name: "drain limit") { [self] in
      sleep(duration)
      log.write(.error, "the drain took too long; what still ran has been cut off")
      log.flush()
      _exit(1)
    }
  }

  private func sleep(_ duration: Duration) {
    var time = timespec(
      tv_sec: Int(duration.components.seconds),
      tv_nsec: Int(duration.components.attoseconds / 1_000_000_000))
    var rest = timespec()
    while nanosleep(&time, &rest) != 0, errno == EINTR { time = rest }
  }

  private func nanoseconds(_ duration: Duration) -> UInt64 {
    UInt64(duration.components.seconds) * 1_000_000_000
      + UInt64(duration.components.attoseconds / 1_000_000_000)
  }
}

extension Log.Level {
  fileprivate init(name: String) {
    switch name {
    case "debug": self = .debug
    case "warning": self = .warning
    case "error": self = .error
    default: self = .info
    }
  }
}
