internal import Synchronization

/// What the callbacks, the reaper and `HTTPServer` share.
final class ServerCore: Sendable {
  let handler: any HTTPHandler
  let timeouts: Timeouts
  let maxConnections: Int
  let maxBodyBytesInFlight: Int
  /// Bytes of bodies held now, as far as they are counted.
  let bodyBytesInFlight = Atomic<Int>(0)
  let isTLS: Bool
  let isUnix: Bool
  let connections = ConnectionTable()
  /// Every answer carries `Connection: close`.
  let isDraining = Atomic<Bool>(false)
  /// Suspended exchanges are answered 503 at once: `stop` has run out of time.
  let isAbandoning = Atomic<Bool>(false)
  let lingering = LingeringSockets()
  /// What the next handshakes show; nil without TLS.
  let credentials = Mutex<TLSCredentials?>(nil)

  /// Whether a body of this size may come.
  func hasRoom(forBody byteCount: Int) -> Bool {
    let (sum, overflows) = bodyBytesInFlight.load(ordering: .relaxed)
      .addingReportingOverflow(byteCount)
    return !overflows && sum <= maxBodyBytesInFlight
  }

  /// The deadlines in nanoseconds.
  struct Timeouts: Sendable {
    let head: UInt64
    let body: UInt64
    let send: UInt64
    let idle: UInt64
    let nanosecondsPerByte: UInt64

    func body(received: Int) -> UInt64 { body + UInt64(received) * nanosecondsPerByte }
    func sending(byteCount: Int) -> UInt64 { send + UInt64(byteCount) * nanosecondsPerByte }
  }

  init(_ configuration: HTTPServerConfiguration, maxConnections: Int, handler: any HTTPHandler) {
    self.handler = handler
    self.maxConnections = maxConnections
    maxBodyBytesInFlight = configuration.maxBodyBytesInFlight
    isTLS = configuration.tls != nil
    if case .unix = configuration.address { isUnix = true } else { isUnix = false }
    timeouts = Timeouts(
      head: configuration.headTimeout.wholeNanoseconds,
      body: configuration.bodyTimeout.wholeNanoseconds,
      send: configuration.sendTimeout.wholeNanoseconds,
      idle: configuration.idleTimeout.wholeNanoseconds,
      nanosecondsPerByte: 1_000_000_000 / UInt64(max(1, configuration.minBodyBytesPerSecond)))
  }
}
